import { describe, expect, it } from 'vitest'
import type { Extractor } from '../../../src/ollama/extractor.ts'
import { MAX_STRING_BYTES } from '../../../src/ollama/json-scanner.ts'
import { MAX_LINE_BYTES } from '../../../src/ollama/lines.ts'
import { nativeExtractor } from '../../../src/ollama/native-usage.ts'
import { openaiChatExtractor } from '../../../src/ollama/openai-usage.ts'
import { ResponseObserver, type ResponseHead } from '../../../src/ollama/response-observer.ts'
import { createRandom } from '../../helpers/random.ts'
import { events, feed, lines, NDJSON, PLAIN, SSE, type Said } from './feed.ts'

const MIB = 1024 * 1024
const LONG = 16 * MIB

/** Views, not copies: a reader must not change what it is given. */
function* pieces(bytes: Buffer, sizeOf: () => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const size = sizeOf()
    yield bytes.subarray(at, at + size)
    at += size
  }
}

const fill = (piece: string, size = LONG) => piece.repeat(Math.ceil(size / piece.length))

/** The same in every way of cutting, or the test fails. */
function said(head: ResponseHead, extractor: Extractor, body: string): Said {
  const bytes = Buffer.from(body, 'latin1')
  const random = createRandom(bytes.length)
  const whole = feed(head, extractor, [bytes])
  expect(
    feed(
      head,
      extractor,
      pieces(bytes, () => MAX_LINE_BYTES),
    ),
  ).toEqual(whole)
  const randomly = pieces(bytes, () => (random.chance(0.3) ? 1 : 1 + random.below(random.chance(0.2) ? 500_000 : 9000)))
  expect(feed(head, extractor, randomly)).toEqual(whole)
  return whole
}

const word = '{"response":"x","done":false}'
const counts = '"prompt_eval_count":5,"eval_count":6'
const last = `{"response":"","done":true,"done_reason":"stop",${counts}}`
const good: Said = {
  ...{ reason: 'stop', finished: true, errorText: undefined, hasContent: true, chunks: 3 },
  ...{ usage: { inputTokens: 5, outputTokens: 6 }, verdict: 'stop' },
}
const crash = 'an error was encountered while running the model: '

describe('a native answer with', () => {
  it.each([
    ['content', `{"response":"${fill('y')}","done":false}`],
    ['content of escapes', String.raw`{"response":"${fill('\\"\\\\\\ud83d\\ude00')}","done":false}`],
    ['content of backslashes', `{"response":"${fill('\\')}","done":false}`],
    [
      'a tool call',
      String.raw`{"message":{"tool_calls":[{"function":{"arguments":{"a":"${fill('{\\"error\\":')}"}}}]}}`,
    ],
    ['base64', `{"image":"${fill('iVBORw0KGgo=')}","done":false}`],
    ['an array of numbers', `{"context":[${fill('1234,')}5],"done":false}`],
    ['brackets', `{"context":${fill('[', LONG / 2)}${fill(']', LONG / 2)}}`],
    ['a key', `{"${fill('done')}":true,"done":false}`],
    ['a key that begins as a wanted one', `{"done${' '.repeat(LONG)}":true}`],
    ['a number', `{"x":${fill('7', 1_000_000)},"eval_count":9}`],
    ['white space', `{"done"${fill(' \t\r')}:false}`],
    ['the beginning of an error', `{"error":null,"response":"${fill('y')}","done":false}`],
    ['the beginning of an error, and no end', `{"error":"${fill('y')}`],
    ['no JSON', fill('y')],
  ])('%s of 16 MiB', (_what, record) => {
    expect(said(NDJSON, nativeExtractor, lines(word, record, last))).toEqual(good)
    expect(said(NDJSON, nativeExtractor, lines(word, last, record))).toEqual(good)
  })

  it.each([
    ['numbers behind the end', `{"done":true,"context":[${fill('1234,')}5],"done_reason":"stop",${counts}}`],
    ['numbers before the end', `{${counts},"response":"${fill('y')}","done_reason":"stop","done":true}`],
    ['no last line end', `{"done_reason":"stop",${counts},"x":"${fill('y')}","done":true}`],
  ])('an end of 16 MiB: %s', (what, record) => {
    const body = lines(word, record)
    const read = said(NDJSON, nativeExtractor, what === 'no last line end' ? body.trimEnd() : body)
    expect(read).toEqual({ ...good, chunks: 2 })
  })

  it('an end of 16 MiB behind another: the last one counts', () => {
    const long = `{"response":"${fill('y')}","done":true,"done_reason":"length","prompt_eval_count":7,"eval_count":8}`
    const other = { reason: 'length', usage: { inputTokens: 7, outputTokens: 8 }, verdict: 'length' }
    expect(said(NDJSON, nativeExtractor, lines(word, last, long))).toEqual({ ...good, ...other })
    expect(said(NDJSON, nativeExtractor, lines(word, long, last))).toEqual(good)
  })

  it('an error of 16 MiB', () => {
    const errorText = `${crash}${'y'.repeat(MAX_STRING_BYTES - crash.length)}`
    const crashed = { ...good, errorText, verdict: 'error runner_crash' }
    for (const text of [
      `{"error":"${crash}${fill('y')}"}`,
      `{"error":{"x":"${fill('y')}","message":"${errorText}"}}`,
    ]) {
      expect(said(NDJSON, nativeExtractor, lines(word, last, text))).toEqual(crashed)
      expect(said(NDJSON, nativeExtractor, lines(word, text, last))).toEqual(crashed)
    }
    const cut = said(NDJSON, nativeExtractor, `${word}\n{"error":"${crash}${fill('y')}`)
    const expected = { reason: undefined, finished: false, usage: {}, chunks: 2, verdict: 'truncated truncated' }
    expect(cut).toEqual({ ...good, ...expected })
  })

  it.each(['7', '0.', '1e', '-', '0', '1.0e-'])('a count of a million digits that begin as %s', (start) => {
    const digits = fill(start === '0' ? '.' : '1', 1_000_000)
    const read = said(NDJSON, nativeExtractor, lines(word, word, last.replace('6', `${start}${digits}`)))
    const broken = { reason: undefined, finished: false, usage: {}, verdict: 'truncated truncated' }
    expect(read).toEqual(start === '0' ? { ...good, ...broken } : { ...good, usage: { inputTokens: 5 } })
  })
})

const delta = '{"choices":[{"delta":{"content":"x"}}]}'
const stop = '{"choices":[{"delta":{},"finish_reason":"stop"}]}'
const usage = '{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6}}'
const chatted = { ...good, chunks: 4 }

describe('a stream of events with', () => {
  it.each([
    ['content', `data: {"choices":[{"delta":{"content":"${fill('y')}"}}]}\n\n`],
    ['a tool call', `data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"${fill('y')}"}}]}}]}\n\n`],
    ['CRLF', `data: {"choices":[{"delta":{"content":"${fill('y')}"}}]}\r\n\r\n`],
    ['lines of data', `data: {"choices":[{"delta":{\n${fill(`data:${' '.repeat(900)}\n`)}data: "content":"y"}}]}\n\n`],
    ['a long line between short ones', `data: {"x":\ndata: "${fill('y')}"\ndata: ,"choices":[{}]\ndata: }\n\n`],
    ['two long lines', `data: {"x":"${fill('y')}",\ndata: "z":["${fill('y', 2 * MAX_LINE_BYTES)}",{}]}\n\n`],
    ['the marker in many lines', `${fill('data: [DONE]\n', 2 * MAX_LINE_BYTES)}\n`],
  ])('%s of 16 MiB', (_what, event) => {
    expect(said(SSE, openaiChatExtractor, events(delta) + event + events(stop, usage, '[DONE]'))).toEqual(chatted)
  })

  it.each([
    ['a comment', `: ${fill('y')}\n\n`],
    ['a comment of data', `: ${fill('data: {}')}\n`],
    ['another field', `event: ${fill('y')}\nid: ${fill('y', MIB)}\n\n`],
    ['empty lines', fill('\n', MIB)],
  ])('%s of 16 MiB: no event', (_what, text) => {
    const body = events(delta, stop) + text + events(usage, '[DONE]')
    expect(said(SSE, openaiChatExtractor, body)).toEqual({ ...good, chunks: 3 })
  })

  it('an event of 16 MiB that no empty line ends: it does not count', () => {
    const expected = {
      ...good,
      chunks: 1,
      finished: false,
      reason: undefined,
      usage: {},
      verdict: 'truncated truncated',
    }
    const long = usage.replace('{', `{"x":"${fill('y')}",`)
    for (const end of ['', '\n', '\r\n', '\ndata: ', '\n: x\n']) {
      expect(said(SSE, openaiChatExtractor, `${events(delta)}data: ${long}${end}`)).toEqual(expected)
    }
    expect(said(SSE, openaiChatExtractor, `${events(delta, stop)}data: ${long}\n\n${events('[DONE]')}`)).toEqual({
      ...good,
      chunks: 3,
    })
  })

  it('a number in two lines of a long event: it is none', () => {
    const split = `data: {"x":"${fill('y')}","choices":[],"usage":{"prompt_tokens":1\ndata: 2}}\n\n`
    const read = said(SSE, openaiChatExtractor, events(delta, stop) + split + events('[DONE]'))
    expect(read).toEqual({ ...good, chunks: 3, usage: {} })
  })

  it('an error of 16 MiB', () => {
    const text = `{"error":{"message":"${crash}${fill('y')}"}}`
    const errorText = `${crash}${'y'.repeat(MAX_STRING_BYTES - crash.length)}`
    const read = said(SSE, openaiChatExtractor, events(delta, stop, usage, text, '[DONE]'))
    expect(read).toEqual({ ...chatted, errorText, verdict: 'error runner_crash' })
  })
})

describe('a plain answer', () => {
  it('of 16 MiB is read to its end', () => {
    const body = `{"x":[{"y":"${fill('y')}"}],"response":"x","done":true,"done_reason":"stop",${counts}}`
    expect(said(PLAIN, nativeExtractor, body)).toEqual({ ...good, chunks: 0 })
  })
})

/** MiB in use now, garbage included. */
function inUse(): number {
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / MIB
}

describe('memory', () => {
  const shared = Buffer.alloc(LONG, 'y')
  const views = [...pieces(shared, () => MAX_LINE_BYTES)]

  it.each([
    ['content', NDJSON, nativeExtractor, '{"response":"', '","done":false}\n'],
    ['keys', NDJSON, nativeExtractor, '{"', '":false}\n'],
    ['errors', NDJSON, nativeExtractor, '{"error":"', '"}\n'],
    ['no JSON', NDJSON, nativeExtractor, '', '\n'],
    ['events', SSE, openaiChatExtractor, 'data: {"choices":[{"delta":{"content":"', '"}}]}\n\n'],
    ['one event', SSE, openaiChatExtractor, 'data:', '\ndata:x\n'],
    ['comments', SSE, openaiChatExtractor, ':', '\n'],
    ['values', PLAIN, nativeExtractor, '{"response":"', '"'],
  ] as const)('64 lines of 16 MiB take none: %s', (_what, head, extractor, start, end) => {
    const observer = new ResponseObserver(head, extractor)
    const before = inUse()
    let most = 0
    for (let line = 0; line < 64; line++) {
      observer.push(Buffer.from(start), line)
      for (const view of views) observer.push(view, line)
      observer.push(Buffer.from(end), line)
      most = Math.max(most, inUse() - before)
    }
    // Garbage included, were none ever collected: the start of each line, and no line that was held or copied.
    expect(most).toBeLessThan(16)
    expect(observer.facts.usage).toEqual({})
  })

  it('the lines of one long event take none', () => {
    const observer = new ResponseObserver(SSE, openaiChatExtractor)
    const line = Buffer.from(`data: ${'y'.repeat(1000)}\n`.repeat(64))
    const before = inUse()
    let most = 0
    for (let sent = 0; sent < 4 * LONG; sent += line.length) {
      observer.push(line, 0)
      most = Math.max(most, inUse() - before)
    }
    expect(most).toBeLessThan(16)
    expect(observer.facts.chunks).toBe(0)
  })
})
