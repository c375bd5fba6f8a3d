import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { collect, failureOf } from '../helpers/collect.ts'
import { createGate, serveStandIn, startStandIn, type RunningStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

const limits = { max_tokens: 12, seed: 7, temperature: 0 }
const toolLimits = { max_tokens: 60 }
const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Why is the sky blue?' }]
const chat = { model: 'chat:270m', messages, ...limits }
const weather: OpenAI.ChatCompletionFunctionTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}
const withUsage = { stream: true, stream_options: { include_usage: true } } as const

/** The receipt of a chat; `undefined` where a field must not be there. */
function chatReceipt(model: string, stream: boolean, outcome: string, tokens?: readonly [input: number, out: number]) {
  const [input_tokens, output_tokens] = tokens ?? []
  return { endpoint: '/v1/chat/completions', model, stream, outcome, input_tokens, output_tokens }
}

/** What the client does, what the receipt tells of it, and what the client must have got at least. */
const calls: readonly (readonly [
  name: string,
  call: (client: OpenAI) => Promise<unknown>,
  told: Readonly<Record<string, unknown>>,
  shows?: string,
])[] = [
  [
    'chat',
    (client) => client.chat.completions.create(chat),
    chatReceipt('chat:270m', false, 'length', [15, 12]),
    '"prompt_tokens":15,"completion_tokens":12',
  ],
  [
    'chat, streaming, with usage',
    async (client) => collect(await client.chat.completions.create({ ...chat, ...withUsage })),
    chatReceipt('chat:270m', true, 'length', [15, 12]),
    '"usage":{"prompt_tokens":15,"completion_tokens":12',
  ],
  [
    'chat, streaming, without usage',
    async (client) => collect(await client.chat.completions.create({ ...chat, stream: true })),
    chatReceipt('chat:270m', true, 'length'),
  ],
  [
    'a tool call, streaming',
    async (client) =>
      collect(
        await client.chat.completions.create({
          ...chat,
          ...withUsage,
          model: 'tools:270m',
          tools: [weather],
          ...toolLimits,
        }),
      ),
    chatReceipt('tools:270m', true, 'tool_calls', [63, 31]),
    '"name":"get_weather"',
  ],
  [
    'reasoning, streaming',
    async (client) =>
      collect(
        await client.chat.completions.create({
          ...chat,
          ...withUsage,
          model: 'think:270m',
          reasoning_effort: 'low',
        }),
      ),
    chatReceipt('think:270m', true, 'length', [19, 12]),
    '"reasoning":"',
  ],
  [
    'embeddings, base64 as the client asks for them',
    (client) => client.embeddings.create({ model: 'all-minilm:l6', input: ['hello', 'world'] }),
    { endpoint: '/v1/embeddings', model: 'all-minilm:l6', stream: false, outcome: 'success' },
  ],
  [
    'the list of models',
    async (client) => collect(await client.models.list()),
    { endpoint: '/v1/models', model: 'none', stream: false, outcome: 'success' },
    '"id":"chat:270m"',
  ],
  [
    'one model',
    (client) => client.models.retrieve('chat:270m'),
    { endpoint: '/v1/models/:model', stream: false, outcome: 'success' },
    '"id":"chat:270m"',
  ],
]
const cases = calls.map(([name, call, told, shows = '']) => ({ name, call, told, shows }))

describe('the client of npm package "openai" behind the proxy', () => {
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
    const before = app.log.filter(({ msg }) => msg === 'request').length
    const samplesBefore = await app.samples()

    const direct = await call(clientOf(standIn.url))
    const proxied = await call(clientOf(app.proxyUrl))

    expect(proxied).toEqual(direct)
    expect(JSON.stringify(proxied)).toContain(shows)
    const receipt = (await app.receipts(before + 1)).at(-1) ?? {}
    const names = Object.keys(told)
    expect(Object.fromEntries(names.map((name) => [name, receipt[name]]))).toEqual(told)
    expect(receipt).not.toHaveProperty('error_type')
    const samples = await app.samples()
    const grown = (name: string, labels: Record<string, string>) =>
      samples.sum(name, labels) - samplesBefore.sum(name, labels)
    const endpoint = String(told.endpoint)
    expect(grown('ollama_requests_total', { endpoint, status: '200' })).toBe(1)
    expect(grown('ollama_requests_total', {})).toBe(1)
    expect(grown('ollama_errors_total', {})).toBe(0)
    const inference = { endpoint, model: String(told.model), outcome: String(told.outcome) }
    expect(grown('ollama_inference_requests_total', inference)).toBe(endpoint.includes('models') ? 0 : 1)
    expect(grown('ollama_tokens_total', { type: 'input' })).toBe(receipt.input_tokens ?? 0)
    expect(grown('ollama_tokens_total', { type: 'output' })).toBe(receipt.output_tokens ?? 0)
    expect(grown('ollama_time_to_first_token_seconds_count', {})).toBe(told.stream === true ? 1 : 0)
  })

  test('a missing model is the error that the client makes of it without the proxy', async () => {
    const before = app.log.filter(({ msg }) => msg === 'request').length
    const ask = async (url: string) => {
      const failure = await failureOf(clientOf(url).chat.completions.create({ ...chat, model: 'nope' }))
      if (!(failure instanceof OpenAI.NotFoundError)) throw new Error('no NotFoundError', { cause: failure })
      const { status, message, error, type } = failure
      return { status, message, error, type }
    }

    const direct = await ask(standIn.url)
    const proxied = await ask(app.proxyUrl)

    expect(proxied).toEqual(direct)
    expect(proxied).toMatchObject({ status: 404, message: "404 model 'nope' not found", type: 'not_found_error' })
    expect((await app.receipts(before + 1)).at(-1)).toMatchObject({
      endpoint: '/v1/chat/completions',
      status: 404,
      outcome: 'caller_error',
      error_type: 'model_not_found',
      model: 'nope',
    })
    expect((await app.samples()).value('ollama_errors_total', { error_type: 'model_not_found' })).toBe(1)
  })
})

test('an AbortController in the middle of a stream reaches the upstream', async () => {
  const { gate, open } = createGate(5)
  const standIn = await startStandIn({ speed: 0, gate })
  const app = await startApp(standIn.port)
  onTestFinished(app.close)
  onTestFinished(open)
  const { signal, abort } = abortable()
  const stream = await clientOf(app.proxyUrl).chat.completions.create({ ...chat, ...withUsage }, { signal })
  const got: unknown[] = []

  // The client takes an abort for the end of the stream.
  for await (const chunk of stream) {
    got.push(chunk)
    abort()
  }

  expect(got.length).toBeGreaterThan(0)
  await waitFor('the stand-in to see the client leave', () => standIn.left.length === 1)
  expect(standIn.left[0]?.request.target).toBe('/v1/chat/completions')
  const [receipt] = await app.receipts(1)
  expect(receipt).toMatchObject({ outcome: 'client_abort', error_type: 'client_abort', status: 200, stream: true })
  expect(receipt).not.toHaveProperty('output_tokens')
  expect((await app.samples()).value('ollama_errors_total', { error_type: 'client_abort' })).toBe(1)
})

test('no upstream: the client reads what to do in its own error', async () => {
  const standIn = await serveStandIn()
  const app = await startApp(standIn.port)
  onTestFinished(app.close)
  await standIn.close()

  const failure = await failureOf(clientOf(app.proxyUrl).chat.completions.create(chat))

  if (!(failure instanceof OpenAI.InternalServerError)) throw new Error('no InternalServerError', { cause: failure })
  expect(failure.status).toBe(502)
  expect(failure.message).toBe(
    `502 ollascope: cannot reach Ollama at ${standIn.url} (connection refused); is it running?`,
  )
  expect(failure.type).toBe('api_error')
})

/** Without retries: each call is one request. */
function clientOf(url: string): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
}

function abortable() {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}
