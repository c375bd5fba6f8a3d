import { describe, expect, it } from 'vitest'
import { Counter, Histogram, Reading } from '../../../src/metrics/families.ts'
import { MAX_SERIES, SeriesMap } from '../../../src/metrics/series.ts'
import { createTestMetrics } from '../../helpers/metrics.ts'

const overflow = () => expect.fail('overflow')

describe('a family', () => {
  it('has one series for the same labels in any order, and another for any difference', () => {
    const map = new SeriesMap(['a', 'b'], (labels) => ({ labels }), overflow)
    const series = map.get({ a: '1', b: '2' })
    expect(map.get({ b: '2', a: '1' })).toBe(series)
    expect(map.get({ a: '12', b: '' })).not.toBe(series)
    expect(map.get({ a: '', b: '12' })).not.toBe(map.get({ a: '12', b: '' }))
    expect(map.get({ a: '1' })).toBe(map.get({ a: '1', b: '' }))
    expect(series.labels).toBe('a="1",b="2"')
  })

  it('has at most 2,000 series of its own; what comes later is counted in one of "other"', async () => {
    const { metrics, samples } = createTestMetrics()
    const route = (i: number) => ({ method: 'GET', endpoint: `/${i}`, status: '200' })
    for (let i = 0; i < MAX_SERIES + 500; i++) metrics.requests.inc(route(i))
    for (let i = 0; i < 10; i++) metrics.requests.inc(route(i))
    for (let i = 0; i < MAX_SERIES + 3; i++) metrics.requestDuration.observe(route(i), 1)
    const { sum, value } = await samples()
    expect(sum('ollama_requests_total')).toBe(MAX_SERIES + 510)
    expect(value('ollama_requests_total', { method: 'other', endpoint: 'other', status: 'other' })).toBe(500)
    expect(value('ollama_requests_total', route(3))).toBe(2)
    expect(value('ollascope_label_overflow_total', { label: 'ollama_requests_total' })).toBe(500)
    expect(value('ollascope_label_overflow_total', { label: 'ollama_request_duration_seconds' })).toBe(3)
    expect(sum('ollama_request_duration_seconds_count')).toBe(MAX_SERIES + 3)
  })

  it('shows at most 2,000 values of a gauge', () => {
    const values = Array.from({ length: MAX_SERIES + 1 }, (_, i) => ({ labels: { m: String(i) }, value: i }))
    const gauge = new Reading({ name: 'g', type: 'gauge', help: 'G.', labels: ['m'] }, () => values)
    expect([...gauge.series()]).toHaveLength(MAX_SERIES)
  })
})

describe('a histogram', () => {
  const definition = { name: 'h_seconds', type: 'histogram', help: 'H.', labels: [], buckets: [1, 2] } as const
  const lines = (histogram: Histogram) => [...histogram.series(false)].join('').trim().split('\n')

  it('counts a value that is a bound below it', () => {
    const histogram = new Histogram(definition, overflow)
    for (const value of [1, 1.5, 2, 2.1, 0]) histogram.observe({}, value)
    expect(lines(histogram)).toEqual([
      'h_seconds_bucket{le="1"} 2',
      'h_seconds_bucket{le="2"} 4',
      'h_seconds_bucket{le="+Inf"} 5',
      'h_seconds_sum 6.6',
      'h_seconds_count 5',
    ])
  })

  it('takes many at once as it takes one by one', () => {
    const one = new Histogram(definition, overflow)
    const many = new Histogram(definition, overflow)
    for (const value of [0.5, 1.5, 1.5, 9]) one.observe({}, value)
    many.add({}, { counts: [1, 1, 0], sum: 2 })
    many.add({}, { counts: [0, 1, 1], sum: 10.5 })
    expect(lines(many)).toEqual(lines(one))
  })
})

describe('a counter', () => {
  it('is there with 0 once it was named', () => {
    const counter = new Counter({ name: 'c_total', type: 'counter', help: 'C.', labels: ['x'] }, overflow)
    expect([...counter.series()]).toEqual([])
    counter.inc({ x: '1' }, 0)
    expect([...counter.series()]).toEqual(['c_total{x="1"} 0\n'])
  })
})
