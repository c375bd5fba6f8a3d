import { describe, expect, it } from 'vitest'
import { errorTextExtractor } from '../../../src/ollama/error-text.ts'
import type { Extractor } from '../../../src/ollama/extractor.ts'
import { MAX_LINE_BYTES } from '../../../src/ollama/lines.ts'
import { nativeExtractor } from '../../../src/ollama/native-usage.ts'
import { openaiChatExtractor } from '../../../src/ollama/openai-usage.ts'
import { progressExtractor } from '../../../src/ollama/progress.ts'
import { framingOf, ResponseObserver, type ResponseHead } from '../../../src/ollama/response-observer.ts'
import { retainedBy } from '../../helpers/memory.ts'

const NDJSON: ResponseHead = { status: 200, contentType: 'application/x-ndjson', contentEncoding: undefined }
const SSE: ResponseHead = { ...NDJSON, contentType: 'text/event-stream' }
const JSON_HEAD: ResponseHead = { ...NDJSON, contentType: 'application/json; charset=utf-8' }

/** One push a piece; the clock counts them from 0. */
function read(head: ResponseHead, extractor: Extractor | undefined, pieces: readonly string[]) {
  const observer = new ResponseObserver(head, extractor)
  for (const [index, piece] of pieces.entries()) observer.push(Buffer.from(piece), index)
  observer.end()
  return { ...observer.facts, saysFinished: observer.saysFinished, framing: observer.framing }
}

const lines = (...records: object[]) => records.map((record) => `${JSON.stringify(record)}\n`)
const events = (...records: object[]) => [
  ...records.map((record) => `data: ${JSON.stringify(record)}\n\n`),
  'data: [DONE]\n\n',
]
const word = { response: 'x', done: false }
const last = { response: '', done: true, done_reason: 'stop', prompt_eval_count: 3, eval_count: 7, eval_duration: 2e9 }

describe('framing', () => {
  it.each([
    ['application/x-ndjson', undefined, 'ndjson'],
    ['application/x-ndjson; charset=utf-8', '', 'ndjson'],
    ['text/event-stream', 'identity', 'sse'],
    ['application/json; charset=utf-8', undefined, 'json'],
    ['text/plain', undefined, 'none'],
    ['text/html; charset=utf-8', undefined, 'none'],
    [undefined, undefined, 'none'],
    ['application/x-ndjson', 'gzip', 'none'],
    ['application/json', 'br', 'none'],
    ['text/event-stream', 'zstd', 'none'],
  ] as const)('of %s, encoded %s, is %s', (contentType, contentEncoding, framing) => {
    expect(framingOf({ status: 200, contentType, contentEncoding })).toBe(framing)
  })

  it('without one nothing is read, and no end is missed', () => {
    const facts = read({ ...NDJSON, contentEncoding: 'gzip' }, nativeExtractor, lines(word))
    expect(facts).toMatchObject({ chunks: 0, hasContent: false, finished: false, saysFinished: false, usage: {} })
  })
})

describe('the first token', () => {
  it.each([
    ['generate', [{ response: '' }, { response: '', thinking: '' }, { response: 'a' }, { response: 'b' }]],
    ['generate, thinking', [{ response: '' }, {}, { response: '', thinking: 't' }]],
    [
      'chat',
      [{ message: { content: '' } }, { message: { role: 'assistant', tool_calls: [] } }, { message: { content: 'a' } }],
    ],
    ['chat, thinking', [{ message: {} }, { done: false }, { message: { content: '', thinking: 't' } }]],
    [
      'chat, a tool',
      [{ message: {} }, { response: null }, { message: { content: '', tool_calls: [{ function: {} }] } }],
    ],
  ])('of %s is the first that is not empty', (_what, records) => {
    expect(read(NDJSON, nativeExtractor, lines(...records))).toMatchObject({ hasContent: true, firstTokenAtMs: 2 })
  })

  it.each([
    ['content', { content: 'a' }],
    ['reasoning', { content: '', reasoning: 'r' }],
    ['a tool call', { tool_calls: [{ index: 0, function: { arguments: '' } }] }],
  ])('of a /v1 chat may be %s', (_what, delta) => {
    const empty = { choices: [{ delta: { role: 'assistant', content: '', reasoning: '', tool_calls: [] } }] }
    const facts = read(SSE, openaiChatExtractor, events(empty, { choices: [{ delta: {} }] }, { choices: [{ delta }] }))
    expect(facts).toMatchObject({ hasContent: true, firstTokenAtMs: 2, chunks: 3 })
  })

  it('came when its record was whole', () => {
    const text = lines(word).join('')
    expect(read(NDJSON, nativeExtractor, ['\n', text.slice(0, 9), text.slice(9, -1), '\n'])).toMatchObject({
      firstTokenAtMs: 3,
    })
  })

  it('has no time in an answer that does not stream', () => {
    const facts = read(JSON_HEAD, nativeExtractor, [JSON.stringify({ ...last, response: 'all' })])
    expect(facts).toMatchObject({ hasContent: true, firstTokenAtMs: undefined, chunks: 0, finished: true })
  })

  it('is not in a record that is broken or cut', () => {
    const broken = ['{"response":"x"', '\n', '{"response":"x",}\n', '{"response":"x"} x\n', '["x"]\n']
    expect(read(NDJSON, nativeExtractor, broken)).toMatchObject({
      hasContent: false,
      firstTokenAtMs: undefined,
      chunks: 4,
    })
  })
})

describe('the end', () => {
  it('is read from the last records', () => {
    const facts = read(NDJSON, nativeExtractor, lines(...Array<object>(50).fill(word), last))
    expect(facts).toMatchObject({ chunks: 51, finished: true, reason: 'stop' })
    expect(facts.usage).toEqual({ inputTokens: 3, outputTokens: 7, evalSeconds: 2 })
  })

  it('is read where all comes at once, without a last line end, with empty lines and CRLF', () => {
    const text = lines(...Array<object>(9).fill(word), last).join('')
    for (const variant of [text, text.trimEnd(), text.replaceAll('\n', '\n\n'), text.replaceAll('\n', '\r\n')]) {
      expect(read(NDJSON, nativeExtractor, [variant])).toMatchObject({ chunks: 10, finished: true, reason: 'stop' })
    }
  })

  it('is read from the only record, and from one of the first', () => {
    expect(read(NDJSON, nativeExtractor, lines(last))).toMatchObject({ finished: true, hasContent: false })
    expect(read(NDJSON, nativeExtractor, lines(word, last))).toMatchObject({ finished: true, hasContent: true })
  })

  it('of server-sent events is the marker, and the usage stands in the event without choices', () => {
    const zero = { prompt_tokens: 0, completion_tokens: 0 }
    const choice = { choices: [{ delta: { content: 'a' }, finish_reason: null }], usage: zero }
    const stop = { choices: [{ delta: {}, finish_reason: 'tool_calls' }], usage: zero }
    const usage = { prompt_tokens: 5, completion_tokens: 6, prompt_tokens_details: { cached_tokens: 4 } }
    const all = events(choice, ...Array<object>(9).fill(choice), stop, { choices: [], usage })
    const facts = read(SSE, openaiChatExtractor, all)
    expect(facts).toMatchObject({ finished: true, reason: 'tool_calls', chunks: 12 })
    expect(facts.usage).toEqual({ inputTokens: 5, outputTokens: 6, cachedInputTokens: 4 })
    expect(read(SSE, openaiChatExtractor, all.slice(0, -1))).toMatchObject({ finished: false, reason: 'tool_calls' })
    expect(read(SSE, nativeExtractor, all).finished).toBe(false)
  })

  it('is known of every API but those of which only errors are read', () => {
    for (const extractor of [nativeExtractor, openaiChatExtractor, progressExtractor]) {
      expect(read(NDJSON, extractor, []).saysFinished).toBe(true)
      expect(read({ ...NDJSON, status: 500 }, extractor, []).saysFinished).toBe(false)
    }
    for (const none of [errorTextExtractor, undefined]) expect(read(NDJSON, none, []).saysFinished).toBe(false)
  })
})

describe('errors', () => {
  const error = { error: 'an error was encountered while running the model: unexpected EOF' }

  it.each([
    ['first', [error]],
    ['last', [word, word, error]],
    ['after many', [...Array<object>(20).fill(word), error]],
    ['before many', [word, error, ...Array<object>(20).fill(word)]],
  ])('are read where they come %s', (_where, records) => {
    expect(read(NDJSON, nativeExtractor, lines(...records)).errorText).toBe(error.error)
  })

  it('have a text in two shapes, and the first one counts', () => {
    expect(read(NDJSON, undefined, lines({ error: { message: 'deep' } }, { error: 'late' })).errorText).toBe('deep')
    expect(read(SSE, openaiChatExtractor, events({ error: { message: 'deep' } })).errorText).toBe('deep')
    expect(read(NDJSON, progressExtractor, lines({ status: 'x' }, { error: { message: 'deep' } })).errorText).toBe(
      'deep',
    )
    expect(read(JSON_HEAD, undefined, ['{"error":7}']).errorText).toBeUndefined()
  })

  it('are all that is read of an answer with an error status', () => {
    const facts = read({ ...JSON_HEAD, status: 500 }, nativeExtractor, [JSON.stringify({ ...last, error: 'e' })])
    expect(facts).toMatchObject({ errorText: 'e', finished: false, reason: undefined, usage: {} })
  })

  it('have texts that are cut', () => {
    expect(read({ ...JSON_HEAD, status: 400 }, undefined, [`{"error":"${'x'.repeat(9000)}"}`]).errorText).toHaveLength(
      2048,
    )
  })
})

describe('progress', () => {
  it('is finished by success', () => {
    const done = lines({ status: 'pulling' }, { status: 'success' })
    expect(read(NDJSON, progressExtractor, done)).toMatchObject({ finished: true, chunks: 2, hasContent: false })
    expect(read(NDJSON, progressExtractor, lines({ status: 'pulling' }))).toMatchObject({ finished: false })
    expect(read(JSON_HEAD, progressExtractor, ['{"status":"success"}'])).toMatchObject({ finished: true, chunks: 0 })
  })
})

describe('long records', () => {
  const long = 'y'.repeat(3 * MAX_LINE_BYTES)
  const inPieces = (text: string) => text.match(/[^]{1,5000}/g) ?? []

  it('of NDJSON are read as they pass, each counted once and in its order', () => {
    const records = lines(word, { response: long, done: false }, word, { ...last, context: Array(90_000).fill(7) })
    const facts = read(NDJSON, nativeExtractor, inPieces(records.join('')))
    expect(facts).toMatchObject({ chunks: 4, finished: true, reason: 'stop' })
    expect(facts.usage.outputTokens).toBe(7)
  })

  it('of NDJSON come after those that were kept', () => {
    const stop = { ...last, done_reason: 'length', eval_count: 9 }
    const facts = read(NDJSON, nativeExtractor, inPieces(lines(word, last, { ...stop, response: long }).join('')))
    expect(facts).toMatchObject({ reason: 'length', usage: { outputTokens: 9 } })
  })

  it('of server-sent events, with fields beside the data', () => {
    const event = { choices: [{ delta: { content: long } }] }
    const stream = [`event: ${long}\n`, `: ${long}\n`, `data: ${JSON.stringify(event)}\n\n`, ...events({ choices: [] })]
    const facts = read(SSE, openaiChatExtractor, inPieces(stream.join('')))
    expect(facts).toMatchObject({ chunks: 2, finished: true, hasContent: true })
  })

  it('that are cut say nothing', () => {
    const text = lines({ ...last, response: long })
      .join('')
      .slice(0, -3)
    expect(read(NDJSON, nativeExtractor, inPieces(text))).toMatchObject({ finished: false, hasContent: false })
  })
})

describe('memory', () => {
  it.each([
    ['records', lines(word).join('').repeat(2000)],
    ['one line', 'z'.repeat(64 * 1024)],
    ['empty lines', '\n'.repeat(64 * 1024)],
  ])('does not grow with %s', (_what, text) => {
    for (const head of [NDJSON, SSE, JSON_HEAD]) {
      const observer = new ResponseObserver(head, nativeExtractor)
      const push = () => {
        for (let i = 0; i < 200; i++) observer.push(Buffer.from(text), i)
      }
      expect(retainedBy(push)).toBeLessThan(4)
      expect(observer.facts.usage).toEqual({})
    }
  })
})
