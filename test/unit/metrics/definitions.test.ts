import { describe, expect, it } from 'vitest'
import { CATALOGUE } from '../../../src/metrics/catalogue.ts'

const definitions = CATALOGUE
const named = definitions.map((definition) => [definition.name, definition] as const)

// The contract with dashboards and alerts, written down a second time: name, type and labels.
const CONTRACT = `
ollama_requests_total counter method,endpoint,status
ollama_request_duration_seconds histogram method,endpoint,status
ollama_active_requests gauge
ollama_oldest_request_age_seconds gauge
ollama_errors_total counter error_type
ollama_request_bytes_total counter endpoint
ollama_response_bytes_total counter endpoint
ollascope_proxy_overhead_seconds histogram
ollama_inference_requests_total counter model,endpoint,outcome
ollama_time_to_first_token_seconds histogram model,endpoint
ollama_time_per_output_token_seconds histogram model,endpoint
ollama_tokens_total counter model,endpoint,type
ollama_load_duration_seconds histogram model,endpoint
ollama_prompt_eval_duration_seconds histogram model,endpoint
ollama_eval_duration_seconds histogram model,endpoint
ollascope_label_overflow_total counter label
ollascope_trace_spans_total counter result
ollascope_observer_errors_total counter
ollascope_log_lines_dropped_total counter
ollascope_build_info gauge version,revision,node_version
`

const REQUEST = '.005 .025 .1 .25 .5 1 2.5 5 10 20 30 60 120 300 600 1200 1800'
const WAIT = '.01 .025 .05 .1 .25 .5 .75 1 2.5 5 7.5 10 20 40 80 160 320 640'
const BUCKETS: Readonly<Record<string, string>> = {
  ollama_request_duration_seconds: REQUEST,
  ollascope_proxy_overhead_seconds: '.0001 .00025 .0005 .001 .0025 .005 .01 .025 .05 .1 .25 1',
  ollama_time_to_first_token_seconds: WAIT,
  ollama_time_per_output_token_seconds: '.0025 .005 .01 .015 .025 .04 .05 .075 .1 .15 .2 .3 .5 1 2.5 5',
  ollama_load_duration_seconds: '.05 .1 .5 1 2.5 5 10 20 30 60 120 300 600',
}

describe('the catalogue', () => {
  it.each(CONTRACT.trim().split('\n'))('keeps %s', (line) => {
    const [name, type, labels = ''] = line.split(' ')
    const definition = definitions.find((one) => one.name === name)
    expect(definition?.type).toBe(type)
    expect(definition?.labels.join(',')).toBe(labels)
  })

  it.each(Object.entries(BUCKETS))('keeps the buckets of %s', (name, buckets) => {
    expect(definitions.find((one) => one.name === name)?.buckets).toEqual(buckets.split(' ').map(Number))
  })

  it('has no name twice', () => {
    expect(new Set(definitions.map(({ name }) => name)).size).toBe(definitions.length)
  })
})

describe('conventions', () => {
  it.each(named)('of %s', (name, { type, labels, buckets, help }) => {
    expect(name).toMatch(/^(ollama|ollascope|container|node)_[a-zA-Z0-9_]+$/)
    expect(name.endsWith('_total')).toBe(type === 'counter')
    expect(name).not.toMatch(/_(count|sum|bucket)$/)
    expect(name).not.toMatch(/(milli|micro|nano)seconds|_(ms|us|ns|kb|mb|gb|kib|mib|gib|percent)(_|$)/i)
    if (name.endsWith('_info')) expect(type).toBe('gauge')
    for (const label of labels) expect(label).toMatch(/^[a-z][a-z0-9_]*$/)
    expect(labels).not.toContain('le')
    expect(new Set(labels).size).toBe(labels.length)
    expect(help).toMatch(/^[A-Z].*\.$/)
    if (type !== 'histogram') return
    expect(name).toMatch(/_(seconds|bytes|tokens|ratio)$/)
    expect(buckets?.length).toBeGreaterThan(3)
    expect([...(buckets ?? [])].sort((a, b) => a - b)).toEqual(buckets)
    expect(new Set(buckets).size).toBe(buckets?.length)
    expect(buckets?.every((bound) => bound > 0 && Number.isFinite(bound))).toBe(true)
  })
})
