import { describe, expect, it } from 'vitest'
import { anthropicExtractor } from '../../../src/ollama/anthropic-usage.ts'
import { extract } from './extract.ts'
import { events, feedEveryWay, PLAIN, SSE } from './feed.ts'

// Recorded: v1-messages-stream, v1-messages-json and err-messages-not-found of 0.33.
const start =
  '{"type":"message_start","message":{"id":"msg_4e8ddba1eee93b32fcaaf394","type":"message","role":"assistant","model":"chat:270m","content":[],"usage":{"input_tokens":6,"output_tokens":0}}}'
const blockStart = '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
const text = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Why"}}'
const blockStop = '{"type":"content_block_stop","index":0}'
const truth =
  '{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"input_tokens":15,"output_tokens":12}}'
const stop = '{"type":"message_stop"}'
const whole = String.raw`{"id":"msg_443d31bd18472b76dbbc6123","type":"message","role":"assistant","model":"chat:270m","content":[{"type":"text","text":"Why is the sky blue? mendatanguser\nWhy is the"}],"stop_reason":"max_tokens","usage":{"input_tokens":15,"output_tokens":12}}`
const missing =
  '{"type":"error","error":{"type":"not_found_error","message":"model \'nope\' not found"},"request_id":"req_0b087559009cd525b97ceb52"}'

const usage = { inputTokens: 15, outputTokens: 12 }
const read = (...data: string[]) => feedEveryWay(SSE, anthropicExtractor, events(...data))
const readPlain = (body: string) => feedEveryWay(PLAIN, anthropicExtractor, body)
const extracted = (...records: object[]) => extract(anthropicExtractor, records)

describe('anthropicExtractor, streaming', () => {
  it('reads a recorded stream', () => {
    const named = (data: string) => `event: ${/"type":"(\w+)"/.exec(data)?.[1] ?? ''}\ndata: ${data}\n\n`
    const body = [start, blockStart, text, text, blockStop, truth, stop].map(named).join('')
    expect(feedEveryWay(SSE, anthropicExtractor, body)).toEqual({
      ...{ reason: 'length', finished: true, errorText: undefined, hasContent: true, chunks: 7 },
      ...{ usage, verdict: 'length' },
    })
  })

  it('takes no estimate for the usage', () => {
    expect(read(start)).toMatchObject({ usage: {}, verdict: 'truncated truncated' })
    expect(read(start, text, stop)).toMatchObject({ usage: {}, reason: undefined, verdict: 'success' })
    expect(Object.keys(read(start, text, stop).usage)).toEqual([])
    expect(read(truth, start, text, stop).usage).toEqual(usage)
  })

  it('counts the last usage where it stands twice', () => {
    const early = truth.replace('15', '1').replace('12', '2')
    expect(read(text, early, truth, stop).usage).toEqual(usage)
    const later = { type: 'message_delta', usage: { output_tokens: 13 } }
    expect(extracted(JSON.parse(truth) as object, later).usage).toEqual({ inputTokens: 15, outputTokens: 13 })
  })

  it('reads cached tokens where they come', () => {
    const cached = { usage: { input_tokens: 5, cache_read_input_tokens: 4, cache_creation_input_tokens: 3 } }
    expect(extracted(cached).usage).toEqual({ inputTokens: 5, cachedInputTokens: 4 })
  })

  it('takes no key for one that it begins with, were it all escapes', () => {
    const name = 'cache_read_input_tokens'
    const escaped = Array.from(name, (unit) => `\\u00${unit.charCodeAt(0).toString(16)}`).join('')
    const event = (key: string) => `{"type":"message_delta","usage":{"${key}":4}}`
    expect(read(text, event(escaped)).usage).toEqual({ cachedInputTokens: 4 })
    for (const cut of [0, 1, 2, 3]) {
      const key = `${escaped.slice(0, escaped.length - 6 * cut)}${name.slice(name.length - cut)}`
      expect(read(text, event(key)).usage, key).toEqual({ cachedInputTokens: 4 })
      expect(read(text, event(`${key}x${'y'.repeat(300)}`)).usage, key).toEqual({})
    }
  })

  it('is finished by message_stop alone', () => {
    expect(read(start, blockStart, text, blockStop, truth)).toMatchObject({ reason: 'length', finished: false, usage })
    for (const type of ['message_delta', 'content_block_stop', 'stop', 'MESSAGE_STOP', '', 7, null, ['message_stop']]) {
      expect(extracted({ type }), JSON.stringify(type)).toMatchObject({ finished: false })
    }
    expect(extracted({ type: 'message_stop' }, { type: 'ping' })).toMatchObject({ finished: true })
    expect(anthropicExtractor).toMatchObject({ saysFinished: true, doneMarker: false })
  })

  it.each([
    ['text', { delta: { type: 'text_delta', text: 'x' } }],
    ['thinking', { delta: { type: 'thinking_delta', thinking: 'x' } }],
    ['the arguments of a tool call', { delta: { type: 'input_json_delta', partial_json: '{"city"' } }],
    ['a tool call', { content_block: { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: {} } }],
  ])('has content: %s', (_what, record) => expect(extracted(record).hasContent).toBe(true))

  it.each([
    { delta: { text: '' } },
    { delta: { partial_json: '' } },
    { delta: { thinking: null, text: 7 } },
    { delta: { signature: 'x' } },
    { content_block: { type: 'text', text: '' } },
    { content_block: { type: 'thinking', thinking: '' } },
    { content_block: 'tool_use' },
    { delta: 'x' },
    { text: 'x' },
  ])('has no content: %j', (record) => expect(extracted(record).hasContent).toBe(false))
})

describe('anthropicExtractor, a whole answer', () => {
  it('reads a recorded one', () => {
    expect(readPlain(whole)).toMatchObject({ reason: 'length', finished: true, usage, verdict: 'length', chunks: 0 })
  })

  it('is finished only where it gives a reason', () => {
    for (const reason of ['null', '""', '7', '["end_turn"]', '{}']) {
      const said = readPlain(whole.replace('"max_tokens"', reason))
      expect(said, reason).toMatchObject({ reason: undefined, finished: false, verdict: 'truncated truncated', usage })
    }
  })
})

describe('the reason', () => {
  it.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['tool_use', 'tool_calls'],
    ['refusal', 'refusal'],
    ['constructor', 'constructor'],
    ['__proto__', '__proto__'],
  ])('%s is %s', (word, reason) => {
    expect(extract(anthropicExtractor, [{ stop_reason: word }], false)).toMatchObject({ reason, finished: true })
    expect(extracted({ delta: { stop_reason: word } })).toMatchObject({ reason, finished: false })
  })

  it('is kept when a later event has none', () => {
    const records = [{ delta: { stop_reason: 'end_turn' } }, { delta: { stop_reason: '' } }, { delta: {} }]
    expect(extracted(...records).reason).toBe('stop')
  })
})

describe('errors', () => {
  it('are recorded in this shape', () => {
    const said = feedEveryWay({ ...PLAIN, status: 404 }, anthropicExtractor, missing)
    expect(said).toMatchObject({ errorText: "model 'nope' not found", verdict: 'caller_error model_not_found' })
  })

  it.each([
    ['{"type":"error","error":{"type":"api_error","message":"boom"}}', 'boom'],
    ['{"type":"error","error":{"message":"boom","type":"api_error"}}', 'boom'],
    ['{"error":"boom"}', 'boom'],
    [String.raw`{"error":"{\"error\":{\"message\":\"boom\"}}"}`, '{"error":{"message":"boom"}}'],
    ['{"type":"error","error":{"type":"overloaded_error"}}', ''],
    ['{"type":"error","error":[]}', ''],
  ])('in a stream: %s', (event, errorText) => {
    const expected = { errorText, finished: false, hasContent: true, verdict: 'error stream_error' }
    expect(read(start, text, event)).toMatchObject(expected)
    expect(read(text, event, truth, stop)).toMatchObject({ ...expected, finished: true })
  })
})
