import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { collect, failureOf } from '../helpers/collect.ts'
import { createGate, serveStandIn, startStandIn, type RunningStandIn } from '../helpers/stand-in.ts'
import { askBoth, expectCounted, expectTold, type Told } from '../helpers/told.ts'
import { waitFor } from '../helpers/wait.ts'

const sky = 'Why is the sky blue? mendatanguser\nWhy is the'
const limit = ' the limit for the 201'
const response = { model: 'chat:270m', input: 'Why is the sky blue?', max_output_tokens: 12, temperature: 0 }
const completion = { model: 'gemma3:270m', prompt: 'The sky is', max_tokens: 8, seed: 7, temperature: 0 }
const responseUsage = { input_tokens: 15, output_tokens: 12, total_tokens: 27 }
const completionUsage = { prompt_tokens: 4, completion_tokens: 8, total_tokens: 12 }
const killedInResponse = { headers: { 'X-Demo-Recording': 'runner-killed-v1-responses' } }

const good = { stream: false, status: 200 } as const
const responses = { ...good, endpoint: '/v1/responses', model: 'chat:270m', outcome: 'success' }
const completions = { ...good, endpoint: '/v1/completions', model: 'gemma3:270m', outcome: 'length' }
const missing = { status: 404, outcome: 'caller_error', error_type: 'model_not_found', model: 'nope' }

/** What the client does, what the receipt tells of it, and what the client must have got at least. */
const calls: readonly (readonly [string, (client: OpenAI) => Promise<object>, Told, gets: object])[] = [
  [
    'a response',
    (client) => client.responses.create(response),
    { ...responses, input_tokens: 15, output_tokens: 12 },
    { status: 'completed', output_text: sky, usage: responseUsage },
  ],
  [
    'a response, streaming',
    async (client) => eventsOf(await collect(await client.responses.create({ ...response, stream: true }))),
    { ...responses, stream: true, input_tokens: 15, output_tokens: 12 },
    { text: sky, last: { type: 'response.completed', response: { usage: responseUsage } } },
  ],
  [
    'a response, put together from a stream',
    (client) => client.responses.stream(response).finalResponse(),
    { ...responses, stream: true, input_tokens: 15, output_tokens: 12 },
    { status: 'completed', output_text: sky, usage: responseUsage },
  ],
  [
    'a response whose runner is killed',
    async (client) =>
      eventsOf(await collect(await client.responses.create({ ...response, stream: true }, killedInResponse))),
    { ...responses, stream: true, outcome: 'truncated', error_type: 'truncated' },
    { last: { type: 'response.output_text.delta' } },
  ],
  [
    'embeddings',
    async (client) => {
      const { data, usage } = await client.embeddings.create({
        model: 'all-minilm:l6',
        input: ['hello', 'world'],
        encoding_format: 'float',
      })
      return { data, usage, sizes: data.map(({ embedding }) => embedding.length) }
    },
    { ...good, endpoint: '/v1/embeddings', model: 'all-minilm:l6', outcome: 'success', input_tokens: 6 },
    { sizes: [384, 384], usage: { prompt_tokens: 6, total_tokens: 6 } },
  ],
  [
    'a completion',
    (client) => client.completions.create(completion),
    { ...completions, input_tokens: 4, output_tokens: 8 },
    { choices: [{ text: limit, finish_reason: 'length' }], usage: completionUsage },
  ],
  [
    'a completion, streaming, without usage',
    async (client) => chunksOf(await collect(await client.completions.create({ ...completion, stream: true }))),
    { ...completions, stream: true },
    { text: limit, last: { choices: [{ finish_reason: 'length' }] } },
  ],
  [
    'a completion, streaming, with usage',
    async (client) => {
      const asked = { ...completion, stream: true, stream_options: { include_usage: true } } as const
      return chunksOf(await collect(await client.completions.create(asked)))
    },
    { ...completions, stream: true, input_tokens: 4, output_tokens: 8 },
    { text: limit, last: { choices: [], usage: completionUsage } },
  ],
  [
    'the list of models',
    async (client) => {
      const models = await collect(await client.models.list())
      return { models, ids: models.map(({ id }) => id) }
    },
    { ...good, endpoint: '/v1/models', model: 'none', outcome: 'success' },
    { ids: ['gemma3:270m', 'made:270m', 'think:270m', 'tools:270m', 'all-minilm:l6', 'chat:270m'] },
  ],
  [
    'one model',
    (client) => client.models.retrieve('chat:270m'),
    { ...good, endpoint: '/v1/models/:model', model: 'chat:270m', outcome: 'success' },
    { id: 'chat:270m', object: 'model', owned_by: 'library' },
  ],
]
const cases = calls.map(([name, call, told, gets]) => ({ name, call, told, gets }))

const failures: readonly (readonly [string, (client: OpenAI) => Promise<unknown>, Told])[] = [
  [
    'a response',
    (client) => client.responses.create({ ...response, model: 'nope' }),
    { ...responses, ...missing, stream: false },
  ],
  [
    'a response, streaming',
    (client) => client.responses.create({ ...response, model: 'nope', stream: true }),
    { ...responses, ...missing, stream: true },
  ],
  [
    'a completion',
    (client) => client.completions.create({ ...completion, model: 'nope' }),
    { ...completions, ...missing, stream: false },
  ],
  [
    'embeddings',
    (client) => client.embeddings.create({ model: 'nope', input: 'hello' }),
    { ...missing, endpoint: '/v1/embeddings', stream: false },
  ],
  [
    'one model',
    (client) => client.models.retrieve('nope'),
    { ...missing, endpoint: '/v1/models/:model', stream: false },
  ],
]
const failing = failures.map(([name, call, told]) => ({ name, call, told }))

describe('the client of npm package "openai" on the other routes', () => {
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

  const compare = (call: (client: OpenAI) => Promise<unknown>) =>
    askBoth(app, standIn.url, (url) => call(clientOf(url)))

  test.each(cases)('gets what it gets without the proxy: $name', async ({ call, told, gets }) => {
    const { direct, proxied, receipt, before, after } = await compare(call)

    expect(proxied).toEqual(direct)
    expect(proxied).toMatchObject(gets)
    expectTold(receipt, told)
    expectCounted(before, after, told)
  })

  test.each(failing)('a missing model is the error that it is without the proxy: $name', async ({ call, told }) => {
    const { direct, proxied, receipt, before, after } = await compare(async (client) => {
      const failure = await failureOf(call(client))
      if (!(failure instanceof OpenAI.NotFoundError)) throw new Error('no NotFoundError', { cause: failure })
      const { status, message, error, type } = failure
      return { status, message, error, type }
    })

    expect(proxied).toEqual(direct)
    expect(proxied).toMatchObject({ status: 404, message: "404 model 'nope' not found", type: 'not_found_error' })
    expectTold(receipt, told)
    // A name that Ollama does not have gets no series of its own.
    expectCounted(before, after, { ...told, model: 'other' })
  })

  test('the request id of the client is the one of the receipt', async () => {
    const count = app.log.filter(({ msg }) => msg === 'request').length

    const { request_id } = await clientOf(app.proxyUrl).responses.create(response).withResponse()

    const receipt = (await app.receipts(count + 1)).at(-1)
    expect(receipt?.request_id).toMatch(/./)
    expect(request_id).toBe(receipt?.request_id)
  })
})

test('the zero usage of a completion that is left is no number of tokens', async () => {
  const { gate, open } = createGate(5)
  const standIn = await startStandIn({ speed: 0, gate })
  const app = await startApp(standIn.port)
  onTestFinished(app.close)
  onTestFinished(open)
  const asked = { ...completion, stream: true, stream_options: { include_usage: true } } as const

  const stream = await clientOf(app.proxyUrl).completions.create(asked)
  const seen: unknown[] = []
  for await (const { usage } of stream) {
    seen.push(usage)
    break
  }

  expect(seen).toEqual([{ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }])
  await waitFor('the stand-in to see the client leave', () => standIn.left.length === 1)
  const [receipt = {}] = await app.receipts(1)
  const left = { outcome: 'client_abort', error_type: 'client_abort' }
  expectTold(receipt, { ...completions, ...left, stream: true })
  expect((await app.samples()).sum('ollama_tokens_total')).toBe(0)
})

/** Without retries: each call is one request. */
function clientOf(url: string): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
}

function eventsOf(events: readonly OpenAI.Responses.ResponseStreamEvent[]) {
  const text = events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('')
  return { events, text, last: events.at(-1) }
}

function chunksOf(chunks: readonly OpenAI.Completion[]) {
  const text = chunks.flatMap(({ choices }) => choices.map((choice) => choice.text)).join('')
  return { chunks, text, last: chunks.at(-1) }
}
