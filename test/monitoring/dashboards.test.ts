import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { parse } from 'yaml'
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard'
import type { ClassicDashboard } from '../../grafana/source/classic.ts'
import { ALERTS } from '../../prometheus/source/alerts.ts'
import { generate } from '../../prometheus/source/generate.ts'
import { NODE, ROOT } from '../helpers/process.ts'
import { runProgram } from '../helpers/programs.ts'
import { DASHBOARDS, PANELS, targetsOf } from './dashboards.ts'

const PROVISIONING = join(ROOT, 'grafana/provisioning')
const KINDS = ['gauge', 'heatmap', 'stat', 'state-timeline', 'table', 'timeseries']
const LETTERS = 'A B C D E F G H I J'.split(' ')
const REQUESTED = [
  'Memory Usage',
  'CPU Usage %',
  'OOM Events',
  'Memory Usage %',
  'Total Requests',
  'API Latency (p95)',
  'Response Time (p50, p95, p99)',
  'Request Rate (Success vs Errors)',
  'Network I/O',
]
interface Organize {
  readonly renameByName: Readonly<Record<string, string>>
}

const uids = DASHBOARDS.map(({ dashboard }) => dashboard.uid ?? '')

test('what is committed is what the sources make', async () => {
  const { code, stderr } = await runProgram(NODE, [join(ROOT, 'grafana/generate.ts'), '--check'], '')
  expect([code, stderr]).toEqual([0, ''])
})

test('there are four, each in a file of its uid', () => {
  expect(uids).toEqual(['ollama-gpu-host', 'ollama-models', 'ollama-overview', 'ollama-slo'])
  expect(DASHBOARDS.map(({ file }) => file)).toEqual(uids.map((uid) => `${uid}.json`))
})

test('the overview has the title and the nine panels that were asked for', () => {
  const overview = DASHBOARDS.find(({ dashboard }) => dashboard.uid === 'ollama-overview')?.dashboard
  expect(overview?.title).toBe('Ollama Monitoring - MLOps Dashboard')
  expect((overview?.panels ?? []).map(({ title }) => title)).toEqual(expect.arrayContaining(REQUESTED))
})

describe.each(DASHBOARDS)('$dashboard.uid', ({ dashboard }) => {
  const panels = dashboard.panels ?? []

  test('has what Grafana needs, and what all have in common', () => {
    expect(dashboard).toMatchObject({
      schemaVersion: 42,
      title: expect.stringMatching(/./) as string,
      refresh: '10s',
      time: { from: 'now-1h', to: 'now' },
      tags: ['ollama', 'monitoring', 'mlops'],
    })
    expect(dashboard.id).toBeUndefined()
    const names = (dashboard.templating.list ?? []).map(({ name }) => name)
    expect(names.slice(0, 5)).toEqual(['datasource', 'job', 'instance', 'container', 'model'])
    expect((dashboard.annotations.list ?? []).map(({ name }) => name)).toEqual([
      'Firing alerts',
      'OOM kills',
      'Model loads',
      'Container starts',
      'Ollascope starts',
    ])
  })

  test('tells on top whether its sources work', () => {
    const top = panels.filter(({ gridPos }) => gridPos?.y === 0).map(({ title }) => title)
    expect(top).toContain('Sources')
  })

  test('has no id and no title twice', () => {
    const ids = panels.map(({ id }) => id)
    expect(ids).toEqual([...new Set(ids)])
    expect(ids).toEqual(expect.not.arrayContaining([undefined, 0]))
    const titles = panels.map(({ title }) => title)
    expect(titles).toEqual([...new Set(titles)])
  })

  test('is laid out within 24 columns, without overlap and without a hole', () => {
    const taken = new Set<string>()
    let area = 0
    for (const { title, gridPos } of panels) {
      if (gridPos === undefined) throw new Error(`${title ?? ''} has no place`)
      const { x, y, w, h } = gridPos
      expect([title, x >= 0 && w > 0 && h > 0 && x + w <= 24]).toEqual([title, true])
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          expect([title, taken.has(`${column},${line}`)]).toEqual([title, false])
          taken.add(`${column},${line}`)
        }
      }
      area = Math.max(area, 24 * (y + h))
    }
    expect(taken.size).toBe(area)
  })

  test('leads to the other three, with the time and the variables', () => {
    const links = dashboard.links ?? []
    expect(links.map(({ url }) => url?.replace('/d/', '')).sort()).toEqual(uids.filter((uid) => uid !== dashboard.uid))
    for (const link of links) {
      expect(link).toMatchObject({ keepTime: true, includeVars: true })
      // In Grafana's menu nobody finds it.
      expect(link).not.toHaveProperty('placement')
    }
  })
})

describe.each(PANELS)('$name', ({ panel }) => {
  const { defaults } = panel.fieldConfig ?? {}

  it('is of a known kind, and has a title, a description and a unit', () => {
    expect(KINDS).toContain(panel.type)
    expect(panel.title).toMatch(/./)
    expect(panel.description).toMatch(/^[A-Z].{15,}\.$/s)
    expect(defaults?.unit).toMatch(/./)
    // A table has a unit in each column, and a state is a word.
    if (defaults?.unit === 'none') expect(['table', 'state-timeline']).toContain(panel.type)
  })

  it('asks the chosen data source, each query by a letter of its own', () => {
    const targets = targetsOf(panel)
    expect([panel.datasource, ...targets.map(({ datasource }) => datasource)].map((source) => source?.uid)).toEqual(
      Array.from({ length: targets.length + 1 }, () => '${datasource}'),
    )
    expect(targets.map(({ refId }) => refId)).toEqual(LETTERS.slice(0, targets.length))
    expect(targets).not.toEqual([])
  })

  it('is loud where there is nothing', () => {
    expect(defaults?.noValue).toBe('no data')
    for (const match of [
      { type: 'special', options: { match: 'null+nan', result: { text: 'no data', color: 'purple' } } },
      { type: 'value', options: { '-1': { text: 'no data', color: 'purple' } } },
    ])
      expect(defaults?.mappings).toContainEqual(match)
  })

  it('leads to pages that exist', () => {
    const pages = generate().get('rules/alerts.yml') ?? ''
    for (const { url = '', title } of panel.links ?? [])
      expect([title, pages.includes(` ${url}\n`)]).toEqual([title, true])
  })
})

it.each(PANELS.filter(({ panel }) => panel.type === 'table'))(
  'every value of the table $name has a unit',
  ({ panel }) => {
    const organize = panel.transformations?.find(({ id }) => id === 'organize')?.options as Organize
    const overrides = panel.fieldConfig?.overrides ?? []
    const withUnit = overrides.filter(({ properties }) => properties.some(({ id }) => id === 'unit'))
    const columns = Object.entries(organize.renameByName).filter(([field]) => field.startsWith('Value'))
    expect(withUnit.map(({ matcher }): unknown => matcher.options)).toEqual(columns.map(([, title]) => title))
  },
)

/** What an alert compares with, and the panels that show it. */
const THRESHOLDS: readonly (readonly [alert: string, value: number, ...panels: string[]])[] = [
  ['OllamaErrorBudgetBurn', 0.144, 'ollama-slo: Burn: 1h and 5m', 'ollama-overview: Error ratio'],
  ['OllamaErrorBudgetBurn', 0.06, 'ollama-slo: Burn: 6h and 30m'],
  ['OllamaErrorBudgetBurn', 0.03, 'ollama-slo: Burn: 1d and 2h'],
  ['OllamaErrorBudgetBurn', 0.01, 'ollama-slo: Burn: 3d and 6h'],
  [
    'OllamaTimeoutRatioHigh',
    0.02,
    'ollama-slo: Timeouts against 2 %',
    'ollama-slo: Timeouts by model',
    'ollama-slo: Timeouts',
  ],
  [
    'OllamaPartialCPUOffload',
    0.99,
    'ollama-overview: GPU share',
    'ollama-models: GPU share over time',
    'ollama-gpu-host: GPU share',
  ],
  ['OllamaGPUIdleWhileGenerating', 0.05, 'ollama-gpu-host: GPU utilisation'],
  ['OllamaGPUHot', 85, 'ollama-gpu-host: GPU temperature', 'ollama-gpu-host: Hottest GPU'],
  ['OllamaVRAMNearlyFull', 0.97, 'ollama-gpu-host: GPU memory %', 'ollama-gpu-host: Fullest GPU'],
  ['OllamaContainerMemoryHigh', 0.9, 'ollama-overview: Memory Usage %'],
  ['OllamaContainerCPUHigh', 0.9, 'ollama-overview: CPU Usage %'],
  ['OllamaHighTTFT', 10, 'ollama-models: TTFT p95', 'ollama-models: TTFT by model (p50, p95)'],
  ['OllamaHighRequestLatency', 120, 'ollama-overview: API Latency (p95)'],
  ['OllamaQueueWaitHigh', 20, 'ollama-models: Queue wait (p90)'],
  ['OllamaWedged', 600, 'ollama-overview: Waiting'],
]

describe.each(THRESHOLDS)('%s compares with %d', (alert, value, ...panels) => {
  test('in its rule', () => {
    const compares = new RegExp(`[<>] ${String(value).replace('.', '\\.')}(?![\\d.])`)
    expect(ALERTS.filter(({ name, expr }) => name === alert && compares.test(expr))).not.toEqual([])
  })

  it.each(panels)('on the panel %s, which leads to its runbook', (name) => {
    const { panel } = PANELS.find((one) => one.name === name) ?? {}
    expect(panel?.fieldConfig?.defaults.thresholds?.steps.map((step) => step.value)).toContain(value)
    expect((panel?.links ?? []).map(({ title }) => title)).toContain(`Runbook: ${alert}`)
  })
})

test('the memory gauge turns amber at 75 % and red at 90 %', () => {
  const steps = find('ollama-overview: Memory Usage %').fieldConfig?.defaults.thresholds?.steps
  expect(steps).toEqual([
    { color: 'green', value: null },
    { color: 'orange', value: 0.75 },
    { color: 'red', value: 0.9 },
  ])
})

it.each(['ollama-overview: GPU share', 'ollama-models: GPU share over time'])(
  '%s is red at 0, amber below 99 %',
  (name) => {
    const steps = find(name).fieldConfig?.defaults.thresholds?.steps ?? []
    const colourOf = (value: number) => steps.findLast((step) => value >= (step.value ?? -Infinity))?.color
    expect([0, 0.01, 0.98, 0.99, 1].map(colourOf)).toEqual(['red', 'orange', 'orange', 'green', 'green'])
  },
)

it.each([
  'ollama-overview: Response Time (p50, p95, p99)',
  'ollama-overview: API Latency (p95)',
  'ollama-models: TTFT',
])('%s has exemplars', (name) => {
  expect(targetsOf(find(name)).filter(({ exemplar }) => exemplar !== true)).toEqual([])
})

it.each(['ollama-models: TTFT by model (p50, p95)', 'ollama-models: GPU share over time'])(
  'a series of %s leads to the receipts of its model',
  (name) => {
    const [link] = find(name).fieldConfig?.defaults.links ?? []
    const panes = /&panes=(.*)$/.exec(link?.url ?? '')?.[1] ?? ''
    // As Grafana fills it in.
    const filled = panes.replace('${__field.labels.model}', 'm:1').replace('${__from}', '1').replace('${__to}', '2')
    expect(JSON.parse(decodeURIComponent(filled))).toMatchObject({
      receipts: {
        datasource: 'loki',
        queries: [{ expr: expect.stringMatching(/\| json \| msg = "request" .*\| full_model = "m:1"$/) as string }],
        range: { from: '1', to: '2' },
      },
    })
  },
)

test('what is provisioned is the data source that the dashboards choose first', () => {
  const { datasources } = read('datasources/prometheus.yml') as { datasources: Record<string, unknown>[] }
  expect(datasources).toMatchObject([
    {
      uid: 'prometheus',
      type: 'prometheus',
      url: 'http://prometheus:9090',
      jsonData: { exemplarTraceIdDestinations: [{ name: 'trace_id' }] },
    },
  ])
  for (const { dashboard } of DASHBOARDS)
    expect(variable(dashboard, 'datasource')).toMatchObject({ query: 'prometheus', current: { value: 'prometheus' } })
  expect(read('dashboards/ollascope.yml')).toMatchObject({ providers: [{ type: 'file', allowUiUpdates: false }] })
  expect(readdirSync(PROVISIONING).sort()).toEqual(['dashboards', 'datasources'])
})

function find(name: string): Panel {
  const found = PANELS.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no panel ${name}`)
  return found.panel
}

function variable(dashboard: ClassicDashboard, name: string) {
  return (dashboard.templating.list ?? []).find((one) => one.name === name)
}

function read(path: string): unknown {
  return parse(readFileSync(join(PROVISIONING, path), 'utf8'))
}
