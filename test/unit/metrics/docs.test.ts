import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { metricsDocument } from '../../../scripts/metrics-document.ts'
import { CATALOGUE } from '../../../src/metrics/catalogue.ts'
import { describeWith } from '../../helpers/needs.ts'

const written = readFileSync(new URL('../../../docs/METRICS.md', import.meta.url), 'utf8')

describe('docs/METRICS.md', () => {
  it('is what the definitions say; else run "node scripts/metrics-docs.ts"', () => {
    expect(written).toBe(metricsDocument())
  })

  it.each(CATALOGUE)('has $name with a query that asks for it', ({ name, help, labels }) => {
    const [, section = ''] = new RegExp(`^## ${name}\\n([^]*?)(?=^## |$(?![^]))`, 'm').exec(written) ?? []
    expect(section).toContain(help)
    for (const label of labels) expect(section).toContain(`\`${label}\``)
    const [, query] = /```promql\n([^]*?)\n```/.exec(section) ?? []
    expect(query).toContain(name)
  })
})

describeWith(['promtool'], 'the queries of docs/METRICS.md', () => {
  it('are all PromQL', () => {
    const queries = [...written.matchAll(/```promql\n([^]*?)\n```/g)].map(([, query = '']) => query)
    expect(queries).toHaveLength(CATALOGUE.length)
    const folder = mkdtempSync(join(tmpdir(), 'ollascope-'))
    try {
      const rules = queries.map((expr, index) => ({ record: `query_${index}`, expr }))
      writeFileSync(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'queries', rules }] }))
      const said = execFileSync('promtool', ['check', 'rules', join(folder, 'rules.yml')], { encoding: 'utf8' })
      expect(said).toContain(`SUCCESS: ${queries.length} rules found`)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
