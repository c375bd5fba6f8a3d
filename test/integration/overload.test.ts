import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import {
  openRaw,
  parseMessage,
  record,
  serveRaw,
  type RawClient,
  type RawMessage,
  type Recorder,
} from '../helpers/raw.ts'
import {
  answer,
  answerEach,
  chunk,
  hasHead,
  holds,
  parseRequests,
  post,
  settled,
  startPair,
} from '../helpers/upstream.ts'
import { waitFor } from '../helpers/wait.ts'

const NDJSON = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n'
const FIRST = chunk('{"response":"one","done":false}\n')
const LAST = `${chunk('{"response":"","done":true,"done_reason":"stop"}\n')}0\r\n\r\n`
const GET = 'GET /api/tags HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
const OVERLOADED = { status: 503, outcome: 'rejected', error_type: 'overloaded' }

const served = answerEach(() => answer('{}'))

function stream(app: RunningApp): RawClient {
  return openRaw(app.proxyPort, post('/api/generate', '{"model":"m"}', ['Connection: close']))
}

function begin({ socket }: Recorder): void {
  socket.write(NDJSON + FIRST)
}

async function ask(app: RunningApp, request: string, localAddress = '127.0.0.1'): Promise<RawMessage> {
  const client = record(connect({ port: app.proxyPort, host: '127.0.0.1', localAddress }))
  client.socket.write(request)
  return parseMessage((await client.ended).bytes)
}

function headerOf({ headers }: RawMessage, name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1]
}

describe('as many requests as may be under way', () => {
  it('let no further one in, until one of them ends', async () => {
    const { app, upstream } = await startPair(undefined, { OLLASCOPE_MAX_IN_FLIGHT: '2' })
    const streams = [stream(app), stream(app)] as const
    const connections = [await upstream.next(), await upstream.next()] as const
    for (const connection of connections) begin(connection)
    await Promise.all(streams.map((one) => one.until(holds('one'))))

    for (const [path, errorOf] of [
      ['/api/generate', (body: { error: string }) => body.error],
      ['/v1/chat/completions', (body: { error: { message: string } }) => body.error.message],
    ] as const) {
      const message = await ask(app, post(path, '{"model":"m"}', ['Connection: close']))
      expect(message.startLine).toBe('HTTP/1.1 503 Service Unavailable')
      expect(headerOf(message, 'retry-after')).toBe('1')
      expect(errorOf(JSON.parse(message.body.toString()) as never)).toBe(
        'ollascope: 2 requests are under way already, as many as OLLASCOPE_MAX_IN_FLIGHT allows; try again later',
      )
    }
    expect(upstream.connections).toHaveLength(2)
    expect((await app.samples()).value('ollama_active_requests')).toBe(2)

    // It does not matter how one ends.
    streams[0].socket.destroy()
    await app.receipts(3)
    const third = stream(app)
    const next = await upstream.next()
    next.socket.write(NDJSON + FIRST + LAST)
    expect(parseMessage((await third.ended).bytes).complete).toBe(true)
    connections[1].socket.write(LAST)
    expect(parseMessage((await streams[1].ended).bytes).complete).toBe(true)
    const receipts = await settled(app, 5)
    expect(receipts).toMatchObject([
      OVERLOADED,
      OVERLOADED,
      { outcome: 'client_abort' },
      { outcome: 'stop' },
      { outcome: 'stop' },
    ])
  })

  it('do not include what was denied or refused, though it may still be sending', async () => {
    const env = { OLLASCOPE_MAX_IN_FLIGHT: '1', OLLASCOPE_POLICY: 'inference-only' }
    const { app, upstream } = await startPair(undefined, env)
    const unfinished = post('/api/delete', '').replace(': 0', ': 99')
    const denied = openRaw(app.proxyPort, unfinished.replace('POST', 'DELETE'))
    await denied.until(holds(' 403 '))
    const first = stream(app)
    begin(await upstream.next())
    await first.until(holds('one'))
    const refused = openRaw(app.proxyPort, unfinished.replace('/api/delete', '/api/chat'))
    await refused.until(holds(' 503 '))
    first.socket.destroy()
    await app.receipts(3)
    const second = stream(app)
    ;(await upstream.next()).socket.write(NDJSON + LAST)
    expect(parseMessage((await second.ended).bytes).startLine).toBe('HTTP/1.1 200 OK')
    for (const client of [denied, refused]) client.socket.destroy()
    const receipts = await settled(app, 4)
    expect(receipts.map(({ outcome }) => outcome)).toEqual(['denied', 'rejected', 'client_abort', 'stop'])
  })

  it('include a body that is held, and what is pipelined', async () => {
    const env = { OLLASCOPE_MAX_IN_FLIGHT: '1', OLLASCOPE_STREAMING: 'false' }
    const { app, upstream } = await startPair(undefined, env)
    const underWay = (count: number) =>
      waitFor('requests', async () => (await app.samples()).value('ollama_active_requests') === count)
    const held = openRaw(app.proxyPort, post('/api/chat', '').replace(': 0', ': 99'))
    await underWay(1)
    expect((await ask(app, GET)).startLine).toContain(' 503 ')
    held.socket.destroy()
    await app.receipts(2)
    const pipelined = openRaw(app.proxyPort, GET.replace('Connection: close\r\n', '') + GET)
    await underWay(2)
    ;(await upstream.next()).socket.write(answer('{}'))
    const text = (await pipelined.ended).bytes.toString()
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 503'])
    expect(upstream.connections).toHaveLength(1)
    await settled(app, 4)
  })
})

describe('as many requests as may come in a minute', () => {
  const LIMIT = { OLLASCOPE_MAX_REQUESTS_PER_MINUTE: '2' }

  function from(...forwardedFor: string[]): string {
    return GET.replace('\r\n\r\n', `\r\n${forwardedFor.map((one) => `X-Forwarded-For: ${one}\r\n`).join('')}\r\n`)
  }

  async function statuses(app: RunningApp, requests: readonly string[], localAddress?: string): Promise<number[]> {
    const all: number[] = []
    for (const request of requests) {
      all.push(Number((await ask(app, request, localAddress)).startLine.split(' ')[1]))
    }
    return all
  }

  it('are those of an address, and the next one is told when to come', async () => {
    const { app, upstream } = await startPair(served, LIMIT)
    expect(await statuses(app, [GET, GET])).toEqual([200, 200])
    const message = await ask(app, GET)
    expect(message.startLine).toBe('HTTP/1.1 429 Too Many Requests')
    const seconds = Number(headerOf(message, 'retry-after'))
    expect([seconds >= 1, seconds <= 60, Number.isInteger(seconds)]).toEqual([true, true, true])
    expect(JSON.parse(message.body.toString())).toEqual({
      error: `ollascope: more than 2 requests in a minute (OLLASCOPE_MAX_REQUESTS_PER_MINUTE); try again in ${seconds} s`,
    })
    expect(await statuses(app, [GET, GET, GET], '127.0.0.2')).toEqual([200, 200, 429])
    const requests = upstream.connections.flatMap((one) => parseRequests(one.received()))
    expect(requests).toHaveLength(4)
    const receipts = await settled(app, 6)
    expect(receipts.filter(({ status }) => status === 429)).toMatchObject(
      Array(2).fill({ outcome: 'denied', error_type: 'rate_limited' }) as object[],
    )
  })

  it('are of whom a client says only where that is a trusted proxy', async () => {
    const { app } = await startPair(served, { ...LIMIT, OLLASCOPE_TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/8' })
    const some = Array.from({ length: 3 }, (_, index) => from(`203.0.113.${index}`))
    expect(await statuses(app, some)).toEqual([200, 200, 200])
    expect(await statuses(app, some, '127.0.0.2')).toEqual([200, 200, 429])
    // The last one that is not trusted counts: what stands before it anybody could have written.
    expect(await statuses(app, [from('1.1.1.1, 203.0.113.9'), from('2.2.2.2', '203.0.113.9, 10.1.1.1')])).toEqual([
      200, 200,
    ])
    expect(await statuses(app, [from('203.0.113.9'), from('127.0.0.2'), from('nobody')])).toEqual([429, 429, 200])
    await settled(app, 11)
  })

  it('are of whom nobody says where no proxy is trusted', async () => {
    const { app } = await startPair(served, LIMIT)
    const some = Array.from({ length: 3 }, (_, index) => from(`203.0.113.${index}`))
    expect(await statuses(app, some)).toEqual([200, 200, 429])
    await settled(app, 3)
  })

  it('are those of a token, from wherever it comes, and nothing that was denied counts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rate-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'tokens')
    const names = ['ann', 'bob']
    writeFileSync(file, names.map((name) => `${name}:${createHash('sha256').update(name).digest('hex')}\n`).join(''))
    const { app } = await startPair(served, {
      ...LIMIT,
      OLLASCOPE_TOKENS_FILE: file,
      OLLASCOPE_POLICY: 'inference-only',
    })
    const as = (name: string, request = GET) => request.replace('Host', `x-api-key: ${name}\r\nHost`)
    const denied = GET.replace('GET /api/tags', 'DELETE /api/delete')
    expect(await statuses(app, [GET, GET, as('eve'), as('ann', denied), as('ann', denied)])).toEqual([
      401, 401, 401, 403, 403,
    ])
    expect(await statuses(app, [as('ann')], '127.0.0.2')).toEqual([200])
    expect(await statuses(app, [as('ann'), as('ann'), as('bob')])).toEqual([200, 429, 200])
    expect(await statuses(app, [as('ann', denied)])).toEqual([403])
    const receipts = await settled(app, 10)
    expect(receipts.filter(({ status }) => status === 429)).toMatchObject([{ client: 'ann' }])
    const samples = await app.samples()
    expect(samples.value('ollama_client_requests_total', { client: 'ann', outcome: 'denied' })).toBe(4)
    expect(samples.value('ollama_client_requests_total', { client: 'ann', outcome: 'success' })).toBe(2)
  })
})

describe('the admin listener answers', () => {
  /** What it says while the proxy is full. */
  async function adminAnswers(app: RunningApp) {
    const get = (page: string) => fetch(`${app.adminUrl}${page}`)
    expect((await get('/healthz')).status).toBe(200)
    expect(await (await get('/readyz')).json()).toHaveProperty('status')
    const status = (await (await get('/status')).json()) as { in_flight: { phase: string }[] }
    return { status, samples: await app.samples() }
  }

  it('with as many streams open as may be', async () => {
    const count = 500
    const { app, upstream } = await startPair(begin, { OLLASCOPE_MAX_IN_FLIGHT: String(count) })
    const streams = Array.from({ length: count }, () => stream(app))
    await Promise.all(streams.map((one) => one.until(holds('one'))))
    expect((await ask(app, GET)).startLine).toContain(' 503 ')
    const { status, samples } = await adminAnswers(app)
    expect(status.in_flight).toHaveLength(count)
    expect(samples.value('ollama_active_requests')).toBe(count)
    for (const { socket } of upstream.connections) socket.write(LAST)
    const ended = await Promise.all(streams.map((one) => one.ended))
    expect(ended.filter(({ bytes }) => parseMessage(bytes).complete)).toHaveLength(count)
    const receipts = await settled(app, count + 1)
    expect(receipts.filter(({ outcome }) => outcome === 'stop')).toHaveLength(count)
  })

  it('with as many connections open as there is room for', async () => {
    const upstream = await serveRaw((socket) => answerEach(() => answer('{}'))(record(socket)))
    const app = await startApp(upstream.port, {}, 20)
    onTestFinished(async () => {
      await app.close()
      await upstream.close()
    })
    const keptGet = GET.replace('Connection: close\r\n', '')
    const open = Array.from({ length: 20 }, () => openRaw(app.proxyPort, keptGet))
    await Promise.all(open.map((one) => one.until(hasHead)))
    for (let i = 0; i < 3; i++) expect((await openRaw(app.proxyPort, GET).ended).bytes).toHaveLength(0)
    const { status, samples } = await adminAnswers(app)
    expect(status.in_flight).toEqual([])
    expect(samples.value('ollascope_connections_refused_total', { reason: 'limit' })).toBe(3)

    // Who is in is served, and who leaves makes room.
    open[0]?.socket.write(keptGet)
    await open[0]?.until((bytes) => bytes.toString().split('200 OK').length === 3)
    open[1]?.socket.end()
    await open[1]?.ended
    const inTime = async () => (await openRaw(app.proxyPort, GET).ended).bytes.includes('200 OK')
    await waitFor('room', inTime)
    await settled(app, 22)
    for (const { socket } of open) socket.destroy()
  })
})
