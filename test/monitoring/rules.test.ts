import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ALERTS } from '../../prometheus/source/alerts.ts'
import { generate } from '../../prometheus/source/generate.ts'
import { RECORDING } from '../../prometheus/source/recording.ts'
import { CATALOGUE } from '../../src/metrics/catalogue.ts'
import { OUTCOMES } from '../../src/ollama/outcome.ts'
import { ROOT } from '../helpers/process.ts'
import { checkPromql } from './promql.ts'

const FOLDER = join(ROOT, 'prometheus')
const recording = RECORDING.map(({ record }) => record)

/** A contract: runbooks, dashboards and whoever silences one know them by name. */
const NAMES = [
  ...['OllamaDown', 'OllascopeDown', 'OllascopeAbsent', 'OllamaErrorBudgetBurn', 'OllamaTimeoutRatioHigh'],
  ...['OllamaCPUFallback', 'OllamaPartialCPUOffload', 'OllamaGPUIdleWhileGenerating', 'OllamaGPUMissing'],
  ...['OllamaVRAMNearlyFull', 'OllamaGPUHot', 'OllamaGPUThermalThrottle', 'OllamaGPUUncorrectableECC'],
  ...['OllamaContainerOOMKilled', 'OllamaHostOOMKill', 'OllamaOutOfMemoryErrors', 'OllamaRunnerCrashing'],
  ...['OllamaContainerMemoryHigh', 'OllamaContainerCPUHigh', 'OllamaLatencyTargetMissed', 'OllamaHighTTFT'],
  ...['OllamaHighRequestLatency', 'OllamaTokenRateCollapse', 'OllamaStreamStalled', 'OllamaWedged'],
  ...['OllamaQueueSaturated', 'OllamaQueueWaitHigh', 'OllamaModelThrashing', 'OllamaContextTruncation'],
  ...['OllascopeCollectorFailing', 'OllascopeCollectorStale', 'OllascopeSeriesOverflow', 'OllascopeWatchdog'],
]

interface AlertTest {
  readonly alertname: string
  readonly exp_alerts?: readonly {
    readonly exp_labels: Readonly<Record<string, string>>
    readonly exp_annotations?: Readonly<Record<string, string>>
  }[]
}
interface TestFile {
  readonly tests: readonly { readonly alert_rule_test?: readonly AlertTest[] }[]
}

const CASES = readdirSync(join(FOLDER, 'tests')).flatMap((name) => {
  const { tests } = parse(readFileSync(join(FOLDER, 'tests', name), 'utf8')) as TestFile
  return tests.flatMap((one) => one.alert_rule_test ?? [])
})

describe('the generated files', () => {
  test.each([...generate()])('%s is what its source makes', (path, text) => {
    expect(readFileSync(join(FOLDER, path), 'utf8')).toBe(text)
  })

  test('the operator has the rules of the files', () => {
    const read = (path: string) => parse(generate().get(path) ?? '') as { groups: unknown[] }
    const custom = parse(generate().get('kubernetes/prometheusrule.yaml') ?? '') as {
      kind: string
      metadata: { labels: object }
      spec: { groups: unknown[] }
    }
    expect(custom.kind).toBe('PrometheusRule')
    expect(custom.metadata.labels).toHaveProperty('release')
    expect(custom.spec.groups).toEqual([...read('rules/recording.yml').groups, ...read('rules/alerts.yml').groups])
  })

  test('the place of the runbooks is a setting', () => {
    const text = generate('https://wiki.example.com/runbooks').get('rules/alerts.yml')
    expect(text).toContain('runbook_url: https://wiki.example.com/runbooks/OllamaDown.md')
    expect(text).not.toContain('github.com')
  })
})

describe('every alert', () => {
  test('is one of those that are known', () => {
    expect([...new Set(ALERTS.map(({ name }) => name))].sort()).toEqual([...NAMES].sort())
  })

  test.each([...ALERTS, ...RECORDING].map((rule) => [nameOf(rule), rule.expr]))('%s: its metrics exist', (_, expr) => {
    expect(checkPromql(expr, { recording })).toEqual([])
  })

  test.each(ALERTS.map((alert) => [nameOf(alert), alert] as const))('%s says what it is about', (_, alert) => {
    expect(alert.summary).not.toContain('{{') // else one alert has many titles
    expect(alert.description).toContain('$value')
    if (!/^(absent|vector)\(/.test(alert.expr)) expect(alert.description).toContain('$labels.instance')
  })

  test.each(ALERTS.map((alert) => [nameOf(alert), alert] as const))(
    '%s fires in a test and is silent in one',
    (_, alert) => {
      const own = CASES.filter(({ alertname }) => alertname === alert.name)
      const firing = own
        .flatMap((one) => one.exp_alerts ?? [])
        .filter(({ exp_labels: labels }) => labels.long === alert.labels?.long)
      expect(firing).not.toEqual([])
      for (const { exp_labels: labels, exp_annotations: annotations } of firing) {
        expect(labels.severity).toBe(alert.severity)
        expect(Object.keys(annotations ?? {}).sort()).toEqual([
          'dashboard_url',
          'description',
          'runbook_url',
          'summary',
        ])
      }
      // The watchdog is never silent: that is what it is for.
      if (alert.severity === 'none') return
      expect(
        own.some((one) => (one.exp_alerts ?? []).every(({ exp_labels: labels }) => labels.long !== alert.labels?.long)),
      ).toBe(true)
    },
  )

  test('compares a quantile with a bound of its histogram', () => {
    const compared = ALERTS.flatMap(({ expr }) => [
      ...expr.matchAll(/histogram_quantile\([\d.]+, sum by \([^)]*\) \(rate\((\w+)_bucket\[\w+\]\)\)\) > ([\d.]+)/g),
    ])
    expect(compared).toHaveLength(3)
    for (const [, name, bound] of compared) {
      expect(CATALOGUE.find((metric) => metric.name === name)?.buckets).toContain(Number(bound))
    }
  })
})

test('every outcome is good, bad, or neither', () => {
  const expr = (record: string) => RECORDING.find((rule) => rule.record === record)?.expr ?? ''
  const outcomes = (text: string) => /outcome[!=]~"([^"]*)"/.exec(text)?.[1]?.split('|') ?? []
  const neither = outcomes(expr('instance:ollama_sli_total:increase1h'))
  const bad = outcomes(expr('instance:ollama_sli_bad:increase1h'))
  const good = ['stop', 'length', 'load', 'unload', 'tool_calls', 'success']
  expect([...good, ...bad, ...neither].sort()).toEqual([...OUTCOMES].sort())
})

function nameOf(rule: (typeof ALERTS)[number] | (typeof RECORDING)[number]): string {
  return 'record' in rule ? rule.record : [rule.name, ...Object.values(rule.labels ?? {})].join(' ')
}
