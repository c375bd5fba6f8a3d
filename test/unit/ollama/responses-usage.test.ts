import { describe, expect, it } from 'vitest'
import { responsesExtractor } from '../../../src/ollama/responses-usage.ts'
import { extract } from './extract.ts'
import { events, feedEveryWay, PLAIN, SSE } from './feed.ts'

// Recorded: v1-responses-stream and v1-responses-json of the older Ollama, err-responses-not-found of 0.33.
const usageText =
  '{"input_tokens":15,"input_tokens_details":{"cached_tokens":0},"output_tokens":12,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":27}'
const responseText = (status: string, output: string, usage: string) =>
  `{"background":false,"completed_at":null,"created_at":1795247795,"error":null,"frequency_penalty":0,"id":"resp_909419","incomplete_details":null,"instructions":null,"max_output_tokens":12,"max_tool_calls":null,"metadata":{},"model":"chat:270m","object":"response","output":${output},"parallel_tool_calls":true,"presence_penalty":0,"previous_response_id":null,"prompt_cache_key":null,"reasoning":null,"safety_identifier":null,"service_tier":"default","status":"${status}","store":false,"temperature":0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1,"truncation":"disabled","usage":${usage}}`
const output = String.raw`[{"content":[{"annotations":[],"logprobs":[],"text":"Why is the sky blue? mendatanguser\nWhy is the","type":"output_text"}],"id":"msg_377026","role":"assistant","status":"completed","type":"message"}]`
const created = `{"response":${responseText('in_progress', '[]', 'null')},"sequence_number":0,"type":"response.created"}`
const added =
  '{"item":{"content":[],"id":"msg_348634","role":"assistant","status":"in_progress","type":"message"},"output_index":0,"sequence_number":2,"type":"response.output_item.added"}'
const delta = String.raw`{"content_index":0,"delta":"\u003c","item_id":"msg_189471","logprobs":[],"output_index":0,"sequence_number":19,"type":"response.output_text.delta"}`
const partDone =
  '{"content_index":0,"item_id":"msg_377026","output_index":0,"part":{"annotations":[],"logprobs":[],"text":"Why","type":"output_text"},"sequence_number":17,"type":"response.content_part.done"}'
const itemDone =
  '{"item":{"content":[],"id":"msg_377026","role":"assistant","status":"completed","type":"message"},"output_index":0,"sequence_number":18,"type":"response.output_item.done"}'
const completed = `{"response":${responseText('completed', output, usageText)},"sequence_number":19,"type":"response.completed"}`
const missing = '{"error":{"message":"model \'nope\' not found","type":"not_found_error","param":null,"code":null}}'

const usage = { inputTokens: 15, cachedInputTokens: 0, outputTokens: 12 }
const read = (...data: string[]) => feedEveryWay(SSE, responsesExtractor, events(...data))
const readPlain = (body: string) => feedEveryWay(PLAIN, responsesExtractor, body)
const extracted = (...records: object[]) => extract(responsesExtractor, records)

describe('responsesExtractor, streaming', () => {
  it('reads a recorded stream', () => {
    expect(read(created, added, delta, delta, partDone, itemDone, completed)).toEqual({
      ...{ reason: undefined, finished: true, errorText: undefined, hasContent: true, chunks: 7 },
      ...{ usage, verdict: 'success' },
    })
  })

  it('is finished by its last event alone', () => {
    const cut = read(created, added, delta, partDone, itemDone)
    expect(cut).toMatchObject({ finished: false, hasContent: true, usage: {}, verdict: 'truncated truncated' })
    for (const type of ['response.failed', 'response.created', 'completed', 'response.completed ', 7, null, {}]) {
      const said = extracted({ type, response: { status: 'completed', usage: { input_tokens: 5 } } })
      expect(said, JSON.stringify(type)).toMatchObject({ finished: false, usage: {} })
    }
    expect(responsesExtractor).toMatchObject({ saysFinished: true, doneMarker: false })
  })

  it('reads usage of the end alone, wherever its keys stand', () => {
    const early = created.replace('"usage":null', `"usage":${usageText}`)
    expect(read(early, delta).usage).toEqual({})
    const end = { type: 'response.completed', response: { usage: { output_tokens: 2, input_tokens: 1 } } }
    expect(extracted(end).usage).toEqual({ inputTokens: 1, outputTokens: 2 })
    expect(extracted({ ...end, response: { usage: null } }).usage).toEqual({})
  })

  it('counts the last end where there are two', () => {
    const end = (tokens: number) => ({ type: 'response.completed', response: { usage: { output_tokens: tokens } } })
    expect(extracted(end(3), end(4)).usage).toEqual({ outputTokens: 4 })
  })

  it('has a reason only where it says incomplete', () => {
    const end = (reason: unknown) => ({ type: 'response.incomplete', response: { incomplete_details: { reason } } })
    expect(extracted(end('max_output_tokens'))).toMatchObject({ finished: true, reason: 'length' })
    for (const reason of ['content_filter', '', 7, null, ['max_output_tokens'], {}]) {
      expect(extracted(end(reason)), JSON.stringify(reason)).toMatchObject({ finished: true, reason: undefined })
    }
  })

  it.each([
    ['text', { type: 'response.output_text.delta', delta: 'x' }],
    ['thinking', { type: 'response.reasoning_summary_text.delta', delta: 'x' }],
    ['the arguments of a tool call', { type: 'response.function_call_arguments.delta', delta: '{"city"' }],
    ['a tool call', { type: 'response.output_item.added', item: { type: 'function_call', name: 'get_weather' } }],
  ])('has content: %s', (_what, record) => expect(extracted(record).hasContent).toBe(true))

  it.each([
    { delta: '' },
    { delta: null },
    { delta: 7 },
    { item: { type: 'message' } },
    { item: { type: 'reasoning' } },
    { item: 'function_call' },
    { text: 'x' },
    JSON.parse(created) as object,
    JSON.parse(added) as object,
  ])('has no content: %j', (record) => expect(extracted(record).hasContent).toBe(false))
})

describe('responsesExtractor, a whole answer', () => {
  const whole = responseText('completed', output, usageText)

  it('reads a recorded one', () => {
    const expected = { reason: undefined, finished: true, errorText: undefined, usage, verdict: 'success', chunks: 0 }
    expect(readPlain(whole)).toMatchObject(expected)
  })

  it.each(['failed', 'in_progress', 'queued', 'cancelled', ''])('with the status %j is no answer', (status) => {
    const said = readPlain(responseText(status, output, usageText))
    expect(said).toMatchObject({ finished: false, usage: {}, verdict: 'truncated truncated' })
  })

  it('that is incomplete met the limit', () => {
    const incomplete = responseText('incomplete', output, usageText)
    const said = readPlain(
      incomplete.replace('"incomplete_details":null', '"incomplete_details":{"reason":"max_output_tokens"}'),
    )
    expect(said).toMatchObject({ finished: true, reason: 'length', usage, verdict: 'length' })
  })

  it.each([-1, 1.5, '7', null, true, {}, [7], 2 ** 53])('takes %j for no count', (value) => {
    const counts = { input_tokens: value, output_tokens: value, input_tokens_details: { cached_tokens: value } }
    const said = extract(responsesExtractor, [{ status: 'completed', usage: counts }], false)
    expect(said).toMatchObject({ finished: true })
    expect(said.usage).toEqual({})
  })
})

describe('errors', () => {
  it('are recorded in this shape', () => {
    const said = feedEveryWay({ ...PLAIN, status: 404 }, responsesExtractor, missing)
    expect(said).toMatchObject({ errorText: "model 'nope' not found", verdict: 'caller_error model_not_found' })
  })

  it.each([
    ['{"type":"error","code":"server_error","message":"boom","param":null}', 'boom'],
    ['{"type":"response.failed","response":{"status":"failed","error":{"code":"x","message":"boom"}}}', 'boom'],
    ['{"type":"error","error":{"message":"boom"}}', 'boom'],
    ['{"error":"boom"}', 'boom'],
    [String.raw`{"error":"{\"error\":{\"message\":\"boom\"}}"}`, '{"error":{"message":"boom"}}'],
    ['{"type":"response.failed","response":{"status":"failed","error":{"code":"x"}}}', ''],
    ['{"error":{}}', ''],
  ])('in a stream: %s', (event, errorText) => {
    const expected = { errorText, finished: false, hasContent: true, usage: {}, verdict: 'error stream_error' }
    expect(read(created, delta, event)).toMatchObject(expected)
    expect(read(delta, event, completed)).toMatchObject({ ...expected, finished: true, usage })
  })

  it('that say nothing at all are an answer that was cut off', () => {
    const failed = '{"type":"response.failed","response":{"status":"failed","error":null}}'
    expect(read(created, delta, failed)).toMatchObject({ errorText: undefined, verdict: 'truncated truncated' })
  })
})
