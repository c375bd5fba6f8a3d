import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { negotiateFormat, OPENMETRICS, renderMetrics, TEXT } from '../../../src/metrics/exposition.ts'
import { exchangeOf } from '../../helpers/exchange.ts'
import { createTestMetrics } from '../../helpers/metrics.ts'
import { readSamples } from '../../helpers/samples.ts'

function createSmall() {
  const registry = new Registry()
  const registers = [registry]
  const counter = new Counter({ name: 'c_total', help: 'Back\\slash,\nand "quotes".', labelNames: ['x'], registers })
  counter.inc({ x: 'a"b\\c\nd é' }, 2)
  const gauge = new Gauge({ name: 'g', help: 'A gauge.', registers })
  gauge.set(-0.5)
  const histogram = new Histogram({ name: 'h_seconds', help: 'Time.', buckets: [0.5, 1], registers })
  histogram.observe(0.7)
  return { registry, counter, gauge, histogram }
}

const fail = (error: unknown) => {
  throw error
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
    const { registry } = createSmall()
    const order = [TEXT, OPENMETRICS, TEXT, TEXT, OPENMETRICS, OPENMETRICS, TEXT] as const
    for (const format of order) {
      const expected = format === TEXT ? EXPECTED_TEXT : EXPECTED_OPENMETRICS
      expect(await renderMetrics(registry, format, fail)).toBe(expected)
    }
  })

  it('begin with OpenMetrics just as well, and at the same time', async () => {
    const { registry } = createSmall()
    expect(await renderMetrics(registry, OPENMETRICS, fail)).toBe(EXPECTED_OPENMETRICS)
    const both = [TEXT, OPENMETRICS, TEXT] as const
    const rendered = await Promise.all(both.map((format) => renderMetrics(registry, format, fail)))
    expect(rendered).toEqual([EXPECTED_TEXT, EXPECTED_OPENMETRICS, EXPECTED_TEXT])
  })

  it('write numbers as Prometheus reads them', async () => {
    const registry = new Registry()
    const gauge = new Gauge({ name: 'g', help: 'g', labelNames: ['n'], registers: [registry] })
    for (const value of [Infinity, -Infinity, NaN, 1e21, 5e-324, 0]) gauge.set({ n: String(value) }, value)
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
    expect(await renderMetrics(new Registry(), TEXT, fail)).toBe('')
    expect(await renderMetrics(new Registry(), OPENMETRICS, fail)).toBe('# EOF\n')
  })
})

describe('a metric that throws', () => {
  it.each([TEXT, OPENMETRICS] as const)('costs itself alone in %s', async (format) => {
    const { registry } = createSmall()
    const boom = new Error('boom')
    const registers = [registry]
    new Gauge({ name: 'sync', help: 'x', registers, collect: () => fail(boom) })
    new Gauge({ name: 'later', help: 'x', registers, collect: () => Promise.reject(boom) })
    new Gauge({ name: 'z', help: 'after them', registers }).set(7)
    const errors: unknown[] = []
    const text = await renderMetrics(registry, format, (error) => errors.push(error))
    expect(errors).toEqual([boom, boom])
    expect(text).not.toContain('sync')
    expect(text).not.toContain('later')
    for (const line of [SAMPLES.counter, SAMPLES.gauge, ...SAMPLES.histogram, 'z 7'])
      expect(text.split('\n')).toContain(line)
  })
})

describe('the event loop', () => {
  it('gets its turn between two metrics', async () => {
    const registry = new Registry()
    for (let i = 0; i < 20; i++) new Gauge({ name: `g${i}`, help: 'g', registers: [registry] })
    let turns = 0
    let rendering = true
    const count = () => {
      turns++
      if (rendering) setImmediate(count)
    }
    setImmediate(count)
    await renderMetrics(registry, TEXT, fail)
    rendering = false
    expect(turns).toBeGreaterThanOrEqual(19)
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
