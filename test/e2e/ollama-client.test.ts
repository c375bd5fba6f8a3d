import { Ollama, type ChatRequest, type Message, type Tool } from 'ollama'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startApp, type LogLine, type RunningApp } from '../helpers/app.ts'
import { collect, failureOf } from '../helpers/collect.ts'
import { createGate, serveStandIn, startStandIn, type RunningStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

const options = { num_predict: 24, seed: 7, temperature: 0 }
const messages: Message[] = [{ role: 'user', content: 'Why is the sky blue?' }]
const chat = { model: 'chat:270m', messages, options }
const generate = { model: 'gemma3:270m', prompt: 'The sky is blue because', options }
const weather: Tool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}
const tools: ChatRequest = { model: 'tools:270m', messages, tools: [weather], options }

interface Told {
  readonly endpoint: string
  readonly model?: string
  readonly stream?: boolean
  readonly outcome: string
  readonly input_tokens?: number
  readonly output_tokens?: number
}

/** What the client does, and what the receipt tells of it. */
const calls: readonly (readonly [name: string, call: (client: Ollama) => Promise<unknown>, Told, shows?: string])[] = [
  [
    'chat, streaming',
    async (client) => collect(await client.chat({ ...chat, stream: true })),
    { endpoint: '/api/chat', model: 'chat:270m', stream: true, outcome: 'length', input_tokens: 15, output_tokens: 24 },
  ],
  [
    'chat',
    (client) => client.chat({ ...chat, stream: false }),
    {
      endpoint: '/api/chat',
      model: 'chat:270m',
      stream: false,
      outcome: 'length',
      input_tokens: 15,
      output_tokens: 24,
    },
  ],
  [
    'generate, streaming',
    async (client) => collect(await client.generate({ ...generate, stream: true })),
    {
      endpoint: '/api/generate',
      model: 'gemma3:270m',
      stream: true,
      outcome: 'length',
      input_tokens: 6,
      output_tokens: 24,
    },
  ],
  [
    'generate',
    (client) => client.generate({ ...generate, stream: false }),
    {
      endpoint: '/api/generate',
      model: 'gemma3:270m',
      stream: false,
      outcome: 'length',
      input_tokens: 6,
      output_tokens: 24,
    },
  ],
  [
    'a tool call',
    async (client) => collect(await client.chat({ ...tools, stream: true })),
    { endpoint: '/api/chat', model: 'tools:270m', stream: true, outcome: 'stop' },
    '"tool_calls":[{"id":"call_',
  ],
  [
    'thinking',
    async (client) => collect(await client.chat({ ...chat, model: 'think:270m', think: true, stream: true })),
    { endpoint: '/api/chat', model: 'think:270m', stream: true, outcome: 'length', output_tokens: 24 },
    '"thinking":',
  ],
  [
    'embeddings',
    (client) => client.embed({ model: 'all-minilm:l6', input: ['hello', 'world wide web'] }),
    { endpoint: '/api/embed', model: 'all-minilm:l6', stream: false, outcome: 'success' },
  ],
  [
    'an embedding, as it used to be asked for',
    (client) => client.embeddings({ model: 'all-minilm:l6', prompt: 'hello' }),
    { endpoint: '/api/embeddings', model: 'all-minilm:l6', stream: false, outcome: 'success' },
  ],
  ['list', (client) => client.list(), { endpoint: '/api/tags', stream: false, outcome: 'success' }],
  ['ps', (client) => client.ps(), { endpoint: '/api/ps', stream: false, outcome: 'success' }],
  ['version', (client) => client.version(), { endpoint: '/api/version', stream: false, outcome: 'success' }],
  [
    'show',
    (client) => client.show({ model: 'chat:270m' }),
    { endpoint: '/api/show', model: 'chat:270m', stream: false, outcome: 'success' },
  ],
  [
    'the progress of a pull',
    async (client) => collect(await client.pull({ model: 'all-minilm:l6', stream: true })),
    { endpoint: '/api/pull', model: 'all-minilm:l6', stream: true, outcome: 'success' },
  ],
]
const cases = calls.map(([name, call, told, shows = '']) => ({ name, call, told, shows }))

describe('the client of npm package "ollama" behind the proxy', () => {
  let standIn: RunningStandIn
  let app: RunningApp

  beforeAll(async () => {
    standIn = await serveStandIn()
    app = await startApp(standIn.port)
    await waitFor('the list of models', async () => (await fetch(`${app.adminUrl}/readyz`)).ok)
  })
  afterAll(async () => {
    await app.close()
    await standIn.close()
  })

  test.each(cases)('gets what it gets without one: $name', async ({ call, told, shows }) => {
    const before = app.log.filter(isReceipt).length
    const samplesBefore = await app.samples()

    const direct = await call(new Ollama({ host: standIn.url }))
    const proxied = await call(new Ollama({ host: app.proxyUrl }))

    expect(proxied).toEqual(direct)
    expect(JSON.stringify(proxied)).toContain(shows)
    const receipt = (await app.receipts(before + 1)).at(-1)
    expect(receipt).toMatchObject({ ...told, status: 200 })
    expect(receipt).not.toHaveProperty('error_type')
    const samples = await app.samples()
    const grown = (name: string, labels: Record<string, string>) =>
      samples.sum(name, labels) - samplesBefore.sum(name, labels)
    const { endpoint, model = '' } = told
    expect(grown('ollama_requests_total', { endpoint, status: '200' })).toBe(1)
    expect(grown('ollama_requests_total', {})).toBe(1)
    expect(grown('ollama_errors_total', {})).toBe(0)
    const inference = /generate|chat|embed/.test(endpoint) ? 1 : 0
    expect(grown('ollama_inference_requests_total', { endpoint, model, outcome: told.outcome })).toBe(inference)
    expect(grown('ollama_tokens_total', { endpoint, model, type: 'input' })).toBe(receipt?.input_tokens ?? 0)
    expect(grown('ollama_tokens_total', { endpoint, model, type: 'output' })).toBe(receipt?.output_tokens ?? 0)
  })

  test('a missing model is the error that the client makes of it without the proxy', async () => {
    const before = app.log.filter(isReceipt).length
    const ask = (host: string) => failureOf(new Ollama({ host }).chat({ ...chat, model: 'nope' }))

    const direct = await ask(standIn.url)
    const proxied = await ask(app.proxyUrl)

    expect(proxied).toEqual(direct)
    expect(proxied).toMatchObject({ name: 'ResponseError', status_code: 404, error: "model 'nope' not found" })
    expect((await app.receipts(before + 1)).at(-1)).toMatchObject({
      status: 404,
      outcome: 'caller_error',
      error_type: 'model_not_found',
      model: 'nope',
    })
    const samples = await app.samples()
    expect(samples.value('ollama_errors_total', { error_type: 'model_not_found' })).toBe(1)
    // A name that Ollama does not have gets no series of its own.
    expect(samples.sum('ollama_inference_requests_total', { model: 'nope:latest' })).toBe(0)
    expect(samples.sum('ollama_inference_requests_total', { model: 'other', outcome: 'caller_error' })).toBe(1)
  })
})

test('abort() in the middle of a stream reaches the upstream', async () => {
  const { gate, open } = createGate(5)
  const standIn = await startStandIn({ speed: 0, gate })
  const app = await startApp(standIn.port)
  onTestFinished(app.close)
  onTestFinished(open)
  const client = new Ollama({ host: app.proxyUrl })
  const stream = await client.chat({ ...chat, stream: true })
  const got: string[] = []

  const failure = await failureOf(
    (async () => {
      for await (const { message } of stream) {
        got.push(message.content)
        client.abort()
      }
    })(),
  )

  expect(failure).toMatchObject({ name: 'AbortError' })
  expect(got.length).toBeGreaterThan(0)
  await waitFor('the stand-in to see the client leave', () => standIn.left.length === 1)
  expect(standIn.left[0]?.request.target).toBe('/api/chat')
  const [receipt] = await app.receipts(1)
  expect(receipt).toMatchObject({ outcome: 'client_abort', error_type: 'client_abort', status: 200, stream: true })
  // No numbers came, and none are made up.
  expect(receipt).not.toHaveProperty('output_tokens')
  const samples = await app.samples()
  expect(samples.value('ollama_errors_total', { error_type: 'client_abort' })).toBe(1)
  expect(samples.sum('ollama_inference_requests_total', { outcome: 'client_abort' })).toBe(1)
  expect(samples.value('ollama_active_requests')).toBe(0)
})

function isReceipt({ msg }: LogLine): boolean {
  return msg === 'request'
}
