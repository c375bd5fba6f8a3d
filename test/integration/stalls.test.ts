import { expect, it, onTestFinished } from 'vitest'
import { createStandIn } from '../../src/demo/stand-in.ts'
import { loadRecordings } from '../../src/demo/recordings.ts'
import { startApp } from '../helpers/app.ts'
import { openRaw } from '../helpers/raw.ts'
import { waitFor } from '../helpers/wait.ts'

const BODY = '{"model":"gemma3:270m","prompt":"x"}'

/** A generation whose stream stops behind a chunk, until the test lets it go on. */
async function startHeld(holdAt: number) {
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>()
  const standIn = createStandIn({
    recordings: loadRecordings(),
    speed: 0,
    gate: ({ name }, index) => (name === 'generate-stream-warm' && index === holdAt ? released : Promise.resolve()),
  })
  const { port } = await standIn.listen(0, '127.0.0.1')
  const app = await startApp(port, { OLLASCOPE_STALL_AFTER: '50ms', OLLASCOPE_COLLECT_INTERVAL: '1h' })
  onTestFinished(async () => {
    await app.close()
    await standIn.close()
  })
  const client = openRaw(
    app.proxyPort,
    `POST /api/generate HTTP/1.1\r\nHost: x\r\nX-Demo-Recording: generate-stream-warm\r\n` +
      `Connection: close\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  )
  return { app, client, release: () => release(undefined) }
}

it('a stream that falls silent behind its first chunk is told, until it goes on', async () => {
  const { app, client, release } = await startHeld(1)
  await client.until((bytes) => bytes.includes('"response"'))
  const stalled = async () => (await app.samples()).value('ollama_stalled_requests')
  await waitFor('a stalled request', async () => (await stalled()) === 1)
  await waitFor('silence', async () => ((await app.samples()).value('ollama_upstream_silence_seconds') ?? 0) > 0.05)
  release()
  await client.ended
  await app.receipts(1)
  expect(await stalled()).toBe(0)
  expect((await app.samples()).value('ollama_upstream_silence_seconds')).toBe(0)
})

it('a request that waits for its first byte is no stall, but silence where nothing else moves', async () => {
  const { app, client, release } = await startHeld(0)
  await waitFor('silence', async () => ((await app.samples()).value('ollama_upstream_silence_seconds') ?? 0) > 0.2)
  expect((await app.samples()).value('ollama_stalled_requests')).toBe(0)

  // Another exchange is a sign of life: from then on the silence is shorter than the wait by what had passed before.
  await (await fetch(`${app.proxyUrl}/api/version`)).text()
  await app.receipts(1)
  const { value } = await app.samples()
  const age = value('ollama_oldest_request_age_seconds') ?? 0
  expect(value('ollama_upstream_silence_seconds')).toBeLessThanOrEqual(age - 0.2)
  release()
  await client.ended
})
