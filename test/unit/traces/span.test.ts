import { describe, expect, it } from 'vitest'
import { matchEndpoint, ENDPOINT_LABELS, runsModel } from '../../../src/ollama/endpoints.ts'
import type { Exchange } from '../../../src/ollama/exchange.ts'
import { OUTCOMES } from '../../../src/ollama/outcome.ts'
import { EMPTY_REQUEST } from '../../../src/ollama/request.ts'
import { createReceipt } from '../../../src/receipt.ts'
import { spanOf } from '../../../src/traces/span.ts'
import { exchangeOf } from '../../helpers/exchange.ts'
import { loadedModel } from '../../helpers/loaded.ts'

const END = 1_800_000_000_000
const traced = (details: Partial<Exchange> = {}, loaded?: Parameters<typeof createReceipt>[1]) => {
  const exchange = exchangeOf(details)
  return spanOf(exchange, createReceipt(exchange, loaded), 'http', END)
}

describe('the span of an exchange', () => {
  it('tells what the receipt tells, by the names that OpenTelemetry has', () => {
    const usage = {
      inputTokens: 15,
      cachedInputTokens: 5,
      outputTokens: 24,
      totalSeconds: 1.45,
      loadSeconds: 0.1,
      promptEvalSeconds: 0.2,
      evalSeconds: 1.1,
    }
    expect(traced({ usage, client: 'ci', traceId: 'f'.repeat(32) })).toEqual({
      name: 'POST /api/chat',
      startMs: END - 1500,
      endMs: END,
      failed: false,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/api/chat',
        'http.response.status_code': 200,
        'http.request.body.size': 100,
        'http.response.body.size': 2000,
        'url.scheme': 'http',
        'url.path': '/api/chat',
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'ollama',
        'gen_ai.request.model': 'gemma3:270m',
        'gen_ai.request.stream': true,
        'gen_ai.response.time_to_first_chunk': 0.25,
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.usage.input_tokens': 15,
        'gen_ai.usage.cache_read.input_tokens': 5,
        'gen_ai.usage.output_tokens': 24,
        'ollascope.request_id': 'r-1',
        'ollascope.client': 'ci',
        'ollascope.outcome': 'stop',
        'ollascope.queue_wait_ms': 50,
        'ollascope.load_ms': 100,
        'ollascope.prompt_eval_ms': 200,
        'ollascope.eval_ms': 1100,
        'ollascope.tokens_per_second': 21.82,
        'ollascope.prefill_tokens_per_second': 50,
        'ollascope.chunks': 25,
        'ollascope.context_used': 39,
        'ollascope.processor': 'unknown',
      },
      phases: [
        { name: 'load', startMs: END - 1450, endMs: END - 1350 },
        { name: 'queue', startMs: END - 1350, endMs: expect.closeTo(END - 1300, 3) as number },
        { name: 'prefill', startMs: expect.closeTo(END - 1300, 3) as number, endMs: END - 1100 },
        { name: 'decode', startMs: END - 1100, endMs: END },
      ],
    })
  })

  it('says what the model ran on', () => {
    const { attributes } = traced({}, loadedModel('gemma3:270m', { sizeBytes: 100, vramBytes: 50 }))
    expect(attributes).toMatchObject({ 'ollascope.processor': 'mixed', 'ollascope.gpu_ratio': 0.5 })
  })

  it.each(OUTCOMES)('of the outcome %s is an error where it counts against the server', (outcome) => {
    const bad = ['rejected', 'timeout', 'truncated', 'error'].includes(outcome)
    const { failed, attributes } = traced({ verdict: { outcome, errorType: 'other' } })
    expect(failed).toBe(bad)
    expect(attributes['error.type']).toBe(bad ? 'other' : undefined)
    expect(attributes).toMatchObject({ 'ollascope.outcome': outcome, 'ollascope.error_type': 'other' })
    const finished = ['stop', 'length', 'tool_calls'].includes(outcome)
    expect(attributes['gen_ai.response.finish_reasons']).toEqual(finished ? [outcome] : undefined)
  })

  it.each(ENDPOINT_LABELS)('of %s has a name and words of a closed set', (label) => {
    const endpoint = matchEndpoint(label === 'unknown' ? '/nowhere' : label.replace(/:\w+$/, 'x'))
    const { name, attributes } = traced({ endpoint, method: endpoint.method, path: '/x' })
    expect(name).toBe(label === 'unknown' ? 'GET' : `${endpoint.method} ${label}`)
    expect(attributes['http.route']).toBe(label === 'unknown' ? undefined : label)
    expect(attributes['gen_ai.operation.name'] !== undefined).toBe(runsModel(endpoint, endpoint.method))
    expect(attributes['gen_ai.operation.name']).toBe(OPERATIONS[label])
    // A pull is no generation, and yet of a model.
    const place = runsModel(endpoint, endpoint.method) ? 'gen_ai.request.model' : 'ollascope.model'
    expect(attributes[place]).toBe('gemma3:270m')
  })

  it('of a method that nobody knows is called HTTP', () => {
    const { name, attributes } = traced({ method: 'M-SEARCH', endpoint: matchEndpoint('/nowhere') })
    expect(name).toBe('HTTP')
    expect(attributes['http.request.method']).toBe('_OTHER')
    expect(traced({ method: 'M-SEARCH' }).name).toBe('HTTP /api/chat')
  })

  it('of a request that names no model, or never was one, leaves out what it does not know', () => {
    const { attributes } = traced({ request: EMPTY_REQUEST, path: '', timeToFirstTokenSeconds: undefined })
    for (const name of ['gen_ai.request.model', 'url.path', 'gen_ai.response.time_to_first_chunk']) {
      expect(attributes).not.toHaveProperty([name])
    }
    expect(Object.values(attributes)).not.toContain(undefined)
  })

  it('cuts a long path', () => {
    expect(traced({ path: `/${'x'.repeat(1000)}` }).attributes['url.path']).toHaveLength(256)
  })
})

describe('the phases of an exchange', () => {
  const names = (usage: Exchange['usage'], durationSeconds = 2) =>
    traced({ usage, durationSeconds }).phases.map(({ name, startMs, endMs }) => [name, startMs - END, endMs - END])

  it('are none where the server told nothing', () => expect(names({ inputTokens: 5 })).toEqual([]))

  it('lie before the end without a total too', () => {
    expect(names({ loadSeconds: 0.5, promptEvalSeconds: 0.25, evalSeconds: 1 })).toEqual([
      ['load', -1750, -1250],
      ['prefill', -1250, -1000],
      ['decode', -1000, 0],
    ])
  })

  it('begin with the load where an embedding told no more', () => {
    expect(names({ totalSeconds: 1.5, loadSeconds: 0.5 })).toEqual([['load', -1500, -1000]])
  })

  it('stay within the exchange, whatever the other clock says', () => {
    expect(names({ loadSeconds: 1.5, evalSeconds: 1 })).toEqual([
      ['load', -2000, -1000],
      ['decode', -1000, 0],
    ])
    expect(names({ totalSeconds: 1, loadSeconds: 0.5, promptEvalSeconds: 0.25, evalSeconds: 0.75 })).toEqual([
      ['load', -1000, -500],
      ['prefill', -500, -250],
      ['decode', -250, 0],
    ])
    expect(names({ totalSeconds: 60, loadSeconds: 50, promptEvalSeconds: 9, evalSeconds: 1 }, 0.5)).toEqual([
      ['decode', -500, 0],
    ])
  })
})

const OPERATIONS: Readonly<Record<string, string>> = {
  '/api/generate': 'text_completion',
  '/api/chat': 'chat',
  '/api/embed': 'embeddings',
  '/api/embeddings': 'embeddings',
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'text_completion',
  '/v1/responses': 'chat',
  '/v1/messages': 'chat',
  '/v1/embeddings': 'embeddings',
  '/v1/audio/transcriptions': 'transcription',
}
