import { describe, expect, test } from 'vitest'
import { playRecorded } from '../helpers/load.ts'
import { startServe, type Served } from '../helpers/process.ts'
import { openRaw, parseMessage, type RawClient } from '../helpers/raw.ts'
import { createGate, recordingNamed, serveStandIn, startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

const STREAM = 'generate-stream-warm'

describe('serve without an upstream', () => {
  test('answers at once what to do, stays alive, and is ready when the upstream comes', async () => {
    const gone = await serveStandIn()
    await gone.close()
    const served = await startServe(gone.port, { env: { OLLASCOPE_COLLECT_INTERVAL: '1s' } })

    const answer = await fetch(`${served.proxyUrl}/api/chat`, { method: 'POST', body: '{"model":"chat:270m"}' })
    const readiness = await waitFor('a reason', async () => {
      const { status, body } = await readJson(`${served.adminUrl}/readyz`)
      return body.status === 'unavailable' && { status, reasons: body.reasons }
    })

    const reason = `cannot reach Ollama at ${gone.url} (connection refused); is it running?`
    expect(answer.status).toBe(502)
    expect(await answer.json()).toEqual({ error: `ollascope: ${reason}` })
    const [receipt] = await served.receipts(1)
    expect(receipt).toMatchObject({ status: 502, outcome: 'error', error_type: 'connect' })
    expect(receipt?.duration_ms).toBeLessThan(1000)
    expect(readiness).toEqual({ status: 503, reasons: [`Ollama at ${gone.url}: /api/tags: connection refused`] })
    expect((await fetch(`${served.adminUrl}/healthz`)).status).toBe(200)
    expect((await served.samples()).value('ollama_errors_total', { error_type: 'connect' })).toBe(1)

    await startStandIn({}, gone.port)

    const ready = await waitFor('readiness', async () => {
      const { status, body } = await readJson(`${served.adminUrl}/readyz`)
      return status === 200 && body
    })
    expect(ready).toEqual({ status: 'ready', reasons: [] })
    expect((await fetch(`${served.proxyUrl}/api/version`)).status).toBe(200)
    expect(served.stderr()).toBe('')
  })
})

describe('serve, told to stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s: the stream that runs comes to its end, then exit 0',
    async (signal) => {
      // The client would keep its connection: the end must not wait for that.
      const { served, client, open } = await holdStream({ OLLASCOPE_DRAIN_TIMEOUT: '10m' })

      served.child.kill(signal)
      const draining = await waitFor('draining', async () => {
        const { status, body } = await readJson(`${served.adminUrl}/readyz`)
        return status === 503 && body.status
      })
      const refused = await openRaw(served.proxyPort, 'GET /api/tags HTTP/1.1\r\nHost: localhost\r\n\r\n').ended
      open()

      expect(draining).toBe('draining')
      const refusal = parseMessage(refused.bytes)
      expect(refusal.startLine).toBe('HTTP/1.1 503 Service Unavailable')
      expect(Object.fromEntries(refusal.headers)).toMatchObject({ 'Retry-After': '1', Connection: 'close' })
      expect(refusal.body.toString()).toBe('{"error":"ollascope: the proxy is shutting down; try again"}')
      expect(refused.end).toBe('fin')
      const { bytes } = await client.ended
      expect(parseMessage(bytes)).toMatchObject({ complete: true, body: recordedBody(STREAM) })
      expect(await served.exited).toEqual({ code: 0, signal: null })
      expect(served.stderr()).toBe('')
      const log = served.log().filter(({ collector }) => collector === undefined)
      expect(log.map(({ msg }) => msg)).toEqual([
        'ollascope is ready: point OLLAMA_BASE_URL at the proxy, and a browser at the admin listener',
        'stopping: running exchanges may end',
        'request',
        'request',
        'stopped',
      ])
      expect(log[2]).toMatchObject({ status: 503, outcome: 'rejected', error_type: 'overloaded' })
      expect(log[3]).toMatchObject({ outcome: 'length', output_tokens: 24 })
    },
  )

  test('what does not end in time is cut, with its receipt, and the exit is 0', async () => {
    const { served, client } = await holdStream({ OLLASCOPE_DRAIN_TIMEOUT: '50ms' })

    served.child.kill('SIGTERM')

    expect(parseMessage((await client.ended).bytes).complete).toBe(false)
    expect(await served.exited).toEqual({ code: 0, signal: null })
    expect(served.log().filter(({ msg }) => msg === 'request')).toMatchObject([
      { endpoint: '/api/generate', status: 200 },
    ])
    expect(served.log().at(-1)).toMatchObject({ msg: 'stopped' })
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('a second %s ends it at once: exit %i', async (signal, code) => {
    const { served } = await holdStream({ OLLASCOPE_DRAIN_TIMEOUT: '10m' })

    served.child.kill(signal)
    await waitFor('the first to be heard', () => served.log().some(({ msg }) => String(msg).startsWith('stopping')))
    served.child.kill(signal)

    expect(await served.exited).toEqual({ code, signal: null })
    expect(served.stderr()).toBe('')
  })

  test('stops as well where it does nothing', async () => {
    const standIn = await startStandIn()
    const served = await startServe(standIn.port)
    served.child.kill('SIGTERM')
    expect(await served.exited).toEqual({ code: 0, signal: null })
  })
})

describe('serve, whose stdout', () => {
  test('is closed, goes on and counts every line that is lost', async () => {
    const standIn = await startStandIn()
    const served = await startServe(standIn.port)
    served.child.stdout?.destroy()

    const lost = async () => (await served.samples()).value('ollascope_log_lines_dropped_total') ?? 0

    // The first lines may still find a buffer of the operating system's.
    const atFirst = await waitFor('a lost line to be counted', async () => {
      await playRecorded(served.proxyPort, 'version')
      const lines = await lost()
      return lines > 0 && lines
    })
    for (let each = 0; each < 5; each++) await playRecorded(served.proxyPort, STREAM)

    expect(await lost()).toBeGreaterThanOrEqual(atFirst + 5)
    expect((await served.samples()).sum('ollama_tokens_total', { type: 'output' })).toBe(5 * 24)
    expect(served.child.exitCode).toBeNull()
    served.child.kill('SIGTERM')
    expect((await served.exited).code).toBe(0)
    expect(served.stderr()).toBe('')
  })
})

describe('what people say', () => {
  const CANARY = 'canary-7f3a9c'
  test('shows neither in stdout nor in the metrics, nor in the status', async () => {
    const standIn = await startStandIn()
    const served = await startServe(standIn.port, { env: { OLLASCOPE_LOG_LEVEL: 'trace' } })
    const headers = { authorization: `Bearer ${CANARY}`, cookie: CANARY, 'x-custom': CANARY, traceparent: CANARY }
    const calls: readonly (readonly [path: string, body?: object])[] = [
      ['/api/chat', { model: 'chat:270m', messages: [{ role: 'user', content: CANARY }], options: { stop: CANARY } }],
      ['/api/generate', { model: 'gemma3:270m', prompt: CANARY, system: CANARY, suffix: CANARY, stream: false }],
      ['/v1/chat/completions', { model: 'chat:270m', messages: [{ role: 'system', content: CANARY }], user: CANARY }],
      ['/api/embed', { model: 'all-minilm:l6', input: [CANARY] }],
      [`/api/version?key=${CANARY}`],
      [`/api/nothing?key=${CANARY}#${CANARY}`],
    ]
    for (const [path, body] of calls) {
      const init = body === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(body) }
      await (await fetch(`${served.proxyUrl}${path}`, init)).arrayBuffer()
    }
    // What the model says is as private as what it is told. The refusal of a broken body may quote it, too.
    await playRecorded(served.proxyPort, STREAM)
    await fetch(`${served.proxyUrl}/api/chat`, { method: 'POST', headers, body: `{"model": ${CANARY}` })
    openRaw(served.proxyPort, `${CANARY}\r\n\r\n`)
    await served.receipts(calls.length + 3)

    const { body: status } = await readJson(`${served.adminUrl}/status`)
    const everything = [served.stdout(), served.stderr(), await served.scrape(), JSON.stringify(status)].join('\n')
    expect(standIn.seen.some(({ request }) => request.body.includes(CANARY))).toBe(true)
    expect(everything).not.toContain(CANARY)
    expect(everything).not.toContain('sun is shining') // what the recorded model said
    expect(everything).toContain('"endpoint":"/api/chat"')
  })
})

/** A `serve` with a stream that stands still in its middle until it is opened. */
async function holdStream(env: Record<string, string> = {}): Promise<{
  readonly served: Served
  readonly client: RawClient
  readonly open: () => void
}> {
  const { gate, open } = createGate(3)
  const standIn = await startStandIn({ speed: 0, gate })
  const served = await startServe(standIn.port, { env })
  const { method, path, body = '' } = recordingNamed(STREAM).request
  const client = openRaw(
    served.proxyPort,
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  await client.until((bytes) => bytes.includes('"done":false'))
  return { served, client, open }
}

function recordedBody(name: string): Buffer {
  return parseMessage(Buffer.concat(recordingNamed(name).response.chunks.map(({ bytes }) => bytes))).body
}

async function readJson(url: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(url)
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}
