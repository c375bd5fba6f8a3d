import { describe, expect, it } from 'vitest'
import { anthropicExtractor } from '../../../src/ollama/anthropic-usage.ts'
import { nativeExtractor } from '../../../src/ollama/native-usage.ts'
import { openaiChatExtractor } from '../../../src/ollama/openai-usage.ts'
import { responsesExtractor } from '../../../src/ollama/responses-usage.ts'
import { APIS } from './apis.ts'
import { events, feed, feedEveryWay, lines, NDJSON, PLAIN, SSE, type Said } from './feed.ts'

const native = (body: string | Buffer) => feedEveryWay(NDJSON, nativeExtractor, body)
const chat = (body: string) => feedEveryWay(SSE, openaiChatExtractor, body)

const NOTHING: Said = {
  reason: undefined,
  finished: false,
  errorText: undefined,
  hasContent: false,
  chunks: 0,
  usage: {},
  verdict: 'truncated truncated',
}
const word = '{"response":"x","done":false}'
const last = '{"response":"","done":true,"done_reason":"stop","prompt_eval_count":5,"eval_count":6}'
const usage = { inputTokens: 5, outputTokens: 6 }
const stopped: Said = {
  ...NOTHING,
  finished: true,
  reason: 'stop',
  hasContent: true,
  chunks: 2,
  usage,
  verdict: 'stop',
}

const delta = '{"choices":[{"delta":{"content":"x"},"finish_reason":null}]}'
const stop = '{"choices":[{"delta":{},"finish_reason":"stop"}]}'
const counts = '{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6}}'
const answer = events(delta, stop, counts, '[DONE]')
const chatted: Said = { ...stopped, chunks: 3 }

describe('lines', () => {
  it.each([
    ['CRLF', `${word}\r\n${last}\r\n`],
    ['no last line end', `${word}\n${last}`],
    ['empty lines', `\n\n\r\n${word}\n\n\n${last}\n\r\n\n`],
    ['white space around', ` \t${word} \r\r\n  ${last}\t \n`],
  ])('with %s are read', (_what, body) => expect(native(body)).toEqual(stopped))

  it.each([
    ['a byte order mark', `\ufeff${word}`],
    ['a comma behind', `${word},`],
    ['two objects', `${word}${word}`],
    ['an array', `[${word}]`],
    ['a text', '"x"'],
    ['nothing but space', '   '],
    ['half an object', '{"response":"x","done"'],
    ['a carriage return inside', '{"response":"x",\r"done":fals\re}'],
    ['a zero byte', `${word}\0`],
    ['data of an event', `data: ${word}`],
  ])('that hold %s count as one, and say nothing', (_what, line) => {
    expect(native(lines(line))).toEqual({ ...NOTHING, chunks: 1 })
    expect(native(lines(line, word, last))).toEqual({ ...stopped, chunks: 3 })
    expect(native(lines(word, last, line))).toEqual({ ...stopped, chunks: 3 })
  })

  it('without one are an answer that was cut off', () => {
    for (const body of ['', '\n', '\r\n\n']) expect(native(body)).toEqual(NOTHING)
    expect(native(lines(word, word))).toEqual({ ...NOTHING, hasContent: true, chunks: 2 })
  })

  it('whose bytes are no UTF-8 are read all the same', () => {
    const broken = Buffer.concat([
      Buffer.from('{"response":"'),
      Buffer.from([0xff, 0xc3, 0x80, 0xed]),
      Buffer.from('"}\n'),
    ])
    expect(native(Buffer.concat([broken, Buffer.from(lines(last))]))).toEqual(stopped)
    const reason = Buffer.from(lines(word, last.replace('stop', 'st\u00e9p')), 'latin1')
    expect(native(reason)).toEqual({ ...stopped, reason: 'st\ufffdp', verdict: 'success' })
  })
})

describe('the order of native records', () => {
  it('with two ends: the last one counts', () => {
    const length = '{"done":true,"done_reason":"length","prompt_eval_count":7,"eval_count":8}'
    const other = { reason: 'length', usage: { inputTokens: 7, outputTokens: 8 }, verdict: 'length', chunks: 3 }
    expect(native(lines(word, last, length))).toEqual({ ...stopped, ...other })
    expect(native(lines(word, length, last))).toEqual({ ...stopped, chunks: 3 })
  })

  it('with the end first', () => {
    expect(native(lines(last, word))).toEqual(stopped)
    expect(native(lines(last, ...Array<string>(20).fill(word)))).toEqual({ ...stopped, chunks: 21 })
  })

  it('with a record behind the end', () => {
    expect(native(lines(word, last, word))).toEqual({ ...stopped, chunks: 3 })
    expect(native(lines(word, last, '{"done":false,"done_reason":"length","eval_count":9}')).usage).toEqual(usage)
  })

  it('with numbers before the end: they are not read', () => {
    const early = '{"response":"x","done":false,"done_reason":"length","prompt_eval_count":9,"eval_count":9}'
    expect(native(lines(early, last))).toEqual(stopped)
    expect(native(lines(early, early))).toEqual({ ...NOTHING, hasContent: true, chunks: 2 })
  })

  it('with an error behind the end, or before', () => {
    const error = '{"error":"an error was encountered while running the model: unexpected EOF"}'
    const crashed = { ...stopped, errorText: error.slice(10, -2), chunks: 3, verdict: 'error runner_crash' }
    expect(native(lines(word, last, error))).toEqual(crashed)
    expect(native(lines(word, error, last))).toEqual(crashed)
    expect(native(lines(error, word, last))).toEqual(crashed)
  })
})

describe('server-sent events', () => {
  const data = (text: string) => text.replaceAll('data: ', 'data:')

  it.each([
    ['no space behind the colon', data(answer)],
    ['CRLF', answer.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\ufeff${answer}`],
    ['comments', `: ping\n\n:\n${answer.replaceAll('data:', ': keep-alive\ndata:')}: bye\n\n`],
    ['other fields', answer.replaceAll('data:', 'event: x\nid: 7\nretry: 9\nnonsense\n: y\ndata:')],
    ['events without data', `event: ping\n\n${answer.replaceAll('\n\n', '\n\nevent: ping\nid\n\n')}`],
    ['empty lines', `\n\n${answer.replaceAll('\n\n', '\n\n\n\n')}`],
    ['data in several lines', answer.replaceAll('[{', '[\ndata: {').replaceAll(',"', '\ndata:,\ndata:   "')],
    ['the marker twice', `${answer}data: [DONE]\n\n`],
    ['the marker early', events('[DONE]') + answer.replace('data: [DONE]\n\n', '')],
    ['the marker in the middle', events(delta, '[DONE]', stop, counts)],
    ['a data field without a colon', answer.replaceAll('data: {', 'data\nDATA: x\n data: x\ndata: {')],
    ['a byte order mark later', `\n${answer.replaceAll('data:', '\ufeffdata: {"error":"x"}\ndata:')}`],
    ['a rest that no empty line ends', `${answer}data: {"error":"x"}\n`],
  ])('with %s are read', (_what, body) => expect(chat(body)).toEqual(chatted))

  it.each([
    ['nothing but the marker', events('[DONE]'), { ...NOTHING, finished: true, verdict: 'success' }],
    ['no marker', events(delta, stop, counts), { ...chatted, finished: false, verdict: 'truncated truncated' }],
    [
      'a marker that no empty line ends',
      answer.slice(0, -1),
      { ...chatted, finished: false, verdict: 'truncated truncated' },
    ],
    ['a marker with more behind', events(delta, '[DONE] '), { ...NOTHING, hasContent: true, chunks: 2 }],
    ['a marker in small letters', events(delta, '[done]'), { ...NOTHING, hasContent: true, chunks: 2 }],
    ['a marker as a text', events(delta, '"[DONE]"'), { ...NOTHING, hasContent: true, chunks: 2 }],
    ['a marker in two lines', 'data: [DO\ndata: NE]\n\n', { ...NOTHING, chunks: 1 }],
    ['a marker and an object in one event', `data: [DONE]\ndata: ${stop}\n\n`, { ...NOTHING, chunks: 1 }],
    ['a bare marker', '[DONE]\n\n', NOTHING],
    ['empty data', 'data:\n\ndata: \n\n', { ...NOTHING, chunks: 2 }],
    ['lines of NDJSON', lines(delta, stop), NOTHING],
    ['nothing', '', NOTHING],
    [
      'an error in the middle',
      events(delta, '{"error":{"message":"boom"}}', '[DONE]'),
      {
        ...{ ...NOTHING, finished: true, hasContent: true, chunks: 2 },
        ...{ errorText: 'boom', verdict: 'error stream_error' },
      },
    ],
  ] as const)('with %s', (_what, body, expected) => expect(chat(body)).toEqual(expected))

  it('with the usage before the content, or twice', () => {
    expect(chat(events(counts, delta, stop, '[DONE]'))).toEqual(chatted)
    const more = '{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":8}}'
    const expected = { ...chatted, chunks: 4, usage: { inputTokens: 7, outputTokens: 8 } }
    expect(chat(events(delta, stop, counts, more, '[DONE]'))).toEqual(expected)
    expect(chat(events(delta, counts, stop, more, '[DONE]'))).toEqual(expected)
  })

  it('with usage beside choices: it is not read', () => {
    const beside = delta.replace('"choices"', '"usage":{"prompt_tokens":9,"completion_tokens":9},"choices"')
    expect(chat(events(beside, stop, '[DONE]'))).toEqual({ ...chatted, chunks: 2, usage: {} })
    for (const choices of ['[null]', '[7]', '[[]]', '["x"]', '[{}]']) {
      const body = events(delta, stop, `{"choices":${choices},"usage":{"prompt_tokens":9}}`, '[DONE]')
      expect(chat(body), choices).toEqual({ ...chatted, usage: {} })
    }
    expect(chat(events(delta, stop, counts.replace('[]', 'null'), '[DONE]'))).toEqual(chatted)
    expect(chat(events(delta, stop, counts.replace('[]', '[,]'), '[DONE]'))).toEqual({ ...chatted, usage: {} })
    expect(chat(events(delta, stop, counts.replace('[]', '[{},]'), '[DONE]'))).toEqual({ ...chatted, usage: {} })
  })

  it('of responses: the end may come first, a failure is none', () => {
    const end = '{"type":"response.completed","response":{"usage":{"input_tokens":5,"output_tokens":6}}}'
    const piece = '{"type":"response.output_text.delta","delta":"x"}'
    const done = { ...stopped, reason: undefined, verdict: 'success' }
    const read = (...data: string[]) => feedEveryWay(SSE, responsesExtractor, events(...data))
    expect(read(end, piece)).toEqual(done)
    expect(read(piece, end)).toEqual(done)
    expect(read(piece, end, '[DONE]')).toEqual(done)
    expect(read(piece, '[DONE]')).toEqual({ ...NOTHING, hasContent: true, chunks: 1 })
    expect(read(piece, end.replace('completed', 'failed'))).toEqual({ ...NOTHING, hasContent: true, chunks: 2 })
    expect(read(piece, end.replace('completed', 'created'))).toEqual({ ...NOTHING, hasContent: true, chunks: 2 })
  })

  it('of messages: the end may come first, the marker of others is none', () => {
    const end = '{"type":"message_stop"}'
    const truth =
      '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":5,"output_tokens":6}}'
    const piece = '{"type":"content_block_delta","delta":{"text":"x"}}'
    const read = (...data: string[]) => feedEveryWay(SSE, anthropicExtractor, events(...data))
    for (const order of [
      [end, truth, piece],
      [piece, truth, end],
      [truth, piece, end],
      [end, piece, truth],
    ]) {
      expect(read(...order)).toEqual({ ...stopped, chunks: 3 })
    }
    expect(read(piece, truth, end, end)).toEqual({ ...stopped, chunks: 4 })
    expect(read(piece, truth, '[DONE]')).toEqual({ ...stopped, finished: false, verdict: 'truncated truncated' })
    expect(read('[DONE]')).toEqual(NOTHING)
  })
})

describe('a plain answer', () => {
  const plain = APIS.filter(({ head }) => head === PLAIN).map((api) => [api.title, api] as const)

  it.each(plain)('%s: only a whole object says anything', (_title, { extractor, answer }) => {
    const whole = answer()
    const good = feedEveryWay(PLAIN, extractor, whole)
    const bad = ['', ' ', `\ufeff${whole}`, `${whole}x`, whole + whole, `[${whole}]`, 'null', '7', '"x"', '[]']
    for (const body of bad) expect(feedEveryWay(PLAIN, extractor, body), body).toEqual(NOTHING)
    for (const body of [`\r\n ${whole}\n\n`, whole.replaceAll(',', '\r\n,\t')]) {
      expect(feedEveryWay(PLAIN, extractor, body)).toEqual(good)
    }
    for (let length = 0; length < whole.length; length++) {
      expect(feed(PLAIN, extractor, [Buffer.from(whole.slice(0, length))]), whole.slice(0, length)).toEqual(NOTHING)
    }
  })

  it.each(plain)('%s: an empty object is no answer', (_title, { extractor }) => {
    expect(feedEveryWay(PLAIN, extractor, '{}')).toEqual(NOTHING)
  })
})
