import { expect, it, onTestFinished } from 'vitest'
import { loadRecordings } from '../../src/demo/recordings.ts'
import { createStandIn } from '../../src/demo/stand-in.ts'
import { startApp } from '../helpers/app.ts'
import { openRaw, serveRaw } from '../helpers/raw.ts'
import { waitFor } from '../helpers/wait.ts'

const recordings = loadRecordings()

/** An upstream whose recording stops before the given chunk, until the test lets it go on. */
async function startHeld(held: Readonly<Record<string, number>>) {
  const gates = new Map(Object.keys(held).map((name) => [name, Promise.withResolvers<undefined>()]))
  const standIn = createStandIn({
    recordings,
    speed: 0,
    gate: async ({ name }, index) => {
      if (held[name] === index) await gates.get(name)?.promise
    },
  })
  const { port } = await standIn.listen(0, '127.0.0.1')
  const app = await startApp(port, { OLLASCOPE_STALL_AFTER: '50ms', OLLASCOPE_COLLECT_INTERVAL: '1h' })
  onTestFinished(async () => {
    await app.close()
    await standIn.close()
  })
  const value = async (name: string) => (await app.samples()).value(name) ?? 0
  return {
    app,
    ask: (path: string, recording: string) =>
      openRaw(
        app.proxyPort,
        `POST ${path} HTTP/1.1\r\nHost: x\r\nX-Demo-Recording: ${recording}\r\nConnection: close\r\n` +
          'Content-Length: 2\r\n\r\n{}',
      ),
    release: (recording: string) => gates.get(recording)?.resolve(undefined),
    stalled: () => value('ollama_stalled_requests'),
    silence: () => value('ollama_upstream_silence_seconds'),
    /** Seconds of the oldest request's life that the silence does not cover, in one scrape. */
    heardAfter: async () => {
      const samples = await app.samples()
      const age = samples.value('ollama_oldest_request_age_seconds') ?? 0
      return age - (samples.value('ollama_upstream_silence_seconds') ?? 0)
    },
  }
}

it('a stream that falls silent behind its first chunk is told, until it goes on', async () => {
  const { app, ask, release, stalled, silence } = await startHeld({ 'generate-stream-warm': 1 })
  const client = ask('/api/generate', 'generate-stream-warm')
  await client.until((bytes) => bytes.includes('"response"'))
  await waitFor('a stalled request', async () => (await stalled()) === 1)
  await waitFor('silence', async () => (await silence()) > 0.05)
  release('generate-stream-warm')
  await client.ended
  await app.receipts(1)
  expect(await stalled()).toBe(0)
  expect(await silence()).toBe(0)
})

it('an answer that does not stream is no stall, however slowly it comes', async () => {
  const { ask, release, stalled, silence } = await startHeld({ show: 1 })
  const client = ask('/api/show', 'show')
  await client.until((bytes) => bytes.includes('modelfile'))
  await waitFor('silence', async () => (await silence()) > 0.2)
  expect(await stalled()).toBe(0)
  release('show')
  await client.ended
})

// The silence is shorter than the wait by what had passed before the sign of life, however slow this machine is.
it('a request that waits for its first byte is no stall; an ending elsewhere, without a byte, ends the silence', async () => {
  const { app, ask, release, stalled, silence, heardAfter } = await startHeld({ 'generate-stream-warm': 0 })
  const client = ask('/api/generate', 'generate-stream-warm')
  await waitFor('silence', async () => (await silence()) > 0.2)
  expect(await stalled()).toBe(0)
  await fetch(app.proxyUrl, { method: 'HEAD' })
  await app.receipts(1)
  expect(await heardAfter()).toBeGreaterThanOrEqual(0.2)
  release('generate-stream-warm')
  await client.ended
})

it('a byte elsewhere ends the silence', async () => {
  const { ask, release, silence, heardAfter } = await startHeld({ 'generate-stream-warm': 0, show: 1 })
  const client = ask('/api/generate', 'generate-stream-warm')
  await waitFor('silence', async () => (await silence()) > 0.2)
  const other = ask('/api/show', 'show')
  await other.until((bytes) => bytes.includes('modelfile'))
  expect(await heardAfter()).toBeGreaterThanOrEqual(0.2)
  release('generate-stream-warm')
  release('show')
  await Promise.all([client.ended, other.ended])
})

it('a client that does not read stalls nobody', async () => {
  const line = `{"response":"${'x'.repeat(1000)}","done":false}\n`
  const lines = line.repeat(1000)
  const upstream = await serveRaw((socket) => {
    socket.on('data', (bytes) => {
      if (!bytes.includes('/api/generate')) return
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000000000\r\n\r\n')
      for (let megabyte = 0; megabyte < 32; megabyte++) socket.write(lines)
    })
  })
  const app = await startApp(upstream.port, { OLLASCOPE_STALL_AFTER: '50ms' })
  onTestFinished(async () => {
    await app.close()
    await upstream.close()
  })
  const client = openRaw(app.proxyPort, 'POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}')
  client.socket.pause()
  await waitFor('time to pass', async () => ((await app.samples()).value('ollama_oldest_request_age_seconds') ?? 0) > 1)
  expect((await app.samples()).value('ollama_stalled_requests')).toBe(0)
  client.socket.destroy()
  await app.receipts(1)
})
