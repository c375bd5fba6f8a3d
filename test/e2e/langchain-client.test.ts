import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { awaitAllCallbacks } from '@langchain/core/callbacks/promises'
import { AIMessageChunk, type AIMessage } from '@langchain/core/messages'
import { ChatOllama, Ollama, OllamaEmbeddings } from '@langchain/ollama'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { collect, failureOf } from '../helpers/collect.ts'
import { serveStandIn, type RunningStandIn } from '../helpers/stand-in.ts'
import { askBoth, expectCounted, expectTold, type Told } from '../helpers/told.ts'
import { waitFor } from '../helpers/wait.ts'

const question = 'Why is the sky blue?'
const answer = 'Why is the sky blue? mendatanguser\n'.repeat(2) + question
const beginning = 'The sky is blue because'
const ending = ' the sun is shining' + '<start_of_image>The sun is shining'.repeat(4)
const chat = { model: 'chat:270m', numPredict: 24, seed: 7, temperature: 0 }
const generate = { model: 'gemma3:270m', numPredict: 24, temperature: 0 }
const embed = { model: 'all-minilm:l6' }
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
} as const
const usage = { input_tokens: 15, output_tokens: 24, total_tokens: 39 }
const toolUsage = { input_tokens: 63, output_tokens: 31, total_tokens: 94 }
const paris = { name: 'get_weather', args: { city: 'Paris' } }

// This library streams also what it then gives as a whole.
const streamed = { stream: true, status: 200, outcome: 'length' } as const
const chatted = { ...streamed, endpoint: '/api/chat', model: 'chat:270m', input_tokens: 15, output_tokens: 24 }
const called = { ...chatted, model: 'tools:270m', outcome: 'stop', input_tokens: 63, output_tokens: 31 }
const generated = { ...streamed, endpoint: '/api/generate', model: 'gemma3:270m', input_tokens: 6, output_tokens: 24 }
const embedded = { endpoint: '/api/embed', model: 'all-minilm:l6', stream: false, status: 200, outcome: 'success' }

/** What is done at a base URL, what the receipt tells of it, and what must have come at least. */
const calls: readonly (readonly [string, (baseUrl: string) => Promise<object>, Told, gets: object])[] = [
  [
    'ChatOllama, invoke',
    async (baseUrl) => contentOf(await new ChatOllama({ ...chat, ...at(baseUrl) }).invoke(question)),
    chatted,
    { content: answer, usage, metadata: { done_reason: 'length', eval_count: 24 } },
  ],
  [
    'ChatOllama, stream',
    async (baseUrl) => joined(await collect(await new ChatOllama({ ...chat, ...at(baseUrl) }).stream(question))),
    chatted,
    { content: answer, usage },
  ],
  [
    'ChatOllama with tools, invoke',
    async (baseUrl) => contentOf(await toolsAt(baseUrl).invoke('What is the weather in Paris?')),
    called,
    { content: '', calls: [paris], usage: toolUsage },
  ],
  [
    'ChatOllama with tools, stream',
    async (baseUrl) => joined(await collect(await toolsAt(baseUrl).stream('What is the weather in Paris?'))),
    called,
    { content: '', calls: [paris], usage: toolUsage },
  ],
  [
    'Ollama, invoke',
    async (baseUrl) => ({ text: await new Ollama({ ...generate, ...at(baseUrl) }).invoke(beginning) }),
    generated,
    { text: ending },
  ],
  [
    'Ollama, stream',
    async (baseUrl) => {
      const chunks = await collect(await new Ollama({ ...generate, ...at(baseUrl) }).stream(beginning))
      return { chunks, text: chunks.join('') }
    },
    generated,
    { text: ending },
  ],
  [
    'OllamaEmbeddings, one text',
    async (baseUrl) => vectorsOf([await new OllamaEmbeddings({ ...embed, ...at(baseUrl) }).embedQuery('hello')]),
    { ...embedded, input_tokens: 3 },
    { sizes: [384] },
  ],
  [
    'OllamaEmbeddings, two texts',
    async (baseUrl) => {
      const embeddings = new OllamaEmbeddings({ ...embed, ...at(baseUrl) })
      return vectorsOf(await embeddings.embedDocuments(['hello', 'world wide web']))
    },
    { ...embedded, input_tokens: 8 },
    { sizes: [384, 384] },
  ],
]
const cases = calls.map(([name, call, told, gets]) => ({ name, call, told, gets }))

const missing = { status: 404, outcome: 'caller_error', error_type: 'model_not_found', model: 'nope' }
const failures: readonly (readonly [string, (baseUrl: string) => Promise<unknown>, Told])[] = [
  [
    'ChatOllama',
    (baseUrl) => new ChatOllama({ ...chat, ...at(baseUrl), model: 'nope' }).invoke(question),
    { ...missing, endpoint: '/api/chat', stream: true },
  ],
  [
    'Ollama',
    (baseUrl) => new Ollama({ ...generate, ...at(baseUrl), model: 'nope' }).invoke(beginning),
    { ...missing, endpoint: '/api/generate', stream: true },
  ],
  [
    'OllamaEmbeddings',
    (baseUrl) => new OllamaEmbeddings({ ...at(baseUrl), model: 'nope' }).embedQuery('hello'),
    { ...missing, endpoint: '/api/embed', stream: false },
  ],
]
const failing = failures.map(([name, call, told]) => ({ name, call, told }))

describe('the clients of npm package "@langchain/ollama" behind the proxy', () => {
  let standIn: RunningStandIn
  let app: RunningApp
  const asked = new Set<string>()
  const note = (message: unknown) => asked.add(originOf(message))

  beforeAll(async () => {
    // Whoever runs the tests may have tracing on for work of their own.
    for (const name of ['LANGSMITH_TRACING', 'LANGCHAIN_TRACING']) {
      vi.stubEnv(name, undefined)
      vi.stubEnv(`${name}_V2`, undefined)
    }
    subscribe('undici:request:create', note)
    standIn = await serveStandIn()
    app = await startApp(standIn.port)
    await waitFor('the list of models', async () => (await fetch(`${app.adminUrl}/readyz`)).ok)
  })
  afterAll(async () => {
    await app.close()
    await standIn.close()
    unsubscribe('undici:request:create', note)
    vi.unstubAllEnvs()
  })

  const compare = (call: (baseUrl: string) => Promise<unknown>) => askBoth(app, standIn.url, call)

  test.each(cases)('get what they get without one: $name', async ({ call, told, gets }) => {
    const { direct, proxied, receipt, before, after } = await compare(call)

    expect(proxied).toEqual(direct)
    expect(proxied).toMatchObject(gets)
    expectTold(receipt, told)
    expectCounted(before, after, told)
  })

  test.each(failing)('a missing model is the error that it is without the proxy: $name', async ({ call, told }) => {
    const { direct, proxied, receipt, before, after } = await compare((baseUrl) => failureOf(call(baseUrl)))

    expect(proxied).toEqual(direct)
    expect(proxied).toMatchObject({ name: 'ResponseError', status_code: 404 })
    expect(proxied).toHaveProperty('error', expect.stringMatching(/^model ["']nope(:latest)?["'] not found/))
    expectTold(receipt, told)
    // A name that Ollama does not have gets no series of its own.
    expectCounted(before, after, { ...told, model: 'other' })
  })

  test('a chat whose runner is killed is no success', async () => {
    const headers = new Headers({ 'X-Demo-Recording': 'runner-killed-chat' })
    const { direct, proxied, receipt, before, after } = await compare((baseUrl) => {
      const client = new ChatOllama({ ...chat, ...at(baseUrl), model: 'gemma3:270m', headers })
      return failureOf(client.invoke(question))
    })

    expect(proxied).toEqual(direct)
    expect(proxied).toHaveProperty('message', expect.stringContaining('an error was encountered while running'))
    const told = { ...streamed, endpoint: '/api/chat', model: 'gemma3:270m', outcome: 'error' }
    expectTold(receipt, { ...told, error_type: 'runner_crash' })
    expectCounted(before, after, { ...told, error_type: 'runner_crash' })
  })

  test('looks for its model in the list before the chat, where it is told to', async () => {
    const count = app.log.filter(({ msg }) => msg === 'request').length

    const client = new ChatOllama({ ...chat, ...at(app.proxyUrl), checkOrPullModel: true })
    const { content } = await client.invoke(question)

    expect(content).toBe(answer)
    const added = () => app.log.filter(({ msg }) => msg === 'request').slice(count)
    await waitFor('the receipt of the chat', () => added().some(({ endpoint }) => endpoint === '/api/chat'))
    const told = added().map(({ endpoint, outcome }) => `${String(endpoint)} ${String(outcome)}`)
    // How often it looks is up to the library.
    expect([...new Set(told)]).toEqual(['/api/tags success', '/api/chat length'])
  })

  test('ask nobody but the proxy and the stand-in', async () => {
    await new ChatOllama({ ...chat, ...at(app.proxyUrl) }).invoke(question)
    await awaitAllCallbacks()

    expect([...asked].sort()).toEqual([app.adminUrl, app.proxyUrl, standIn.url].sort())
  })
})

/** Without retries: each call is one request. */
function at(baseUrl: string) {
  return { baseUrl, maxRetries: 0 }
}

function toolsAt(baseUrl: string) {
  return new ChatOllama({ ...chat, ...at(baseUrl), model: 'tools:270m', numPredict: 60 }).bindTools([weather])
}

/** All but the ids, which the library draws. */
function contentOf({ content, tool_calls, usage_metadata, response_metadata }: AIMessage | AIMessageChunk) {
  const calls = (tool_calls ?? []).map(({ name, args }) => ({ name, args }))
  return { content, calls, usage: usage_metadata, metadata: response_metadata }
}

function joined(chunks: readonly AIMessageChunk[]) {
  const whole = chunks.reduce((sum, chunk) => sum.concat(chunk), new AIMessageChunk(''))
  return { ...contentOf(whole), contents: chunks.map(({ content }) => content) }
}

function vectorsOf(vectors: readonly (readonly number[])[]) {
  return { vectors, sizes: vectors.map(({ length }) => length) }
}

/** Where a request of fetch goes. */
function originOf(message: unknown): string {
  if (typeof message !== 'object' || message === null || !('request' in message)) return 'no request'
  const { request } = message
  return typeof request === 'object' && request !== null && 'origin' in request ? String(request.origin) : 'no origin'
}
