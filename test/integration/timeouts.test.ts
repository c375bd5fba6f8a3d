import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp } from '../helpers/app.ts'
import { openBlackhole } from '../helpers/blackhole.ts'
import { configFile } from '../helpers/config-file.ts'
import { openRaw, parseMessage, type RawClient } from '../helpers/raw.ts'
import { answer, chunk, parseRequests, post, settled, startPair } from '../helpers/upstream.ts'

const GENERATE = post('/api/generate', '{"model":"m","prompt":"p"}')
const STREAM_HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n'
const LINE = '{"response":"one","done":false}\n'
const LAST = '{"response":"","done":true,"done_reason":"stop"}\n'
const END = '0\r\n\r\n'
const LIMIT_MS = 200

const isWhole = (bytes: Buffer) => bytes.includes('\r\n\r\n') && parseMessage(bytes).complete

/** The status and the text of a whole error of the proxy's own. */
async function errorOf(client: RawClient): Promise<readonly [status: string, text: string]> {
  const { startLine, body } = parseMessage(await client.until(isWhole))
  const text = body.toString()
  expect(text).toContain('ollascope: ')
  return [startLine.slice(9, 12), text]
}

/** Sends bytes, and gives the client and how long it is ago. */
function ask(port: number, bytes: string) {
  const startMs = performance.now()
  return { client: openRaw(port, bytes), elapsedMs: () => performance.now() - startMs }
}

describe('an upstream that does not even refuse a connection', () => {
  it.each([
    ['/api/generate', (message: string) => ({ error: message })],
    ['/v1/chat/completions', (message: string) => ({ error: { message, type: 'api_error', param: null, code: null } })],
    ['/v1/messages', (message: string) => ({ type: 'error', error: { type: 'api_error', message } })],
  ])('is told as 504 at the connect limit, in the words of %s', async (target, shape) => {
    const blackhole = await openBlackhole()
    onTestFinished(() => blackhole.close())
    const app = await startApp(blackhole.port, { OLLASCOPE_CONNECT_TIMEOUT: `${LIMIT_MS}ms` })
    onTestFinished(() => app.close())
    const { client, elapsedMs } = ask(app.proxyPort, post(target, '{"model":"m"}', ['Connection: close']))
    const { bytes, end } = await client.ended
    expect(elapsedMs()).toBeGreaterThanOrEqual(LIMIT_MS)
    expect(blackhole.swallows()).toBe(true)
    expect(end).toBe('fin')
    expect(parseMessage(bytes)).toMatchObject({ startLine: 'HTTP/1.1 504 Gateway Timeout', complete: true })
    const where = `http://127.0.0.1:${blackhole.port}`
    expect(JSON.parse(parseMessage(bytes).body.toString())).toEqual(
      shape(`ollascope: cannot reach Ollama at ${where} (connecting timed out); is it running?`),
    )
    const [receipt] = await settled(app, 1)
    expect(receipt).toMatchObject({ status: 504, outcome: 'timeout', error_type: 'connect_timeout' })
  })
})

describe('an upstream that sends no head', () => {
  it('is told as 504 at the first-byte limit, and the connection to it ends', async () => {
    const { app, upstream } = await startPair(undefined, { OLLASCOPE_FIRST_BYTE_TIMEOUT: `${LIMIT_MS}ms` })
    const { client, elapsedMs } = ask(app.proxyPort, GENERATE)
    const connection = await upstream.next()
    const [status, text] = await errorOf(client)
    expect(elapsedMs()).toBeGreaterThanOrEqual(LIMIT_MS)
    expect([status, text]).toEqual(['504', expect.stringContaining(`did not answer within ${LIMIT_MS} ms`)])
    await connection.left
    expect(parseRequests(connection.received())).toHaveLength(1)
    expect(await settled(app, 1)).toMatchObject([{ status: 504, outcome: 'timeout', error_type: 'upstream_timeout' }])
    expect(upstream.connections).toHaveLength(1)
  })

  it('costs its client no connection', async () => {
    const { app, upstream } = await startPair(undefined, { OLLASCOPE_FIRST_BYTE_TIMEOUT: `${LIMIT_MS}ms` })
    const client = openRaw(app.proxyPort, GENERATE)
    const { length } = await client.until(isWhole)
    client.socket.write('GET /api/tags HTTP/1.1\r\nHost: x\r\n\r\n')
    await upstream.next()
    const second = await upstream.next()
    second.socket.write(answer('{}'))
    await client.until((bytes) => bytes.length > length && isWhole(bytes.subarray(length)))
    expect(await settled(app, 2)).toMatchObject([{ status: 504 }, { status: 200, outcome: 'success' }])
  })

  it('may take far longer than the idle limit', async () => {
    const { app, upstream } = await startPair(undefined, { OLLASCOPE_IDLE_TIMEOUT: '100ms' })
    const client = openRaw(app.proxyPort, GENERATE)
    const { socket } = await upstream.next()
    await pause(600)
    socket.write(`${STREAM_HEAD}${chunk(LAST)}${END}`)
    expect(parseMessage(await client.until(isWhole)).body.toString()).toBe(LAST)
    expect(await settled(app, 1)).toMatchObject([{ status: 200, outcome: 'stop' }])
  })
})

describe('an upstream that stalls while it answers', () => {
  const whole = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"response":'
  const cases: [title: string, sent: string, end: string][] = [
    ['a stream', STREAM_HEAD + chunk(LINE), chunk(LINE)],
    ['a stream whose head alone came', STREAM_HEAD, '\r\n\r\n'],
    ['an answer with a length', whole, '{"response":'],
  ]

  it.each(cases)('in %s is cut at the idle limit, without one byte more', async (_title, sent, end) => {
    const { app, upstream } = await startPair(undefined, { OLLASCOPE_IDLE_TIMEOUT: `${LIMIT_MS}ms` })
    const client = openRaw(app.proxyPort, GENERATE)
    const connection = await upstream.next()
    const startMs = performance.now()
    connection.socket.write(sent)
    const { bytes } = await client.ended
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(LIMIT_MS)
    expect(parseMessage(bytes)).toMatchObject({ startLine: 'HTTP/1.1 200 OK', complete: false })
    expect(bytes.toString().endsWith(end)).toBe(true)
    await connection.left
    expect(await settled(app, 1)).toMatchObject([{ status: 200, outcome: 'timeout', error_type: 'idle_timeout' }])
  })

  it('is cut by a reset where the end of the connection would be the end of the answer', async () => {
    const { app, upstream } = await startPair(undefined, { OLLASCOPE_IDLE_TIMEOUT: `${LIMIT_MS}ms` })
    const client = openRaw(app.proxyPort, 'GET /api/tags HTTP/1.0\r\n\r\n')
    const connection = await upstream.next()
    connection.socket.write(STREAM_HEAD + chunk('half'))
    expect((await client.ended).end).toBe('ECONNRESET')
    await connection.left
    expect(await settled(app, 1)).toMatchObject([{ outcome: 'timeout', error_type: 'idle_timeout' }])
  })
})

describe('a request whose whole time is over', () => {
  const LIMITED = { OLLASCOPE_REQUEST_TIMEOUT: `${LIMIT_MS}ms` }
  /** Time enough for a slow machine to begin. */
  const BEGUN_MS = 1000
  const BEGUN = { OLLASCOPE_REQUEST_TIMEOUT: `${BEGUN_MS}ms` }
  const TIMEOUT = { outcome: 'timeout', error_type: 'upstream_timeout' }

  it('gets 504 where no answer has begun', async () => {
    const { app, upstream } = await startPair(undefined, LIMITED)
    const { client, elapsedMs } = ask(app.proxyPort, GENERATE)
    const connection = await upstream.next()
    const [status, text] = await errorOf(client)
    expect(elapsedMs()).toBeGreaterThanOrEqual(LIMIT_MS)
    expect([status, text]).toEqual(['504', expect.stringContaining('OLLASCOPE_REQUEST_TIMEOUT')])
    await connection.left
    expect(await settled(app, 1)).toMatchObject([{ status: 504, ...TIMEOUT }])
  })

  it('is cut where one has, however busily it goes on', async () => {
    const { app, upstream } = await startPair(undefined, BEGUN)
    const { client, elapsedMs } = ask(app.proxyPort, GENERATE)
    const connection = await upstream.next()
    connection.socket.write(STREAM_HEAD)
    const timer = setInterval(() => connection.socket.write(chunk(LINE)), 5)
    onTestFinished(() => clearInterval(timer))
    const { bytes } = await client.ended
    expect(elapsedMs()).toBeGreaterThanOrEqual(BEGUN_MS)
    const { body, complete } = parseMessage(bytes)
    expect(complete).toBe(false)
    expect(body.toString()).toBe(LINE.repeat(body.length / LINE.length))
    await connection.left
    expect(await settled(app, 1)).toMatchObject([{ status: 200, ...TIMEOUT }])
  })

  it('gets 408 while it uploads, however busily it goes on', async () => {
    const { app, upstream } = await startPair(undefined, BEGUN)
    const head = 'POST /api/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
    const { client, elapsedMs } = ask(app.proxyPort, head)
    const timer = setInterval(() => client.socket.write(chunk('x')), 5)
    onTestFinished(() => clearInterval(timer))
    const connection = await upstream.next()
    const [status] = await errorOf(client)
    expect(elapsedMs()).toBeGreaterThanOrEqual(BEGUN_MS)
    expect(status).toBe('408')
    await connection.left
    expect(parseRequests(connection.received())).toEqual([])
    expect(await settled(app, 1)).toMatchObject([{ status: 408, outcome: 'timeout', error_type: 'upload_timeout' }])
  })

  it('gets 504 while it waits to connect', async () => {
    const blackhole = await openBlackhole()
    onTestFinished(() => blackhole.close())
    const app = await startApp(blackhole.port, LIMITED)
    onTestFinished(() => app.close())
    const [status] = await errorOf(openRaw(app.proxyPort, GENERATE))
    expect(status).toBe('504')
    expect(blackhole.swallows()).toBe(true)
    expect(await settled(app, 1)).toMatchObject([{ status: 504, ...TIMEOUT }])
  })
})

describe('the limits of a model', () => {
  const bodyOf = (model: string) => JSON.stringify({ model, prompt: 'p' })
  const cases: [limit: string, setting: string, begun: string, verdict: Record<string, unknown>][] = [
    ['firstByteTimeout', 'OLLASCOPE_FIRST_BYTE_TIMEOUT', '', { status: 504, error_type: 'upstream_timeout' }],
    ['idleTimeout', 'OLLASCOPE_IDLE_TIMEOUT', STREAM_HEAD + chunk(LINE), { status: 200, error_type: 'idle_timeout' }],
  ]

  it.each(
    cases.flatMap((one) => [
      [...one, 'shorter', { named: `${LIMIT_MS}ms`, others: '10m' }] as const,
      [...one, 'longer', { named: '10m', others: `${LIMIT_MS}ms` }] as const,
    ]),
  )('%s stands in for %s', async (limit, setting, begun, verdict, which, { named, others }) => {
    const config = configFile(`models:\n  named:\n    ${limit}: ${named}\n`)
    const { app, upstream } = await startPair((connection) => connection.socket.write(begun), {
      ...config,
      [setting]: others,
    })
    const [quick, patient] = which === 'shorter' ? ['named:latest', 'other'] : ['other', 'named']
    const waiting = openRaw(app.proxyPort, post('/v1/completions', bodyOf(patient)))
    const connection = await upstream.next()
    const cut = openRaw(app.proxyPort, post('/api/generate', bodyOf(quick), ['Connection: close']))
    await cut.ended
    expect(await app.receipts(1)).toMatchObject([{ model: quick, outcome: 'timeout', ...verdict }])
    connection.socket.write(`${begun === '' ? STREAM_HEAD : ''}${chunk(LAST)}${END}`)
    expect(parseMessage(await waiting.until(isWhole)).complete).toBe(true)
    expect(await settled(app, 2)).toMatchObject([{ model: quick }, { model: patient, status: 200 }])
  })

  it('hold in every API', async () => {
    const config = configFile(`models:\n  named:\n    firstByteTimeout: ${LIMIT_MS}ms\n`)
    const { app } = await startPair(undefined, config)
    const targets = ['/api/chat', '/api/embed', '/v1/chat/completions', '/v1/responses', '/v1/messages']
    for (const target of targets) {
      const [status] = await errorOf(openRaw(app.proxyPort, post(target, bodyOf('named'))))
      expect(status).toBe('504')
    }
    const receipts = await settled(app, targets.length)
    expect(receipts.map(({ endpoint }) => endpoint)).toEqual(targets)
  })
})
