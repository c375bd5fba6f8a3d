import { describe, expect, it } from 'vitest'
import { matchEndpoint } from '../../src/ollama/endpoints.ts'
import { EMPTY_REQUEST } from '../../src/ollama/request.ts'
import { createReceipt } from '../../src/receipt.ts'
import { exchangeOf } from '../helpers/exchange.ts'
import { loadedModel } from '../helpers/loaded.ts'

const loaded = loadedModel('gemma3:270m', { digest: 'd1', sizeBytes: 100, vramBytes: 25, contextLength: 2048 })

describe('createReceipt', () => {
  it('tells all there is to tell', () => {
    const usage = { ...exchangeOf().usage, cachedInputTokens: 8 }
    expect(createReceipt(exchangeOf({ traceId: 't', usage }), loaded)).toEqual({
      request_id: 'r-1',
      trace_id: 't',
      method: 'POST',
      endpoint: '/api/chat',
      path: undefined,
      model: 'gemma3:270m',
      stream: true,
      status: 200,
      outcome: 'stop',
      error_type: undefined,
      duration_ms: 1500,
      ttft_ms: 250,
      load_ms: 100,
      prompt_eval_ms: 200,
      eval_ms: 1200,
      input_tokens: 15,
      cached_input_tokens: 8,
      output_tokens: 24,
      digest: 'd1',
      tokens_per_second: 20,
      prefill_tokens_per_second: 35,
      chunks: 25,
      request_bytes: 100,
      response_bytes: 2000,
      context_length: 2048,
      context_used: 39,
      processor: 'mixed',
      gpu_ratio: 0.25,
    })
  })

  it('leaves out what is not known, also in JSON', () => {
    const bare = exchangeOf({
      usage: {},
      timeToFirstTokenSeconds: undefined,
      stream: undefined,
      request: EMPTY_REQUEST,
    })
    const json = JSON.stringify(createReceipt(bare, undefined))
    expect(JSON.parse(json)).toEqual({
      request_id: 'r-1',
      method: 'POST',
      endpoint: '/api/chat',
      model: 'none',
      stream: false,
      status: 200,
      outcome: 'stop',
      duration_ms: 1500,
      chunks: 25,
      request_bytes: 100,
      response_bytes: 2000,
      processor: 'unknown',
    })
  })

  it('tells a path only where the route does not, without its end where it is long', () => {
    const at = (path: string) => createReceipt(exchangeOf({ path, endpoint: matchEndpoint(path) }), undefined)
    expect(at('/api/chat').path).toBeUndefined()
    expect(at('/api/blobs/sha256:00')).toMatchObject({ endpoint: '/api/blobs/:digest', path: '/api/blobs/sha256:00' })
    expect(at(`/${'x'.repeat(999)}`).path).toHaveLength(256)
  })

  it.each([
    [{ outputTokens: 1, evalSeconds: 1000e-9 }, undefined],
    [{ outputTokens: 2, evalSeconds: 0 }, undefined],
    [{ outputTokens: 2 }, undefined],
    [{ evalSeconds: 2 }, undefined],
    [{ outputTokens: 2, evalSeconds: 0.3 }, 6.67],
  ])('of %j has the rate %s', (usage, rate) => {
    expect(createReceipt(exchangeOf({ usage }), undefined).tokens_per_second).toBe(rate)
  })

  it.each([
    [{}, undefined],
    [{ inputTokens: 5 }, 5],
    [{ outputTokens: 7 }, 7],
    [{ inputTokens: 0, outputTokens: 0 }, 0],
  ])('of %j has used %s of the context', (usage, used) => {
    expect(createReceipt(exchangeOf({ usage }), undefined).context_used).toBe(used)
  })

  it('says why it went wrong, and how long to the microsecond', () => {
    const verdict = { outcome: 'error', errorType: 'runner_crash' } as const
    const receipt = createReceipt(
      exchangeOf({ verdict, durationSeconds: 0.0123456789, request: { ...EMPTY_REQUEST, model: { kind: 'invalid' } } }),
      undefined,
    )
    expect(receipt).toMatchObject({
      outcome: 'error',
      error_type: 'runner_crash',
      duration_ms: 12.346,
      model: 'invalid',
    })
  })

  it('has no field for a header, a query, a prompt or a reply', () => {
    const keys = Object.keys(createReceipt(exchangeOf(), loaded))
    expect(
      keys.filter((key) => /header|query|prompt(?!_eval_ms)|response(?!_bytes)|content$|body|token$/.test(key)),
    ).toEqual([])
    expect(keys).toHaveLength(33)
  })
})
