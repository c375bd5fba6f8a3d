import { Gauge as ProcessGauge, Registry as ProcessRegistry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { negotiateFormat, OPENMETRICS, renderMetrics, TEXT } from '../../../src/metrics/exposition.ts'
import { Counter, Histogram, Reading, type Family, type Sample } from '../../../src/metrics/families.ts'
import { exchangeOf } from '../../helpers/exchange.ts'
import { createTestMetrics } from '../../helpers/metrics.ts'
import { readSamples } from '../../helpers/samples.ts'

const fail = (error: unknown) => {
  throw error
}
const overflow = () => expect.fail('overflow')
const registryOf = (...families: Family[]) => ({ families, process: new ProcessRegistry() })
const gaugeOf = (name: string, ...samples: Sample[]) =>
  new Reading({ name, type: 'gauge', help: 'A gauge.', labels: Object.keys(samples[0]?.labels ?? {}) }, () => samples)

function createSmall() {
  const help = 'Back\\slash,\nand "quotes".'
  const counter = new Counter({ name: 'c_total', type: 'counter', help, labels: ['x'] }, overflow)
  counter.inc({ x: 'a"b\\c\nd é' }, 2)
  const histogram = new Histogram(
    { name: 'h_seconds', type: 'histogram', help: 'Time.', labels: [], buckets: [0.5, 1] },
    overflow,
  )
  histogram.observe({}, 0.7)
  return { families: [counter, gaugeOf('g', { labels: {}, value: -0.5 }), histogram] as const, histogram }
}

const SAMPLES = {
  counter: 'c_total{x="a\\"b\\\\c\\nd é"} 2',
  gauge: 'g -0.5',
  histogram: [
    'h_seconds_bucket{le="0.5"} 0',
    'h_seconds_bucket{le="1"} 1',
    'h_seconds_bucket{le="+Inf"} 1',
    'h_seconds_sum 0.7',
    'h_seconds_count 1',
  ],
}
const EXPECTED_TEXT = [
  '# HELP c_total Back\\\\slash,\\nand "quotes".',
  '# TYPE c_total counter',
  SAMPLES.counter,
  '# HELP g A gauge.',
  '# TYPE g gauge',
  SAMPLES.gauge,
  '# HELP h_seconds Time.',
  '# TYPE h_seconds histogram',
  ...SAMPLES.histogram,
  '',
].join('\n')
const EXPECTED_OPENMETRICS = `${EXPECTED_TEXT.replace('"quotes"', '\\"quotes\\"')
  .replace('# HELP c_total', '# HELP c')
  .replace('# TYPE c_total', '# TYPE c')}# EOF\n`

describe('the formats', () => {
  it('are right in any order, and repeatedly', async () => {
    const registry = registryOf(...createSmall().families)
    const order = [TEXT, OPENMETRICS, TEXT, TEXT, OPENMETRICS, OPENMETRICS, TEXT] as const
    for (const format of order) {
      const expected = format === TEXT ? EXPECTED_TEXT : EXPECTED_OPENMETRICS
      expect(await renderMetrics(registry, format, fail)).toBe(expected)
    }
  })

  it('begin with OpenMetrics just as well, and at the same time', async () => {
    const registry = registryOf(...createSmall().families)
    expect(await renderMetrics(registry, OPENMETRICS, fail)).toBe(EXPECTED_OPENMETRICS)
    const both = [TEXT, OPENMETRICS, TEXT] as const
    const rendered = await Promise.all(both.map((format) => renderMetrics(registry, format, fail)))
    expect(rendered).toEqual([EXPECTED_TEXT, EXPECTED_OPENMETRICS, EXPECTED_TEXT])
  })

  it('write numbers as Prometheus reads them', async () => {
    const values = [Infinity, -Infinity, NaN, 1e21, 5e-324, 0]
    const registry = registryOf(gaugeOf('g', ...values.map((value) => ({ labels: { n: String(value) }, value }))))
    const lines = (await renderMetrics(registry, TEXT, fail)).split('\n').filter((line) => line.startsWith('g{'))
    expect(lines.map((line) => line.split('} ')[1])).toEqual(['+Inf', '-Inf', 'NaN', '1e+21', '5e-324', '0'])
  })

  it('say the same of the whole catalogue, every counter with _total', async () => {
    const { registry, record } = createTestMetrics()
    record(exchangeOf(), exchangeOf({ status: 503, verdict: { outcome: 'rejected', errorType: 'queue_full' } }))
    const ours = (text: string) => [...readSamples(text).names].filter((name) => /^olla(ma|scope)_/.test(name)).sort()
    const text = await renderMetrics(registry, TEXT, fail)
    const open = await renderMetrics(registry, OPENMETRICS, fail)
    expect(ours(open)).toEqual(ours(text))
    expect(ours(text)).toContain('ollama_requests_total')
    expect(readSamples(text).sum('ollama_requests_total')).toBe(readSamples(open).sum('ollama_requests_total'))
    expect(text).not.toContain('# EOF')
    expect(open.match(/# EOF/g)).toHaveLength(1)
    expect(open.endsWith('\n# EOF\n')).toBe(true)
  })

  it('of nothing are nothing', async () => {
    expect(await renderMetrics(registryOf(), TEXT, fail)).toBe('')
    expect(await renderMetrics(registryOf(), OPENMETRICS, fail)).toBe('# EOF\n')
  })
})

describe('a metric that throws', () => {
  it.each([TEXT, OPENMETRICS] as const)('costs itself alone in %s', async (format) => {
    const boom = new Error('boom')
    const sync = new Reading({ name: 'sync', type: 'gauge', help: 'x', labels: [] }, () => fail(boom))
    const { families } = createSmall()
    const registry = registryOf(sync, ...families)
    const registers = [registry.process]
    new ProcessGauge({ name: 'later', help: 'x', registers, collect: () => Promise.reject(boom) })
    new ProcessGauge({ name: 'z', help: 'after them', registers }).set(7)
    const errors: unknown[] = []
    const text = await renderMetrics(registry, format, (error) => errors.push(error))
    expect(errors).toEqual([boom, boom])
    expect(text).not.toContain('sync')
    expect(text).not.toContain('later')
    for (const line of [SAMPLES.counter, SAMPLES.gauge, ...SAMPLES.histogram, 'z 7'])
      expect(text.split('\n')).toContain(line)
  })
})

describe('exemplars', () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c'

  it('stand in OpenMetrics, each at the bucket of its request, the last one of it', async () => {
    const { histogram } = createSmall()
    histogram.observe({}, 0.8, { traceId: 'f'.repeat(32), timestamp: 1 })
    histogram.observe({}, 0.9, { traceId, timestamp: 1_800_000_000.5 })
    histogram.observe({}, 7, { traceId, timestamp: 1_800_000_001 })
    histogram.observe({}, 0.6)
    const lines = (await renderMetrics(registryOf(histogram), OPENMETRICS, fail)).split('\n')
    expect(lines.filter((line) => line.includes('_bucket'))).toEqual([
      'h_seconds_bucket{le="0.5"} 0',
      `h_seconds_bucket{le="1"} 4 # {trace_id="${traceId}"} 0.9 1800000000.5`,
      `h_seconds_bucket{le="+Inf"} 5 # {trace_id="${traceId}"} 7 1800000001`,
    ])
    expect(await renderMetrics(registryOf(histogram), TEXT, fail)).not.toContain('trace_id')
  })

  it('come from requests with a trace, for their time and their first token', async () => {
    const { registry, record } = createTestMetrics()
    record(exchangeOf({ traceId }), exchangeOf())
    const text = await renderMetrics(registry, OPENMETRICS, fail)
    const named = text.split('\n').filter((line) => line.includes(`# {trace_id="${traceId}"}`))
    expect(named.map((line) => line.slice(0, line.indexOf('{'))).sort()).toEqual([
      'ollama_inference_duration_seconds_bucket',
      'ollama_request_duration_seconds_bucket',
      'ollama_time_to_first_token_seconds_bucket',
    ])
  })
})

describe('the event loop', () => {
  it('gets its turn many times in a scrape of 20,000 lines, also within one family', async () => {
    const { registry, metrics } = createTestMetrics()
    for (let i = 0; i < 1000; i++) metrics.timeToFirstToken.observe({ model: `m${i}`, endpoint: '/api/chat' }, 0.3)
    let turns = 0
    let rendering = true
    const count = () => {
      turns++
      if (rendering) setImmediate(count)
    }
    setImmediate(count)
    const families = registry.families.length
    const text = await renderMetrics({ families: registry.families, process: new ProcessRegistry() }, TEXT, fail)
    rendering = false
    expect(families).toBeGreaterThan(20)
    expect(text.split('\n').length).toBeGreaterThan(20_000)
    expect(turns).toBeGreaterThanOrEqual(Math.floor(text.length / (72 * 1024)))
    expect(turns).toBeGreaterThan(15)
  })
})

describe('negotiateFormat', () => {
  it.each([
    [undefined, TEXT],
    ['', TEXT],
    ['*/*', TEXT],
    ['text/plain;version=0.0.4', TEXT],
    ['application/json', TEXT],
    [
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5',
      OPENMETRICS,
    ],
    ['text/plain;q=0.5, application/openmetrics-text; version=1.0.0', OPENMETRICS],
  ])('takes %j', (accept, format) => expect(negotiateFormat(accept)).toBe(format))
})
