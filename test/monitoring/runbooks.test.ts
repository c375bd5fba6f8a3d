import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { THROTTLE_REASONS } from '../../src/collectors/gpu.ts'
import { settingsTable } from '../../src/config.ts'
import { CATALOGUE } from '../../src/metrics/catalogue.ts'
import { ERROR_TYPES, OUTCOMES } from '../../src/ollama/outcome.ts'
import { describeWith } from '../helpers/needs.ts'
import { ROOT } from '../helpers/process.ts'
import { runProgram } from '../helpers/programs.ts'
import { ALERTS, blocksIn, FOLDER, PAGES } from './runbooks-pages.ts'

const INDEX = 'README'
const HEADINGS = ['Meaning', 'Impact', 'Diagnosis', 'Mitigation', 'Silence']
const FOREIGN_METRICS = ['prometheus_notifications_errors_total']
const OLLAMA_SETTINGS = [
  'BASE_URL',
  'CONTEXT_LENGTH',
  'FLASH_ATTENTION',
  'GPU_OVERHEAD',
  'KEEP_ALIVE',
  'KV_CACHE_TYPE',
  'LOAD_TIMEOUT',
  'MAX_LOADED_MODELS',
  'MAX_QUEUE',
  'NUM_PARALLEL',
].map((name) => `OLLAMA_${name}`)
const LABELS = new Set([
  ...CATALOGUE.flatMap(({ labels }) => labels),
  ...['instance', 'job', 'component', 'le', 'alertname'],
])
const LABEL_VALUES: Readonly<Record<string, readonly string[] | undefined>> = {
  reason: THROTTLE_REASONS,
  error_type: ERROR_TYPES,
  outcome: OUTCOMES,
  type: ['input', 'output', 'cached_input'],
  process: ['ollama', 'other'],
  job: ['ollascope'],
}

const IN_WORDS: Readonly<Record<string, string>> = { 0.5: 'half', 2: 'two', 6: 'six', 600: 'ten minutes' }

const names = [...new Set(ALERTS.map(({ alert }) => alert))]
const pages = PAGES.filter(({ name }) => name !== INDEX)

test('every alert has a page, and every page an alert', () => {
  expect(pages.map(({ name }) => name).sort()).toEqual(names.sort())
})

test('the index has each alert once, with its severity', () => {
  const index = PAGES.find(({ name }) => name === INDEX)?.text ?? ''
  const rows = [...index.matchAll(/^\| \[(\w+)\]\((\w+)\.md\) +\| ([\w, ]+?) +\| (.+?) +\|$/gm)]
  const severityOf = (name: string) => [
    ...new Set(ALERTS.filter(({ alert }) => alert === name).map(({ labels }) => labels.severity)),
  ]
  expect(rows.map(([, name, file, severity]) => [name, file, severity]).sort()).toEqual(
    names.map((name) => [name, name, severityOf(name).join(', ')]).sort(),
  )
})

describe.each(pages)('$name', ({ name, text }) => {
  test('has its name, the five parts and the dashboard of its alert', () => {
    expect(text.startsWith(`# ${name}\n`)).toBe(true)
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual(HEADINGS)
    const own = ALERTS.filter(({ alert }) => alert === name)
    expect(own.length).toBeGreaterThan(0)
    for (const { annotations } of own) {
      expect(annotations.runbook_url).toMatch(new RegExp(`/${name}\\.md$`))
      if (annotations.dashboard_url !== undefined) expect(text).toContain(`\`${annotations.dashboard_url}\``)
    }
  })

  test('says the thresholds of its alert', () => {
    const meaning = /^## Meaning$([^]*?)^## /m.exec(text)?.[1]?.replaceAll(/\s+/g, ' ') ?? ''
    const own = ALERTS.filter(({ alert }) => alert === name)
    const missing = own.flatMap(({ expr }) => thresholdsOf(expr)).filter((one) => !says(meaning, one))
    expect(missing).toEqual([])
  })

  test('is short', () => {
    expect(text.split('\n').length).toBeLessThanOrEqual(90)
  })
})

describe('what the pages name exists:', () => {
  const found = (pattern: RegExp) =>
    PAGES.flatMap(({ name, text }) => [...text.matchAll(pattern)].map(([all, part]) => [name, part ?? all] as const))

  test('metrics', () => {
    const suffixes = (type: string) => (type === 'histogram' ? ['', '_bucket', '_sum', '_count'] : [''])
    const known = new Set([
      ...CATALOGUE.flatMap((metric) => suffixes(metric.type).map((suffix) => `${metric.name}${suffix}`)),
      ...FOREIGN_METRICS,
    ])
    const named = found(/\b(?:ollama|ollascope|container|node|process|nodejs|prometheus)_\w+/g)
    expect(named.length).toBeGreaterThan(names.length)
    expect(named.filter(([, metric]) => !known.has(metric))).toEqual([])
  })

  test('labels and their values', () => {
    const queries = PAGES.flatMap((page) => blocksIn(page, 'promql').map((query) => [page.name, query] as const))
    const matchers = queries.flatMap(([page, query]) =>
      [...query.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)].map(([, label = '', values = '']) => ({
        page,
        label,
        values,
      })),
    )
    const grouping = queries.flatMap(([page, query]) =>
      [...query.matchAll(/\b(?:by|on|group_left|without|ignoring) \(([^)]*)\)/g)].flatMap(([, list = '']) =>
        list.split(', ').map((label) => ({ page, label })),
      ),
    )
    expect(matchers.length).toBeGreaterThan(0)
    expect([...matchers, ...grouping].filter(({ label }) => !LABELS.has(label))).toEqual([])
    const wrong = matchers.filter(({ label, values }) => {
      const known = LABEL_VALUES[label]
      return known !== undefined && values.split('|').some((value) => !known.includes(value))
    })
    expect(wrong).toEqual([])
  })

  test('settings', () => {
    const known = new Set([...settingsTable.map(({ variable }) => variable), ...OLLAMA_SETTINGS])
    const named = found(/\b(?:OLLASCOPE|OLLAMA)_[A-Z_]*[A-Z]/g)
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter(([, setting]) => !known.has(setting))).toEqual([])
  })

  test('routes of the admin listener', () => {
    const { paths } = parse(readFileSync(join(ROOT, 'docs/openapi.yaml'), 'utf8')) as { paths: Record<string, unknown> }
    const named = found(/:9435(\/\w+)/g)
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter(([, path]) => !(path in paths))).toEqual([])
  })

  test('dashboards', () => {
    const known = new Set(ALERTS.map(({ annotations }) => annotations.dashboard_url))
    expect(found(/\/d\/[\w-]+/g).filter(([, path]) => !known.has(path))).toEqual([])
  })

  test('links', () => {
    const links = found(/\]\(([^)\s]+)\)/g)
    expect(links.length).toBeGreaterThan(names.length)
    expect(links.filter(([, link]) => !leadsSomewhere(link))).toEqual([])
  })
})

describeWith(['promtool'], 'promtool', () => {
  test('understands every query of the pages', async () => {
    const rules = PAGES.flatMap((page) =>
      blocksIn(page, 'promql').map((expr, at) => ({ record: `page:${page.name}:q${at}`, expr })),
    )
    expect(rules.length).toBeGreaterThan(names.length)
    const { code, stderr } = await check(rules)
    expect([stderr, code]).toEqual(['', 0])
    expect((await check([{ record: 'page:broken', expr: 'sum(' }])).code).not.toBe(0)
  })
})

async function check(rules: readonly { record: string; expr: string }[]) {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-runbooks-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'rules.yml')
  writeFileSync(file, stringify({ groups: [{ name: 'pages', rules }] }))
  return runProgram('promtool', ['check', 'rules', file], '')
}

/** The numbers that an expression compares with; 0 and 1 only ask whether. */
function thresholdsOf(expr: string): number[] {
  return [...expr.matchAll(/[<>]=? ([\d.]+)/g)]
    .map(([, text]) => Number(text))
    .filter((value) => value > 0 && value !== 1)
}

/** Whether a text has a number, be it in words, as a percentage or as so many of a hundred. */
function says(text: string, value: number): boolean {
  const hundredth = Number((value * 100).toFixed(2))
  const forms = [String(value), `${hundredth} %`, `${hundredth} of 100`]
  const word = IN_WORDS[value]
  if (word !== undefined && text.includes(word)) return true
  return forms.some((form) => new RegExp(`(?<![\\d.])${form.replaceAll('.', '\\.')}(?![\\d]|\\.\\d)`).test(text))
}

/** Whether there is such a file, and such a heading in it. */
function leadsSomewhere(link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const file = join(FOLDER, path)
  if (!existsSync(file)) return false
  if (anchor === undefined) return true
  const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => slugOf(heading))
  return headings.includes(anchor)
}

/** As forges make it of a heading. */
function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}
