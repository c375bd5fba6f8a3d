import { describe, expect, it, test } from 'vitest'
import { RECORDING } from '../../prometheus/source/recording.ts'
import { DASHBOARDS, PANELS, QUERIES, targetsOf } from './dashboards.ts'
import { checkPromql } from './promql.ts'

const recording = RECORDING.map(({ record }) => record)
const GRAFANAS_OWN = ['__all', '__rate_interval', '__range', '__field', '__data', '__value', '__from', '__to']
/** Windows that are the subject, by the panel's name: an alert's, or the period of the objective. */
const FIXED_WINDOWS: Readonly<Record<string, readonly string[]>> = {
  'ollama-gpu-host: GPUs missing': ['6h'],
  'ollama-slo: Error budget left': ['30d:5m'],
  'ollama-slo: Timeouts': ['10m'],
  'ollama-slo: Worst latency': ['30m'],
  'ollama-slo: Latency budgets': ['30m'],
  'ollama-slo: Latency against target': ['30m'],
}
const VARIABLE = /\$\{?(\w+)/g
const windowsIn = (expr: string) => [...expr.matchAll(/\[([^\]]+)\]/g)].map(([, window]) => window ?? '')

it.each(QUERIES)('$name asks for what there is', ({ expr }) => {
  expect(checkPromql(expr, { recording })).toEqual([])
})

it.each(QUERIES)('$name has the window of the step, or of all that is shown', ({ of, expr, instant }) => {
  const allowed = ['$__rate_interval', ...(instant ? ['$__range'] : []), ...(FIXED_WINDOWS[of] ?? [])]
  expect(windowsIn(expr).filter((window) => !allowed.includes(window))).toEqual([])
})

test('no fixed window is allowed that nobody has', () => {
  const had = (of: string) => QUERIES.filter((query) => query.of === of).flatMap(({ expr }) => windowsIn(expr))
  for (const [of, windows] of Object.entries(FIXED_WINDOWS))
    expect(had(of)).toEqual(expect.arrayContaining([...windows]))
})

it.each(PANELS)('$name has a legend that names what differs', ({ panel }) => {
  for (const { expr = '', legendFormat = '' } of targetsOf(panel)) {
    if (panel.type === 'table') continue
    // The labels of the outermost grouping have to be in the legend, but for a GPU's uuid beside its number.
    const [, outer = ''] = /^(?:\w+ )?(?:max|min|sum) by \(([^)]*)\)/.exec(expr) ?? []
    for (const label of outer.split(', ').filter((one) => !['', 'uuid'].includes(one)))
      expect([expr, legendFormat]).toEqual([expr, expect.stringContaining(`{{${label}}}`)])
  }
})

it.each(PANELS.filter(({ panel }) => ['stat', 'gauge'].includes(panel.type)))(
  '$name asks for now: over a range, the last value of a dead source would still be shown',
  ({ panel }) => {
    expect(targetsOf(panel).filter(({ instant, range }) => instant !== true || range === true)).toEqual([])
  },
)

describe.each(DASHBOARDS)('$dashboard.uid', ({ dashboard }) => {
  const names = (dashboard.templating.list ?? []).map(({ name }) => name)
  const text = JSON.stringify(dashboard)
  const used = new Set([...text.matchAll(VARIABLE)].map(([, name]) => name ?? ''))

  test('all variables are used, and all that are used exist', () => {
    expect(names.filter((name) => !used.has(name))).toEqual([])
    // A number is a group of a regular expression in a link's query.
    const foreign = [...used].filter((name) => !/^\d+$/.test(name) && !names.includes(name))
    expect(foreign.filter((name) => !GRAFANAS_OWN.includes(name))).toEqual([])
  })

  test('every selector keeps to the chosen job and instance', () => {
    const exprs = (dashboard.panels ?? []).flatMap((panel) => (panel.type === 'row' ? [] : targetsOf(panel)))
    for (const { expr = '' } of exprs) {
      const selectors = [...expr.matchAll(/([a-zA-Z_:][\w:]*)\{([^}]*)\}/g)]
      expect(selectors).not.toEqual([])
      for (const [, metric = '', labels = ''] of selectors) {
        expect([metric, labels]).toEqual([metric, expect.stringContaining('instance=~"$instance')])
        // What Prometheus makes itself has no job.
        if (metric !== 'ALERTS' && !metric.includes(':')) expect(labels).toContain('job=~"$job"')
      }
    }
  })
})
