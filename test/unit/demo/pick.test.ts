import { describe, expect, it } from 'vitest'

import { createPicker, recordingHeader, type PickOptions } from '../../../src/demo/pick.ts'
import { loadRecordings, requestBytes, type Recording } from '../../../src/demo/recordings.ts'
import { answerBytes, headerOf, readHead } from '../../../src/demo/wire.ts'

const recordings = loadRecordings()

function ask(method: string, target: string, body: object | string = '', headers: Record<string, string> = {}) {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const rawHeaders = Object.entries({ Host: '127.0.0.1:40000', ...headers }).flat()
  return { method, target, rawHeaders, body: bytes, bodyBytes: bytes.length }
}

function askAgain({ request }: Recording) {
  const bytes = request.body === undefined ? undefined : Buffer.from(request.body)
  const rawHeaders = Object.entries(request.headers).flat()
  return { method: request.method, target: request.path, rawHeaders, body: bytes ?? Buffer.alloc(0) }
}

function picked(request: ReturnType<typeof ask>, options: Partial<PickOptions> = {}): string {
  return createPicker({ recordings, ...options }).pick(request).name
}

function text(recording: Recording): string {
  return answerBytes(recording).toString()
}

const hello = [{ role: 'user', content: 'hello' }]
const tool = { type: 'function', function: { name: 'f', parameters: {} } }

describe.each(['ollama-0.33', 'ollama'] as const)('an equal request to %s', (version) => {
  const own = recordings.filter((recording) => recording.version === version)
  const picker = createPicker({ recordings, version })
  const keyOf = ({ request }: Recording) =>
    JSON.stringify([request.method, request.path, request.body, request.headers])
  const groups = [...Map.groupBy(own, keyOf).values()]

  it.each(groups.filter((group) => group.length === 1).flat())('picks $name', (recording) => {
    const chosen = picker.pick({ ...askAgain(recording), bodyBytes: requestBytes(recording) })
    expect(`${chosen.version}/${chosen.name}`).toBe(`${version}/${recording.name}`)
  })

  it('picks the everyday one where the same request was recorded in several states', () => {
    const choices = groups
      .filter((group) => group.length > 1)
      .map(([first]) => first && picker.pick({ ...askAgain(first), bodyBytes: requestBytes(first) }).name)
    const everyday = ['blob-upload', 'client-abort-during-load', 'delete', 'generate-stream-warm', 'generate-unload']
    const killed = version === 'ollama' ? ['pull-progress', 'runner-killed-generate'] : ['runner-killed-generate']
    expect(choices.sort()).toEqual([...everyday, ...killed, 'ps-two-models', 'tags'].sort())
  })

  it.each(own)('finds $name by its name', (recording) => {
    const header = { [recordingHeader]: `${version}/${recording.name}` }
    expect(picker.pick(ask('GET', '/', '', header))).toBe(recording)
    expect(picker.pick(ask('GET', '/', '', { 'x-demo-recording': recording.name }))).toBe(recording)
  })
})

describe('a similar request', () => {
  const chat = { model: 'chat:270m', messages: hello }
  const v1 = '/v1/chat/completions'

  it.each([
    ['streams a chat by default', 'POST', '/api/chat', chat, 'chat-stream'],
    ['does not stream it where it says so', 'POST', '/api/chat', { ...chat, stream: false }, 'chat-json'],
    ['loads the model without messages', 'POST', '/api/chat', { model: 'chat:270m' }, 'chat-preload'],
    ['loads the model with none', 'POST', '/api/chat', { ...chat, messages: [] }, 'chat-preload'],
    ['thinks', 'POST', '/api/chat', { ...chat, model: 'think:270m', think: true }, 'chat-thinking-stream'],
    ['calls tools', 'POST', '/api/chat', { ...chat, model: 'tools:270m', tools: [tool] }, 'chat-tools-stream'],
    ['keeps to a format', 'POST', '/api/chat', { ...chat, format: 'json' }, 'chat-format-stream'],
    [
      'takes the size into account',
      'POST',
      '/api/chat',
      { ...chat, options: { num_predict: 2 } },
      'chat-num-predict-1',
    ],
    ['generates', 'POST', '/api/generate', { model: 'gemma3:270m', prompt: 'x' }, 'generate-stream-warm'],
    [
      'generates for another model',
      'POST',
      '/api/generate',
      { model: 'chat:270m', prompt: 'x' },
      'generate-stream-warm',
    ],
    [
      'generates much',
      'POST',
      '/api/generate',
      { model: 'gemma3:270m', prompt: 'x', options: { num_predict: 500 } },
      'slot-busy',
    ],
    ['loads a model', 'POST', '/api/generate', { model: 'think:270m' }, 'generate-preload'],
    ['unloads a model', 'POST', '/api/generate', { model: 'think:270m', keep_alive: '0s' }, 'generate-unload'],
    ['embeds', 'POST', '/api/embed', { model: 'all-minilm:l6', input: 'good' }, 'embed'],
    ['embeds several', 'POST', '/api/embed', { model: 'all-minilm:l6', input: ['x', 'y'] }, 'embed-batch'],
    ['does not stream /v1 by default', 'POST', v1, chat, 'v1-chat-json'],
    ['streams it where it says so', 'POST', v1, { ...chat, stream: true }, 'v1-chat-stream'],
    [
      'counts usage',
      'POST',
      v1,
      { ...chat, stream: true, stream_options: { include_usage: true } },
      'v1-chat-stream-usage',
    ],
    [
      'reasons',
      'POST',
      v1,
      { ...chat, model: 'think:270m', stream: true, reasoning_effort: 'high' },
      'v1-chat-thinking-stream',
    ],
    ['answers the Anthropic way', 'POST', '/v1/messages', { ...chat, stream: true }, 'v1-messages-stream'],
    ['pulls what only the older one could', 'POST', '/api/pull', { model: 'llama3' }, 'pull-progress'],
    ['lists under another query', 'GET', '/api/tags?x=1', '', 'tags'],
    ['takes the absolute form of any port', 'GET', 'http://127.0.0.1:1/api/version', '', 'version'],
    ['lists running models', 'GET', '/api/ps', '', 'ps-two-models'],
    ['knows a listed model that was never asked', 'POST', '/api/show', { model: 'made:270m' }, 'show'],
    ['knows a model of /v1', 'GET', '/v1/models/think:270m', '', 'v1-model'],
    ['answers a HEAD', 'HEAD', '/api/version', '', 'version'],
  ])('%s', (_what, method, target, body, expected) => {
    expect(picked(ask(method, target, body))).toBe(expected)
  })

  it.each([
    ['an Origin', { Origin: 'http://localhost:3000' }, 'origin-allowed'],
    ['an Origin that is refused', { Origin: 'http://evil.example' }, 'origin-refused'],
    ['a foreign Host', { Host: 'evil.example' }, 'host-refused'],
    ['a local Host on another port', { Host: 'ollama.internal:99' }, 'host-local'],
    ['an Upgrade', { Upgrade: 'h2c', 'HTTP2-Settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA' }, 'upgrade-h2c'],
    ['any other Origin', { Origin: 'http://else.example' }, 'version'],
  ])('goes by %s', (_what, headers, expected) => {
    expect(picked(ask('GET', '/api/version', '', headers))).toBe(expected)
  })

  it('never meets a failure scene', () => {
    const scenes = /killed|oom|queue|abort|guard|stopped|waited|not-found|error/
    const paths = [
      '/api/chat',
      '/api/generate',
      '/v1/chat/completions',
      '/v1/responses',
      '/v1/messages',
      '/v1/completions',
    ]
    const models = ['chat:270m', 'gemma3:270m', 'think:270m', 'tools:270m', 'all-minilm:l6']
    const sizes = [undefined, 1, 20, 60, 200, 800]
    for (const version of ['ollama', 'ollama-0.33'] as const) {
      const picker = createPicker({ recordings, version })
      for (const target of paths) {
        for (const model of models) {
          for (const size of sizes) {
            for (const stream of [true, false]) {
              const options = { num_predict: size, temperature: 0 }
              const body = { model, prompt: 'x', input: 'x', messages: hello, stream, options, max_tokens: size }
              expect(picker.pick(ask('POST', target, body)).name).not.toMatch(scenes)
            }
          }
        }
      }
    }
  })

  it('takes what the caller prefers where several fit', () => {
    expect(picked(ask('GET', '/api/ps'), { prefer: ['ps-empty'] })).toBe('ps-empty')
    expect(picked(ask('GET', '/api/tags'), { prefer: ['tags-empty'] })).toBe('tags-empty')
  })

  it('reads the model and the mode of a body that was not kept whole', () => {
    const body = Buffer.from(
      '{"model":"think:270m","stream":false,"think":true,"messages":[{"role":"user","content":"xxx',
    )
    expect(picked({ ...ask('POST', '/api/chat'), body, bodyBytes: 9_000_000 })).toBe('chat-thinking-json')
  })

  it('plays made recordings alone', () => {
    const chunks = [{ atMs: 0, bytes: Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') }]
    const request = { method: 'POST', path: '/api/chat', headers: {}, body: '{"model":"m"}' }
    const response = { end: 'fin', durationMs: 0, chunks }
    const made: Recording = { name: 'made', note: '', ollama: '', version: 'ollama', request, response }
    const picker = createPicker({ recordings: [made] })
    expect(picker.pick(ask('POST', '/api/chat', '{"model":"m"}')).name).toBe('made')
    expect(picker.pick(ask('GET', '/other')).name).toBe('stand-in-404')
  })
})

describe('a mistake', () => {
  const picker = createPicker({ recordings })

  it.each([
    ['/api/chat', { model: 'who"<é', messages: hello }, `{"error":"model 'who\\"<é' not found"}`],
    ['/api/generate', { model: 'llama3:8b', prompt: 'x' }, `{"error":"model 'llama3:8b' not found"}`],
    ['/api/embed', { model: '$&', input: 'x' }, `{"error":"model '$&' not found"}`],
    ['/api/show', { model: 'llama3' }, `{"error":"model 'llama3:latest' not found"}`],
    ['/api/show', { model: 'llama3:8b' }, `{"error":"model 'llama3:8b' not found"}`],
    [
      '/v1/chat/completions',
      { model: 'gpt-4', messages: hello },
      `{"error":{"message":"model 'gpt-4' not found","type":"not_found_error","param":null,"code":null}}\n`,
    ],
    [
      '/v1/messages',
      { model: 'claude', messages: hello },
      `{"type":"error","error":{"type":"not_found_error","message":"model 'claude' not found"},"request_id":"req_0b087559009cd525b97ceb52"}\n`,
    ],
  ])('names the unknown model on %s as %j', (target, body, expected) => {
    const bytes = answerBytes(picker.pick(ask('POST', target, body)))
    const head = readHead(bytes)
    expect(head?.status).toBe(404)
    expect(bytes.toString('utf8', head?.length)).toBe(expected)
    expect(head && headerOf(head, 'content-length')).toBe(String(Buffer.byteLength(expected)))
  })

  it('is an unknown model also where a body names none, and of /v1/models', () => {
    expect(text(picker.pick(ask('POST', '/api/chat', { messages: hello })))).toContain("model '' not found")
    expect(text(picker.pick(ask('GET', '/v1/models/gpt-4')))).toContain("model 'gpt-4' not found")
  })

  it.each([
    ['GET', '/api/generate', 'Allow: POST\r\n'],
    ['DELETE', '/v1/messages', 'Allow: POST\r\n'],
    ['POST', '/api/ps', 'Allow: GET\r\n'],
    ['POST', '/api/version', 'Allow: GET, HEAD\r\n'],
  ])('is a wrong method: %s %s', (method, target, allow) => {
    const answer = text(picker.pick(ask(method, target)))
    expect(answer).toMatch(/^HTTP\/1\.1 405 /)
    expect(answer).toContain(allow)
  })

  it.each([
    ['an unknown path', 'GET', '/api/nothing', '', 'err-unknown-path'],
    ['an unknown path to post to', 'POST', '/v2/chat', '{}', 'err-unknown-path'],
    ['a preflight', 'OPTIONS', '/v1/messages', '', 'options-cors'],
    ['a broken body', 'POST', '/api/generate', '{"model', 'err-bad-json'],
    ['an array', 'POST', '/api/generate', '[]', 'err-bad-json'],
    ['no body', 'POST', '/api/generate', '', 'err-no-body'],
    ['a broken body of /v1', 'POST', '/v1/completions', '{', 'err-v1-bad-json'],
    [
      'thinking that the model lacks',
      'POST',
      '/api/chat',
      { model: 'chat:270m', messages: hello, think: true },
      'err-thinking-unsupported',
    ],
    [
      'tools that the model lacks',
      'POST',
      '/api/chat',
      { model: 'chat:270m', messages: hello, tools: [tool] },
      'err-tools-unsupported',
    ],
    [
      'an option of the wrong type',
      'POST',
      '/api/chat',
      { model: 'chat:270m', options: { num_ctx: '1' } },
      'err-bad-option',
    ],
    [
      'an unknown format',
      'POST',
      '/api/generate',
      { model: 'chat:270m', prompt: 'x', format: 'xml' },
      'err-bad-format',
    ],
    ['a model that cannot embed', 'POST', '/api/embed', { model: 'chat:270m', input: 'x' }, 'embed-unsupported'],
    ['a blob that is not there', 'HEAD', `/api/blobs/sha256:${'f'.repeat(64)}`, '', 'blob-head-missing'],
    ['a digest that is none', 'HEAD', '/api/blobs/sha1:0', '', 'blob-head-bad'],
  ])('is %s', (_what, method, target, body, expected) => {
    const origin: Record<string, string> = method === 'OPTIONS' ? { Origin: 'http://localhost' } : {}
    expect(picker.pick(ask(method, target, body, origin)).name).toBe(expected)
  })

  it('is the name of a recording that there is not', () => {
    const answer = text(picker.pick(ask('GET', '/', '', { [recordingHeader]: 'ollama/nope' })))
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*no recording is named ollama\/nope$/)
  })
})
