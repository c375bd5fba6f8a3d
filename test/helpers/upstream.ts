import { once } from 'node:events'
import { expect, onTestFinished } from 'vitest'
import { createRequestReader, type ReadRequest } from '../../src/demo/request-reader.ts'
import { startApp, type LogLine, type RunningApp } from './app.ts'
import { openRaw, parseMessage, record, serveRaw, type Recorder } from './raw.ts'

export interface Upstream {
  readonly port: number
  /** The connections so far that carried a proxied request, or anything else but a poll of the product's own. */
  readonly connections: readonly Recorder[]
  /** The next such connection, when its first head is in. */
  readonly next: () => Promise<Recorder>
  readonly close: () => Promise<void>
}

/** An upstream on bare sockets that a test plays. The product's polls, which carry no request id, are refused aside. */
async function serveUpstream(play?: (connection: Recorder) => void): Promise<Upstream> {
  const connections: Recorder[] = []
  const arrivals = new EventTarget()
  let taken = 0
  const accept = (connection: Recorder) => {
    connections.push(connection)
    play?.(connection)
    arrivals.dispatchEvent(new Event('connection'))
  }
  const server = await serveRaw((socket) => {
    const connection = record(socket)
    connection.until(hasHead).then(
      (bytes) => {
        if (/\r\nx-request-id:/i.test(bytes.toString('latin1'))) accept(connection)
        else socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      },
      () => accept(connection),
    )
  })
  return {
    port: server.port,
    connections,
    async next() {
      taken += 1
      const mine = taken
      while (connections.length < mine) await once(arrivals, 'connection')
      const connection = connections[mine - 1]
      if (connection === undefined) throw new Error('no connection')
      return connection
    },
    close: server.close,
  }
}

/** The whole product in front of an upstream that the test plays; both end with the test. */
export async function startPair(
  play?: (connection: Recorder) => void,
  env: Record<string, string> = {},
): Promise<{ readonly app: RunningApp; readonly upstream: Upstream }> {
  const upstream = await serveUpstream(play)
  const app = await startApp(upstream.port, env)
  onTestFinished(async () => {
    await app.close()
    await upstream.close()
  })
  return { app, upstream }
}

export function hasHead(bytes: Buffer): boolean {
  return bytes.includes('\r\n\r\n')
}

/** Whether the bytes hold this text. */
export function holds(text: string): (bytes: Buffer) => boolean {
  return (bytes) => bytes.includes(text)
}

/** The whole requests that these bytes are, one after the other, strictly read; what is none throws. */
export function parseRequests(bytes: Buffer): ReadRequest[] {
  const requests: ReadRequest[] = []
  const reader = createRequestReader({
    onHead: () => undefined,
    onRequest: (request) => requests.push(request),
    onError: (status) => {
      throw new Error(`no request (${status}): ${bytes.toString('latin1')}`)
    },
  })
  reader.push(bytes)
  return requests
}

/** Answers each whole request of a connection by what `answer` gives for it. */
export function answerEach(answer: (request: ReadRequest, index: number) => string): (connection: Recorder) => void {
  return (connection) => {
    let answered = 0
    const look = () => {
      for (const request of parseRequests(connection.received()).slice(answered)) {
        connection.socket.write(answer(request, answered))
        answered += 1
      }
    }
    connection.socket.on('data', look)
    look()
  }
}

/** A whole answer with its length. */
export function answer(body: string, status = '200 OK', type = 'application/json'): string {
  return `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** One piece of a chunked body. */
export function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

/** A POST with its length. */
export function post(target: string, body: string, headers: readonly string[] = []): string {
  const lines = ['Host: x', ...headers, `Content-Length: ${Buffer.byteLength(body)}`]
  return `POST ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

/** Waits for so many receipts and checks what holds whatever happened: the counters say the same, nothing hangs. */
export async function settled(app: RunningApp, count: number): Promise<readonly LogLine[]> {
  const receipts = await app.receipts(count)
  const samples = await app.samples()
  const failed = receipts.filter(({ error_type }) => error_type !== undefined)
  expect(receipts).toHaveLength(count)
  expect(samples.sum('ollama_requests_total')).toBe(count)
  expect(samples.sum('ollama_errors_total')).toBe(failed.length)
  expect(samples.value('ollama_active_requests')).toBe(0)
  for (const type of new Set(failed.map(({ error_type }) => String(error_type)))) {
    const ofType = failed.filter(({ error_type }) => error_type === type)
    expect(samples.value('ollama_errors_total', { error_type: type })).toBe(ofType.length)
  }
  return receipts
}

/**
 * Waits until a count stands still, however long that takes: another request is served 20 times without it moving.
 * @returns how many requests that were; the upstream has to answer GET /api/tags with `{}`
 */
export async function standsStill(app: RunningApp, count: () => number): Promise<number> {
  let rounds = 0
  for (let still = 0, last = -1; still < 20; rounds++) {
    const client = openRaw(app.proxyPort, 'GET /api/tags HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    expect(parseMessage((await client.ended).bytes).body.toString()).toBe('{}')
    still = count() === last ? still + 1 : 0
    last = count()
  }
  return rounds
}
