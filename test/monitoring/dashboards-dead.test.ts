import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'
import { RECORDING } from '../../prometheus/source/recording.ts'
import { CATALOGUE } from '../../src/metrics/catalogue.ts'
import { describeWith } from '../helpers/needs.ts'
import { runProgram } from '../helpers/programs.ts'
import { PANELS, targetsOf } from './dashboards.ts'

/** One Ollama of one process, and one of two: they share their instance. */
const PROCESSES = [
  { instance: 'one', component: 'serve' },
  { instance: 'two', component: 'proxy' },
  { instance: 'two', component: 'collector' },
]
const RISING = '0+1x40'
const DEAD = 'stale'
/** Who exports a family: what the proxy has not is the collector's. */
const OF_PROXY =
  /^(ollama_(requests|request_|response|active|oldest|stalled|upstream|errors|inference|time_|inter_|tokens|stream|prompt|queue|context|prefill|load_|eval|model_transfer|client)|ollascope_(proxy|connect|unread))/

interface Expected {
  readonly labels: string
  readonly value: number
}
interface Asked {
  readonly expr: string
  readonly expected: readonly Expected[]
}

const stats = PANELS.filter(({ panel }) => panel.type === 'stat').flatMap(({ name, panel }) =>
  targetsOf(panel).map(({ refId, expr = '' }) => ({ name: `${name} ${refId ?? ''}`, of: panel.title, expr })),
)

describeWith(['promtool'], 'what dashboards show', () => {
  test('of sources that are dead: every tile of every Ollama says so', async () => {
    const series = [...world(RISING).map(([name]) => [name, `${RISING} ${DEAD}`] as const), ...ups('1x40 0x40')]
    const said = (of = ''): readonly Expected[] =>
      // No rule is evaluated here, so that there is no watchdog.
      of === 'Firing alerts' ? [] : each(of === 'Sources' ? 0 : -1)
    await evaluate(
      series,
      '12m',
      stats.map(({ expr, of }) => ({ expr, expected: said(of) })),
    )
  })

  test('of one process and of two: each Ollama once', async () => {
    const values: Readonly<Record<string, string>> = {
      ollama_up: '1x40',
      ollascope_collector_enabled: '1x40',
      ollascope_collector_success: '1x40',
      ollascope_collector_last_success_timestamp_seconds: '0+15x40',
      ollama_loaded_model_gpu_ratio: '0.5x40',
      ollama_active_requests: '3x40',
    }
    const series = world(RISING)
      // It would be meant for the CPU, and left out.
      .filter(([name]) => !name.startsWith('ollama_model_cpu_intended'))
      .map(([name, rising]) => [name, values[name.replace(/\{.*/, '')] ?? rising] as const)
    await evaluate([...series, ...ups('1x40')], '9m', [
      { expr: exprOf('ollama-overview: Ollama'), expected: each(1) },
      { expr: exprOf('ollama-overview: Sources'), expected: each(1) },
      { expr: exprOf('ollama-overview: GPU share'), expected: each(0.5) },
      { expr: exprOf('ollama-overview: Active requests'), expected: each(3) },
      // One of each outcome and of each type; of four outcomes that are bad, six are good.
      { expr: exprOf('ollama-overview: Error ratio'), expected: each(0.4) },
      { expr: exprOf('ollama-overview: Tokens/s'), expected: each(0.067) },
      { expr: exprOf('ollama-slo: Timeouts'), expected: each(0.1) },
    ])
  })

  test('of an Ollama without a failure: none, although what counts failures has no series yet', async () => {
    const good = world(RISING).filter(([name]) => !/outcome="(timeout|error|truncated|rejected)"/.test(name))
    const series = good.filter(([name]) => !/^instance:ollama_sli_(bad|ratio)/.test(name))
    await evaluate([...series, ...ups('1x40')], '9m', [
      { expr: exprOf('ollama-overview: Error ratio'), expected: each(0) },
      { expr: exprOf('ollama-slo: Timeouts'), expected: each(0) },
      { expr: exprOf('ollama-slo: Error budget left'), expected: each(1) },
      { expr: exprOf('ollama-slo: Burn rate against its alert'), expected: each(0) },
    ])
  })

  test('of a burning budget: the smaller of a pair of windows, over what its alert fires at', async () => {
    const burning: Readonly<Record<string, string>> = {
      'instance:ollama_sli_total:increase1h': '100x40',
      'instance:ollama_sli_bad:increase1h': '28.8x40',
      'instance:ollama_sli_total:increase5m': '10x40',
      'instance:ollama_sli_bad:increase5m': '1.44x40',
    }
    const series = world(RISING).map(([name, rising]) => [name, burning[name.replace(/\{.*/, '')] ?? rising] as const)
    const expr = exprOf('ollama-slo: Burn rate against its alert')
    await evaluate([...series, ...ups('1x40')], '9m', [{ expr, expected: each(1) }])
  })

  test('of an Ollama without work: idle, and not dead', async () => {
    const series = world('5x40').filter(([name]) => !/gpu_ratio|gpu_info|loaded_models/.test(name))
    const idle = [...series, ...PROCESSES.map((process) => [`ollama_loaded_models${labels(process)}`, '0x40'] as const)]
    await evaluate([...idle, ...ups('1x40')], '9m', [
      { expr: exprOf('ollama-overview: GPU share'), expected: each(-2) },
      { expr: exprOf('ollama-overview: Error ratio'), expected: each(-2) },
      { expr: exprOf('ollama-overview: Tokens/s'), expected: each(0) },
      { expr: exprOf('ollama-models: TTFT p95'), expected: each(-2) },
      { expr: exprOf('ollama-slo: Timeouts'), expected: each(-2) },
    ])
  })
})

/** Every family of the catalogue, and what is recorded, once a label set that the queries tell apart. */
function world(values: string): (readonly [name: string, values: string])[] {
  const exported = PROCESSES.flatMap((process) =>
    CATALOGUE.filter(({ name }) => {
      if (process.component === 'serve' || /^ollascope_(build|label|log|uncaught)/.test(name)) return true
      return OF_PROXY.test(name) === (process.component === 'proxy')
    }).flatMap(({ name, type, labels: own }) =>
      (type === 'histogram' ? ['_sum', '_count', '_bucket'] : ['']).flatMap((suffix) =>
        variants([...own, ...(suffix === '_bucket' ? ['le'] : [])]).map(
          (variant) => [`${name}${suffix}${labels({ ...process, ...variant })}`, values] as const,
        ),
      ),
    ),
  )
  const recorded = ['one', 'two'].flatMap((instance) =>
    RECORDING.map(
      ({ record }) =>
        [
          `${record}{instance="${instance}"${record.startsWith('instance_model') ? ',model="m"' : ''}}`,
          values,
        ] as const,
    ),
  )
  return [...exported, ...recorded]
}

function variants(own: readonly string[]): Record<string, string>[] {
  const told: Readonly<Record<string, readonly string[]>> = {
    outcome: ['stop', 'length', 'load', 'unload', 'success', 'tool_calls', 'timeout', 'error', 'truncated', 'rejected'],
    type: ['input', 'output'],
    le: ['1', '+Inf'],
    reason: ['hw_thermal'],
    mode: ['idle'],
    metric: ['ttft', 'request'],
    quantile: ['0.5', '0.95'],
  }
  return own.reduce<Record<string, string>[]>(
    (sets, label) => sets.flatMap((set) => (told[label] ?? ['m']).map((value) => ({ ...set, [label]: value }))),
    [{}],
  )
}

function ups(values: string): (readonly [string, string])[] {
  return PROCESSES.map((process) => [`up${labels(process)}`, values] as const)
}

function labels(set: Readonly<Record<string, string>>): string {
  const all = Object.entries({ job: 'ollascope', ...set })
  return `{${all.map(([name, value]) => `${name}="${value}"`).join(',')}}`
}

function each(value: number): Expected[] {
  return ['one', 'two'].map((instance) => ({ labels: `{instance="${instance}"}`, value }))
}

function exprOf(name: string): string {
  const found = stats.find((stat) => stat.name === `${name} A`)
  if (found === undefined) throw new Error(`no tile ${name}`)
  return found.expr
}

/** Grafana's variables filled in as for "All", and an hour. */
function filled(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h').replaceAll(/\$\w+/g, '.*')
}

async function evaluate(
  series: readonly (readonly [string, string])[],
  at: string,
  asked: readonly Asked[],
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-dashboards-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'test.yml')
  const test = {
    interval: '15s',
    input_series: series.map(([name, values]) => ({ series: name, values })),
    promql_expr_test: asked.map(({ expr, expected }) => ({
      expr: `round(${filled(expr)}, 0.001)`,
      eval_time: at,
      ...(expected.length > 0 && { exp_samples: expected }),
    })),
  }
  writeFileSync(file, stringify({ rule_files: [], evaluation_interval: '15s', tests: [test] }, { lineWidth: 0 }))
  const { code, stdout, stderr } = await runProgram('promtool', ['test', 'rules', file], '')
  expect([code, stdout, stderr]).toEqual([0, expect.any(String), ''])
}
