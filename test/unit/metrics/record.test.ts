import { describe, expect, it } from 'vitest'
import { ENDPOINT_LABELS, matchEndpoint } from '../../../src/ollama/endpoints.ts'
import { ERROR_TYPES, OUTCOMES } from '../../../src/ollama/outcome.ts'
import { EMPTY_REQUEST } from '../../../src/ollama/request.ts'
import { exchangeOf, requestOf } from '../../helpers/exchange.ts'
import { CONTEXT_LENGTH, createTestMetrics } from '../../helpers/metrics.ts'
import { createRandom } from '../../helpers/random.ts'

const chat = { model: 'gemma3:270m', endpoint: '/api/chat' }

async function samplesOf(...details: readonly Parameters<typeof exchangeOf>[0][]) {
  const { record, samples, models } = createTestMetrics()
  models.setListed(['gemma3:270m'])
  record(...details.map(exchangeOf))
  return samples()
}

describe('an exchange', () => {
  it('is counted once in each of its families', async () => {
    const { value } = await samplesOf({ usage: { ...exchangeOf().usage, cachedInputTokens: 8 } })
    const route = { method: 'POST', endpoint: '/api/chat', status: '200' }
    expect(value('ollama_requests_total', route)).toBe(1)
    expect(value('ollama_request_duration_seconds_count', route)).toBe(1)
    expect(value('ollama_request_duration_seconds_sum', route)).toBe(1.5)
    expect(value('ollama_request_bytes_total', { endpoint: '/api/chat' })).toBe(100)
    expect(value('ollama_response_bytes_total', { endpoint: '/api/chat' })).toBe(2000)
    expect(value('ollascope_proxy_overhead_seconds_sum')).toBe(0.001)
    expect(value('ollama_inference_requests_total', { ...chat, outcome: 'stop' })).toBe(1)
    expect(value('ollama_time_to_first_token_seconds_sum', chat)).toBe(0.25)
    expect(value('ollama_tokens_total', { ...chat, type: 'input' })).toBe(15)
    expect(value('ollama_tokens_total', { ...chat, type: 'output' })).toBe(24)
    expect(value('ollama_tokens_total', { ...chat, type: 'cached_input' })).toBe(8)
    expect(value('ollama_load_duration_seconds_sum', chat)).toBe(0.1)
    expect(value('ollama_prompt_eval_duration_seconds_sum', chat)).toBe(0.2)
    expect(value('ollama_eval_duration_seconds_sum', chat)).toBe(1.2)
    expect(value('ollama_time_per_output_token_seconds_sum', chat)).toBeCloseTo(0.05, 12)
    expect(value('ollama_time_per_output_token_seconds_count', chat)).toBe(1)
  })

  it('leaves out what nobody measured', async () => {
    const { names } = await samplesOf({ usage: {}, timeToFirstTokenSeconds: undefined, overheadSeconds: undefined })
    for (const name of names) {
      expect(name).not.toMatch(/^ollama_(time_|tokens|load|prompt_eval|eval).*(_sum|_total)$/)
    }
  })

  it.each([
    [0, 0],
    [1, 0],
    [2, 1],
  ])('with %i output tokens has %i rates', async (outputTokens, rates) => {
    const { sum } = await samplesOf({ usage: { outputTokens, evalSeconds: 0.000001 } })
    expect(sum('ollama_time_per_output_token_seconds_count')).toBe(rates)
    expect(sum('ollama_eval_duration_seconds_count')).toBe(1)
    expect(sum('ollama_tokens_total')).toBe(outputTokens)
  })

  it('tells its tokens, its chunks, and how full the context was', async () => {
    const { value } = await samplesOf({})
    expect(value('ollama_stream_chunks_total', chat)).toBe(25)
    expect(value('ollama_prompt_tokens_sum', chat)).toBe(15)
    expect(value('ollama_prompt_tokens_bucket', { ...chat, le: '10' })).toBe(0)
    expect(value('ollama_prompt_tokens_bucket', { ...chat, le: '20' })).toBe(1)
    expect(value('ollama_response_tokens_sum', chat)).toBe(24)
    expect(value('ollama_context_utilization_ratio_sum', chat)).toBeCloseTo(39 / CONTEXT_LENGTH, 12)
    expect(value('ollama_responses_without_usage_total', chat)).toBeUndefined()
  })

  it('tells its wait for a slot where the server told all the rest', async () => {
    const parts = { loadSeconds: 0.2, promptEvalSeconds: 0.1, evalSeconds: 0.4, inputTokens: 6, outputTokens: 10 }
    const { value } = await samplesOf({ usage: { ...parts, totalSeconds: 2.7 } }, { usage: parts })
    expect(value('ollama_queue_wait_seconds_count', chat)).toBe(1)
    expect(value('ollama_queue_wait_seconds_sum', chat)).toBeCloseTo(2, 12)
  })

  it('is counted as one without usage where it ran and told nothing', async () => {
    const { value } = await samplesOf(
      { usage: {} },
      { usage: {}, verdict: { outcome: 'load' } },
      { usage: {}, verdict: { outcome: 'truncated', errorType: 'truncated' } },
    )
    expect(value('ollama_responses_without_usage_total', chat)).toBe(1)
  })

  it('says nothing of the context for an embedding, whose inputs each have it to themselves', async () => {
    const { value, sum } = await samplesOf({ endpoint: matchEndpoint('/api/embed'), usage: { inputTokens: 5000 } })
    expect(value('ollama_prompt_tokens_sum', { model: 'gemma3:270m', endpoint: '/api/embed' })).toBe(5000)
    expect(sum('ollama_context_utilization_ratio_count')).toBe(0)
  })

  it('has no rate without both numbers', async () => {
    const { sum } = await samplesOf({ usage: { outputTokens: 9 } }, { usage: { evalSeconds: 9 } })
    expect(sum('ollama_time_per_output_token_seconds_count')).toBe(0)
  })

  it('begins the bad outcomes of its model and endpoint at 0, so that an increase shows the first one', async () => {
    const { value } = await samplesOf({})
    for (const outcome of ['rejected', 'timeout', 'truncated', 'error'])
      expect(value('ollama_inference_requests_total', { ...chat, outcome }), outcome).toBe(0)
  })

  it('is in the duration of good answers only where it was one', async () => {
    const verdict = { outcome: 'error', errorType: 'runner_crash' } as const
    const { value } = await samplesOf({ durationSeconds: 3 }, { durationSeconds: 50, verdict })
    expect(value('ollama_inference_duration_seconds_sum', chat)).toBe(3)
    expect(value('ollama_inference_duration_seconds_count', chat)).toBe(1)
  })

  it('that runs no model has no inference metrics', async () => {
    const tags = { endpoint: matchEndpoint('/api/tags'), method: 'GET', request: EMPTY_REQUEST } as const
    const { sum } = await samplesOf(tags, { method: 'GET', status: 405 }, { method: 'OPTIONS', status: 204 })
    expect(sum('ollama_requests_total')).toBe(3)
    expect(sum('ollama_inference_requests_total')).toBe(0)
  })

  it('has labels of closed sets', async () => {
    const { value } = await samplesOf({ method: 'BREW', endpoint: matchEndpoint('/x/9'), status: 418, path: '/x/9' })
    expect(value('ollama_requests_total', { method: 'other', endpoint: 'unknown', status: '418' })).toBe(1)
  })

  it('needs a status of success for a label of its own', async () => {
    const { record, samples } = createTestMetrics(2)
    const named = (name: string, status: number) => exchangeOf({ request: requestOf(name), status })
    record(
      ...Array.from({ length: 50 }, (_, index) => named(`lost-${index}`, [199, 300, 404, 499, 500][index % 5] ?? 0)),
    )
    record(named('a', 200), named('b', 299), named('c', 200), named('d', 201), named('a', 500))
    const { sum, value } = await samples()
    expect(sum('ollama_inference_requests_total', { model: 'other' })).toBe(52)
    expect(sum('ollama_inference_requests_total', { model: 'a:latest' })).toBe(2)
    expect(sum('ollama_inference_requests_total', { model: 'b:latest' })).toBe(1)
    expect(value('ollascope_label_overflow_total', { label: 'model' })).toBe(2)
  })
})

describe('the sums', () => {
  it('agree over many exchanges', async () => {
    const { record, samples } = createTestMetrics(5)
    const random = createRandom(3)
    let errors = 0
    let inferences = 0
    for (let i = 0; i < 2000; i++) {
      const [first = '/', ...labels] = ENDPOINT_LABELS
      const endpoint = matchEndpoint(random.pick([first, ...labels]))
      const method = random.pick(['GET', 'POST', 'DELETE', 'HEAD', 'X'])
      const errorType = random.chance(0.4) ? random.pick(ERROR_TYPES) : undefined
      const outcome = random.pick(OUTCOMES)
      if (errorType !== undefined) errors++
      if (endpoint.inference && method === 'POST') inferences++
      const name = `model-${random.below(50)}`
      const status = random.pick([200, 404, 500])
      const verdict = errorType === undefined ? { outcome } : { outcome, errorType }
      record(exchangeOf({ endpoint, method, status, verdict, request: requestOf(name) }))
    }
    const { sum, names } = await samples()
    expect(sum('ollama_requests_total')).toBe(2000)
    expect(sum('ollama_request_duration_seconds_count')).toBe(2000)
    expect(sum('ollama_request_duration_seconds_bucket', { le: '+Inf' })).toBe(2000)
    expect(sum('ollama_errors_total')).toBe(errors)
    expect(sum('ollama_inference_requests_total')).toBe(inferences)
    for (const family of ['time_to_first_token', 'time_per_output_token', 'load_duration', 'eval_duration']) {
      expect(names).toContain(`ollama_${family}_seconds_count`)
      expect(sum(`ollama_${family}_seconds_count`), family).toBe(inferences)
    }
  })
})
