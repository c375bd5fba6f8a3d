/**
 * Writes the dashboards as Grafana reads them: `node grafana/generate.ts`.
 * With `--check` it writes nothing, says what is out of date and ends with 1.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { format } from 'prettier'
import type { ClassicDashboard } from './source/classic.ts'
import { gpuHost } from './source/dashboards/gpu-host.ts'
import { models } from './source/dashboards/models.ts'
import { overview } from './source/dashboards/overview.ts'
import { slo } from './source/dashboards/slo.ts'

const FOLDER = join(import.meta.dirname, 'dashboards')

/** Keys in order, so that a difference is a difference; as `make format` would have it. */
function render(dashboard: ClassicDashboard): Promise<string> {
  const sorted = (_key: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  return format(JSON.stringify(dashboard, sorted, 2), { parser: 'json', printWidth: 120 })
}

function present(): Map<string, string> {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'))
  return new Map(names.map((name) => [name, readFileSync(join(FOLDER, name), 'utf8')]))
}

const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values
const made = [overview, models, gpuHost, slo]
const files = made.map(async (one) => [`${one.uid ?? ''}.json`, await render(one)] as const)
const wanted = new Map<string, string>(await Promise.all(files))
mkdirSync(FOLDER, { recursive: true })
const found = present()
const stale = [...new Set([...wanted.keys(), ...found.keys()])].filter((name) => wanted.get(name) !== found.get(name))

if (check) {
  for (const name of stale) console.error(`grafana/dashboards/${name} is out of date: run "node grafana/generate.ts"`)
  if (stale.length > 0) process.exitCode = 1
} else {
  for (const name of stale) {
    const text = wanted.get(name)
    if (text === undefined) rmSync(join(FOLDER, name))
    else writeFileSync(join(FOLDER, name), text)
  }
}
