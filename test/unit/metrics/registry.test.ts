import { describe, expect, it } from 'vitest'
import { PROCESS, PROXY } from '../../../src/metrics/definitions.ts'
import { ERROR_TYPES } from '../../../src/ollama/outcome.ts'
import { exchangeOf } from '../../helpers/exchange.ts'
import { createTestMetrics } from '../../helpers/metrics.ts'

describe('a registry', () => {
  it('has every metric of the catalogue, once', () => {
    const { registry, metrics } = createTestMetrics()
    const names = registry.families.map(({ definition }) => definition.name)
    expect(names.sort()).toEqual(
      Object.values({ ...PROXY, ...PROCESS })
        .map(({ name }) => name)
        .sort(),
    )
    for (const [key, family] of Object.entries(metrics)) {
      expect(family.definition).toBe(PROXY[key as keyof typeof PROXY])
    }
  })

  it('begins at 0 for every error type and the overflow, and says what is running', async () => {
    const { value, sum } = await createTestMetrics().samples()
    for (const type of ERROR_TYPES) expect(value('ollama_errors_total', { error_type: type }), type).toBe(0)
    expect(value('ollascope_label_overflow_total', { label: 'model' })).toBe(0)
    expect(value('ollascope_observer_errors_total')).toBe(0)
    expect(value('ollascope_log_lines_dropped_total')).toBe(0)
    const build = { version: '1.2.3', revision: 'abc', node_version: '24.0.0' }
    expect(value('ollascope_build_info', build)).toBe(1)
    expect(sum('ollascope_build_info')).toBe(1)
  })

  it('reads live values when it is asked', async () => {
    let active = 3
    const { samples } = createTestMetrics(1, {
      activeRequests: () => active,
      oldestRequestAgeSeconds: () => active * 2.5,
      stalledRequests: () => active - 1,
      upstreamSilenceSeconds: () => active * 10,
      reloads: () => [],
    })
    const before = await samples()
    expect(before.value('ollama_active_requests')).toBe(3)
    expect(before.value('ollama_stalled_requests')).toBe(2)
    expect(before.value('ollama_upstream_silence_seconds')).toBe(30)
    active = 0
    const { value } = await samples()
    expect(value('ollama_active_requests')).toBe(0)
    expect(value('ollama_oldest_request_age_seconds')).toBe(0)
  })

  it('has the metrics of the process, but none that calls a gauge a total', async () => {
    const { text } = createTestMetrics()
    const types = [...(await text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) => ({ name, type }))
    expect(types.map(({ name }) => name)).toContain('process_resident_memory_bytes')
    expect(types.filter(({ name, type }) => (type === 'counter') !== name.endsWith('_total'))).toEqual([])
    expect(new Set(types.map(({ name }) => name)).size).toBe(types.length)
  })

  it('does not meet another in the same process', async () => {
    const one = createTestMetrics()
    const two = createTestMetrics()
    one.record(exchangeOf(), exchangeOf())
    two.record(exchangeOf({ status: 500, verdict: { outcome: 'error', errorType: 'other' } }))
    const [first, second] = [await one.samples(), await two.samples()]
    expect([first.sum('ollama_requests_total'), second.sum('ollama_requests_total')]).toEqual([2, 1])
    expect([first.sum('ollama_errors_total'), second.sum('ollama_errors_total')]).toEqual([0, 1])
  })
})
