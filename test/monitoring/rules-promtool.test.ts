import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { ALERTS } from '../../prometheus/source/alerts.ts'
import { describeWith } from '../helpers/needs.ts'
import { ended, NODE, ROOT, startProgram } from '../helpers/process.ts'

const FOLDER = join(ROOT, 'prometheus')
const TESTS = readdirSync(join(FOLDER, 'tests'))
/** Each tells when it is done; how long that takes is the machine's business. */
const PATIENCE_MS = 300_000

async function run(program: string, args: readonly string[]) {
  const { code, stdout, stderr } = await ended(startProgram(program, args))
  return { code, output: stdout + stderr }
}

function copy(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-prometheus-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  cpSync(FOLDER, folder, { recursive: true })
  return folder
}

/** The folder as it is deployed: with secrets, and with what is an example switched on. */
function deployed(): string {
  const folder = copy()
  mkdirSync(join(folder, 'secrets'))
  for (const name of ['ollascope-admin-token', 'remote-write-token'])
    writeFileSync(join(folder, 'secrets', name), 'token')
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.example')) renameSync(join(folder, name), join(folder, name.replace(/\.example$/, '')))
  }
  return folder
}

describeWith(['promtool'], 'promtool', () => {
  test('takes the rules', async () => {
    const files = ['alerts.yml', 'recording.yml'].map((name) => join(FOLDER, 'rules', name))
    expect(await run('promtool', ['check', 'rules', '--lint-fatal', ...files])).toMatchObject({ code: 0 })
  })

  test('takes the configuration, with all that is an example', async () => {
    const folder = deployed()
    const file = join(folder, 'prometheus.yml')
    writeFileSync(file, readFileSync(file, 'utf8') + readFileSync(join(folder, 'remote-write.example.yml'), 'utf8'))
    const { code, output } = await run('promtool', ['check', 'config', '--lint-fatal', file])
    expect(output).not.toMatch(/WARNING|FAILED/)
    expect(code).toBe(0)
  })

  test.each(TESTS)(
    'passes %s',
    async (name) => {
      const { code, output } = await run('promtool', ['test', 'rules', join(FOLDER, 'tests', name)])
      expect(output).toContain('SUCCESS')
      expect(code).toBe(0)
    },
    PATIENCE_MS,
  )
})

test('the generator says what is out of date, and makes it', async () => {
  const folder = copy()
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  const generate = (...args: string[]) => run(NODE, [join(folder, 'generate.ts'), ...args])
  const alerts = join(folder, 'rules/alerts.yml')

  expect(await generate('--check')).toEqual({ code: 0, output: '' })
  expect(await generate('--check', '--runbook-base', 'https://wiki.example.com/')).toMatchObject({ code: 1 })
  const before = readFileSync(alerts, 'utf8')
  writeFileSync(alerts, before.replace('for: 1m', 'for: 2m'))
  const { code, output } = await generate('--check')
  expect(code).toBe(1)
  expect(output).toMatch(/^prometheus\/rules\/alerts\.yml is out of date: run "node prometheus\/generate\.ts"\n$/)
  expect(await generate()).toEqual({ code: 0, output: 'prometheus/rules/alerts.yml written\n' })
  expect(readFileSync(alerts, 'utf8')).toBe(before)
})

interface Configuration {
  readonly global: { readonly scrape_interval: string; readonly evaluation_interval: string }
  readonly scrape_configs: readonly {
    readonly job_name: string
    readonly static_configs?: readonly { readonly targets: readonly string[]; readonly labels: object }[]
  }[]
}

test('both processes of the stack are one instance', () => {
  const { scrape_configs: jobs } = read('prometheus.yml') as Configuration
  expect(jobs.find(({ job_name: name }) => name === 'ollascope')?.static_configs).toEqual([
    { targets: ['ollascope:9435'], labels: { instance: 'ollama', component: 'proxy' } },
    { targets: ['ollascope-collector:9435'], labels: { instance: 'ollama', component: 'collector' } },
  ])
})

test.each(['OllamaCPUFallback', 'OllamaContainerOOMKilled'])('%s pages within two minutes of its cause', (name) => {
  const { global } = read('prometheus.yml') as Configuration
  const { route } = read('alertmanager.yml') as { route: { routes: readonly Readonly<Record<string, string>>[] } }
  const pager = route.routes.find(({ receiver }) => receiver === 'pager')
  const alert = ALERTS.find((one) => one.name === name)
  const collected = 10 // the default of OLLASCOPE_COLLECT_INTERVAL
  for (const sent of [pager?.group_wait, pager?.group_interval]) {
    const times = [global.scrape_interval, global.evaluation_interval, alert?.for ?? '0s', sent].map(seconds)
    expect(times.reduce((sum, one) => sum + one, collected)).toBeLessThan(120)
  }
})

function read(name: string): unknown {
  return parse(readFileSync(join(FOLDER, name), 'utf8'))
}

function seconds(text: string | undefined): number {
  const [, number, unit] = /^(\d+)([sm])$/.exec(text ?? '') ?? []
  return Number(number) * (unit === 'm' ? 60 : 1)
}
