import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { startApp } from '../helpers/app.ts'
import { openRaw } from '../helpers/raw.ts'
import { waitFor } from '../helpers/wait.ts'

/** An Ollama of which the test says what is loaded, and when it answers. */
async function startOllama(loaded: readonly string[]) {
  let models = loaded
  const asked: ServerResponse[] = []
  let polled = 0
  const server = createServer((req, res) => {
    if (req.url === '/api/ps') polled++
    if (req.url === '/api/ps') res.end(JSON.stringify({ models: models.map((name) => ({ name })) }))
    else if (req.url === '/api/version') res.end('{"version":"0.0.0"}')
    else if (req.url === '/api/tags') res.end(JSON.stringify({ models: [{ name: 'a' }, { name: 'b' }] }))
    else req.resume().on('end', () => asked.push(res))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const app = await startApp((server.address() as AddressInfo).port, { OLLASCOPE_COLLECT_INTERVAL: '1h' })
  onTestFinished(async () => {
    await app.close()
    server.closeAllConnections()
    server.close()
  })
  await waitFor('what is loaded', async () => (await app.samples()).value('ollama_loaded_models') === models.length)
  const inFlight = async () => {
    const status = (await (await fetch(`${app.adminUrl}/status`)).json()) as { in_flight: { phase: string }[] }
    return status.in_flight.map(({ phase }) => phase)
  }
  return {
    app,
    asked,
    inFlight,
    polls: () => polled,
    load: (...names: string[]) => (models = names),
    /** Sends a request, and waits until Ollama has it. */
    ask: async (path: string, body: object) => {
      const text = JSON.stringify(body)
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n`
      const before = asked.length
      const client = openRaw(app.proxyPort, head + text)
      await waitFor('the request', () => asked.length > before)
      return client
    },
    phases: async () => {
      const { value } = await app.samples()
      const phases = ['queued', 'loading', 'prefill', 'decoding', 'unknown']
      const counted = (model: string, endpoint: string) =>
        phases.filter((phase) => value('ollama_inference_aborts_total', { model, endpoint, phase }) === 1)
      return counted
    },
  }
}

const line = (content: string) => `${JSON.stringify({ model: 'a', message: { content }, done: false })}\n`

it('a client that leaves while the model loads gave up on the load', async () => {
  const { app, ask, phases, inFlight } = await startOllama([])
  const client = await ask('/api/chat', { model: 'a' })
  expect(await inFlight()).toEqual(['loading'])
  client.socket.destroy()
  expect((await app.receipts(1))[0]).toMatchObject({ outcome: 'client_abort', abort_phase: 'loading', status: 499 })
  expect((await phases())('a:latest', '/api/chat')).toEqual(['loading'])
})

it('of a loaded model on its prefill, behind another on the queue, after the first token on the decoding', async () => {
  const { app, ask, asked, phases, inFlight } = await startOllama(['a', 'b'])
  const first = await ask('/api/chat', { model: 'a' })
  expect(await inFlight()).toEqual(['prefill'])
  const second = await ask('/api/generate', { model: 'a:latest' })
  const other = await ask('/v1/embeddings', { model: 'b' })
  expect((await inFlight()).sort()).toEqual(['prefill', 'prefill', 'queued'])
  asked[0]?.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).write(line('x'))
  await first.until((bytes) => bytes.includes('"x"'))
  expect((await inFlight()).sort()).toEqual(['decoding', 'prefill', 'queued'])
  second.socket.destroy()
  await app.receipts(1)
  other.socket.destroy()
  await app.receipts(2)
  first.socket.destroy()
  const phasesOf = (await app.receipts(3)).map(({ abort_phase }) => abort_phase)
  expect(phasesOf).toEqual(['queued', 'prefill', 'decoding'])
  const counted = await phases()
  expect(counted('a:latest', '/api/generate')).toEqual(['queued'])
  expect(counted('b:latest', '/v1/embeddings')).toEqual(['prefill'])
  expect(counted('a:latest', '/api/chat')).toEqual(['decoding'])
})

it.each([
  ['an answer that comes as a whole', { model: 'a', stream: false }],
  ['an answer that may be a tool call', { model: 'a', tools: [{ type: 'function' }] }],
])('%s tells nobody what it is doing', async (_title, body) => {
  const { app, ask } = await startOllama(['a'])
  const client = await ask('/api/chat', body)
  client.socket.destroy()
  expect((await app.receipts(1))[0]).toMatchObject({ outcome: 'client_abort', abort_phase: 'unknown' })
})

it('what is loaded is asked for soon when a request waits for it', async () => {
  const { app, ask, load, inFlight } = await startOllama([])
  const client = await ask('/api/chat', { model: 'a' })
  load('a')
  await waitFor('the loaded model', async () => (await inFlight())[0] === 'prefill')
  client.socket.destroy()
  expect((await app.receipts(1))[0]).toMatchObject({ abort_phase: 'prefill' })
})

it('what is loaded is asked for again while a request waits for it', async () => {
  const { app, ask, load, polls, inFlight } = await startOllama([])
  const client = await ask('/api/chat', { model: 'a' })
  await waitFor('a second question', () => polls() >= 3)
  load('a')
  await waitFor('the loaded model', async () => (await inFlight())[0] === 'prefill')
  client.socket.destroy()
  await app.receipts(1)
})

it('a route that runs no model has no such phase', async () => {
  const { app, ask } = await startOllama(['a'])
  const client = await ask('/api/show', { model: 'a' })
  client.socket.destroy()
  const [receipt] = await app.receipts(1)
  expect(receipt).toMatchObject({ outcome: 'client_abort' })
  expect(receipt).not.toHaveProperty('abort_phase')
})

it('the prefill of the request that loads a model is known, and that of the next is not', async () => {
  const { app, ask, asked, load } = await startOllama([])
  const done = (load_duration: number) =>
    `${JSON.stringify({ done: true, done_reason: 'stop', prompt_eval_count: 50, prompt_eval_duration: 25e7, load_duration })}\n`
  for (const [index, loadDuration] of [2e9, 1e6].entries()) {
    const client = await ask('/api/chat', { model: 'a' })
    asked[index]?.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).end(done(loadDuration))
    await client.ended
    load('a')
  }
  const [cold, warm] = await app.receipts(2)
  expect(cold?.prefill_tokens_per_second).toBe(200)
  expect(warm).not.toHaveProperty('prefill_tokens_per_second')
  const { value } = await app.samples()
  const labels = { model: 'a:latest', endpoint: '/api/chat' }
  expect(value('ollama_prefill_tokens_total', labels)).toBe(50)
  expect(value('ollama_prefill_seconds_total', labels)).toBe(0.25)
})
