import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { collect, failureOf } from '../helpers/collect.ts'
import { createGate, serveStandIn, startStandIn, type RunningStandIn } from '../helpers/stand-in.ts'
import { askBoth, expectCounted, expectTold } from '../helpers/told.ts'
import { waitFor } from '../helpers/wait.ts'

const said = 'Why is the sky blue? mendatanguser\nWhy is the'
const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Why is the sky blue?' }]
const message = { model: 'chat:270m', messages, max_tokens: 12, temperature: 0 }
const killed = { headers: { 'X-Demo-Recording': 'runner-killed-v1-messages' } }
const endpoint = '/v1/messages'
const whole = { content: [{ type: 'text', text: said }], stop_reason: 'max_tokens' }
const usage = { input_tokens: 15, output_tokens: 12 }

/** What the client does, whether that streams, and what it must have got at least. */
const calls: readonly (readonly [string, (client: Anthropic) => Promise<object>, stream: boolean, gets: object])[] = [
  ['a message', (client) => client.messages.create(message), false, { ...whole, usage }],
  [
    'a message, streaming',
    async (client) => eventsOf(await collect(await client.messages.create({ ...message, stream: true }))),
    true,
    { text: said, beforeLast: { type: 'message_delta', usage }, last: { type: 'message_stop' } },
  ],
  [
    'a message, put together from a stream',
    (client) => client.messages.stream(message).finalMessage(),
    true,
    { ...whole, usage },
  ],
  [
    'the events of a stream that is put together',
    async (client) => eventsOf(await collect(client.messages.stream(message))),
    true,
    { text: said, last: { type: 'message_stop' } },
  ],
  ['a message of the beta API', (client) => client.beta.messages.create(message), false, { ...whole, usage }],
]
const cases = calls.map(([name, call, stream, gets]) => ({ name, call, stream, gets }))

describe('the client of npm package "@anthropic-ai/sdk" behind the proxy', () => {
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

  const compare = (call: (client: Anthropic) => Promise<unknown>) =>
    askBoth(app, standIn.url, (url) => call(clientOf(url)))

  test.each(cases)('gets what it gets without one: $name', async ({ call, stream, gets }) => {
    const { direct, proxied, receipt, before, after } = await compare(call)

    expect(proxied).toEqual(direct)
    expect(proxied).toMatchObject(gets)
    const told = { endpoint, model: 'chat:270m', stream, status: 200, outcome: 'length', ...usage }
    expectTold(receipt, told)
    expectCounted(before, after, told)
  })

  test('the query of a message reaches the upstream and no receipt', async () => {
    const count = app.log.filter(({ msg }) => msg === 'request').length

    await clientOf(app.proxyUrl).messages.create(message, { query: { beta: 'true' } })

    expect(standIn.seen.at(-1)?.request.target).toBe('/v1/messages?beta=true')
    const receipt = (await app.receipts(count + 1)).at(-1)
    expect(receipt?.endpoint).toBe(endpoint)
    expect(JSON.stringify(receipt)).not.toContain('beta')
  })

  test.each([
    { how: 'plain', stream: false },
    { how: 'streaming', stream: true },
  ])('a missing model is the error that it is without the proxy: $how', async ({ stream }) => {
    const { direct, proxied, receipt, before, after } = await compare(async (client) => {
      const failure = await failureOf(client.messages.create({ ...message, model: 'nope', stream }))
      if (!(failure instanceof Anthropic.NotFoundError)) throw new Error('no NotFoundError', { cause: failure })
      const { status, message: text, error, type, apiMessage } = failure
      return { status, text, error, type, apiMessage }
    })

    expect(proxied).toEqual(direct)
    expect(proxied).toMatchObject({ status: 404, type: 'not_found_error', apiMessage: "model 'nope' not found" })
    expect(proxied).toHaveProperty('text', expect.stringMatching(/^404 .*model 'nope' not found/))
    const told = {
      endpoint,
      model: 'nope',
      stream,
      status: 404,
      outcome: 'caller_error',
      error_type: 'model_not_found',
    }
    expectTold(receipt, told)
    // A name that Ollama does not have gets no series of its own.
    expectCounted(before, after, { ...told, model: 'other' })
  })

  const broken = {
    endpoint,
    model: 'gemma3:270m',
    stream: true,
    status: 200,
    outcome: 'truncated',
    error_type: 'truncated',
  }
  test('a stream whose runner is killed is no success', async () => {
    const { direct, proxied, receipt, before, after } = await compare(async (client) => {
      const asked = { ...message, model: 'gemma3:270m', stream: true } as const
      return eventsOf(await collect(await client.messages.create(asked, killed)))
    })

    expect(proxied).toEqual(direct)
    expect(proxied).toMatchObject({ last: { type: 'content_block_delta' } })
    expectTold(receipt, broken)
    expectCounted(before, after, broken)
  })

  test('no message can be put together where the runner is killed', async () => {
    const { direct, proxied, receipt, before, after } = await compare(async (client) => {
      const stream = client.messages.stream({ ...message, model: 'gemma3:270m' }, killed)
      const failure = await failureOf(stream.finalMessage())
      if (!(failure instanceof Anthropic.AnthropicError)) throw new Error('no AnthropicError', { cause: failure })
      return failure.message
    })

    expect(proxied).toBe(direct)
    expect(proxied).toContain('stream ended without producing a Message')
    expectTold(receipt, broken)
    expectCounted(before, after, broken)
  })
})

/** Ways to leave a stream after its first event; each gives how many events came. */
const leaves: readonly (readonly [string, (client: Anthropic) => Promise<number>])[] = [
  [
    'abort() of a stream',
    async (client) => {
      const stream = client.messages.stream(message)
      let got = 0
      stream.on('streamEvent', () => {
        got += 1
        stream.abort()
      })
      const failure = await failureOf(stream.finalMessage())
      if (!(failure instanceof Anthropic.APIUserAbortError)) throw new Error('no abort', { cause: failure })
      return got
    },
  ],
  [
    'an AbortController',
    async (client) => {
      const controller = new AbortController()
      const stream = await client.messages.create({ ...message, stream: true }, { signal: controller.signal })
      let got = 0
      // The client takes an abort for the end of the stream.
      for await (const event of stream) {
        got += event.type === 'message_stop' ? 0 : 1
        controller.abort()
      }
      return got
    },
  ],
  [
    'a break',
    async (client) => {
      for await (const event of await client.messages.create({ ...message, stream: true })) {
        return event.type === 'message_start' ? 1 : 0
      }
      return 0
    },
  ],
]

test.each(leaves)('%s in the middle of a stream reaches the upstream', async (_how, leave) => {
  const { gate, open } = createGate(5)
  const standIn = await startStandIn({ speed: 0, gate })
  const app = await startApp(standIn.port)
  onTestFinished(app.close)
  onTestFinished(open)

  const got = await leave(clientOf(app.proxyUrl))

  expect(got).toBeGreaterThan(0)
  await waitFor('the stand-in to see the client leave', () => standIn.left.length === 1)
  expect(standIn.left[0]?.request.target).toBe(endpoint)
  const [receipt = {}] = await app.receipts(1)
  // The estimate that the first event holds is no number of tokens.
  expectTold(receipt, {
    endpoint,
    model: 'chat:270m',
    stream: true,
    status: 200,
    outcome: 'client_abort',
    error_type: 'client_abort',
  })
  const samples = await app.samples()
  expect(samples.sum('ollama_inference_requests_total', { endpoint, outcome: 'client_abort' })).toBe(1)
  expect(samples.sum('ollama_inference_requests_total')).toBe(1)
  expect(samples.value('ollama_errors_total', { error_type: 'client_abort' })).toBe(1)
  expect(samples.sum('ollama_tokens_total')).toBe(0)
  expect(samples.value('ollama_active_requests')).toBe(0)
})

test('no upstream: the client reads what to do in its own error', async () => {
  const standIn = await serveStandIn()
  const app = await startApp(standIn.port)
  onTestFinished(app.close)
  await standIn.close()

  const failure = await failureOf(clientOf(app.proxyUrl).messages.create(message))

  if (!(failure instanceof Anthropic.InternalServerError)) throw new Error('no InternalServerError', { cause: failure })
  expect(failure.status).toBe(502)
  expect(failure.error).toMatchObject({ type: 'error', error: { type: 'api_error' } })
  expect(failure.apiMessage).toBe(
    `ollascope: cannot reach Ollama at ${standIn.url} (connection refused); is it running?`,
  )
})

/** Without retries: each call is one request. */
function clientOf(url: string): Anthropic {
  return new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 })
}

function eventsOf(events: readonly Anthropic.MessageStreamEvent[]) {
  const text = events.map((event) => {
    return event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : ''
  })
  return { events, text: text.join(''), beforeLast: events.at(-2), last: events.at(-1) }
}
