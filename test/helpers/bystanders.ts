import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { recordingHeader } from '../../src/demo/pick.ts'
import type { Served } from './process.ts'
import { openRaw, parseMessage } from './raw.ts'
import { connectionsWith } from './rss.ts'
import { recordingNamed } from './stand-in.ts'
import { waitFor } from './wait.ts'

/** What well-behaved clients ask for while others do not behave: a stream and an answer in one piece. */
const WANTED = ['generate-stream-warm', 'generate-json'] as const

export interface Player {
  readonly port: number
  readonly close: () => Promise<void>
}

/** An Ollama that plays recordings to those who ask for one by its name, and leaves all others to `handle`. */
export async function servePlayer(handle: (req: IncomingMessage, res: ServerResponse) => void): Promise<Player> {
  const server = createServer({ requestTimeout: 0 }, (req, res) => {
    const name = req.headers[recordingHeader.toLowerCase()]
    if (typeof name === 'string') play(name, req)
    else if (req.headers['x-request-id'] !== undefined) handle(req, res)
    else res.writeHead(200, { Connection: 'close' }).end('{"models":[]}') // a poll of the product
  })
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 2048 }, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const PIECE = Buffer.alloc(1024 * 1024, 'x')

/** An answer without end, as fast as it is taken. */
export function sendForEver(res: ServerResponse): void {
  const more = () => {
    while (res.write(PIECE));
  }
  res.on('drain', more)
  more()
}

function play(name: string, { socket }: IncomingMessage): void {
  for (const { bytes } of recordingNamed(name).response.chunks) socket.write(bytes)
  socket.end()
}

/**
 * Does something again and again until the work is done.
 * @param atLeast so often it is done in any case
 * @returns how often that was
 */
export async function repeatWhile(
  work: Promise<unknown>,
  step: (round: number) => Promise<void>,
  atLeast = 1,
): Promise<number> {
  const running = { now: true }
  const stop = () => (running.now = false)
  work.then(stop, stop)
  let rounds = 0
  for (; running.now || rounds < atLeast; rounds++) {
    await step(rounds)
    await pause(50) // the machine is for the others
  }
  return rounds
}

/**
 * Sends well-behaved requests, one after the other, until the work is done, and checks every byte that comes.
 * @returns what the work gives, and how many requests were served
 */
export async function serveWhile<T>(port: number, work: Promise<T>): Promise<{ result: T; served: number }> {
  const rounds = await repeatWhile(work, async () => {
    for (const name of WANTED) await askFor(port, name)
  })
  return { result: await work, served: rounds * WANTED.length }
}

/** Gets a recording through the proxy; rejects where not every byte is as it was recorded. */
export async function askFor(port: number, name: string): Promise<void> {
  const { request, response } = recordingNamed(name)
  const { method, path, body = '' } = request
  const head = [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', `${recordingHeader}: ${name}`]
  const length = `Content-Length: ${Buffer.byteLength(body)}`
  const { bytes, end } = await openRaw(port, `${[...head, length].join('\r\n')}\r\n\r\n${body}`).ended
  const expected = parseMessage(Buffer.concat(response.chunks.map((chunk) => chunk.bytes)))
  const got = parseMessage(bytes)
  if (end !== 'fin' || got.startLine !== expected.startLine || !got.complete || !got.body.equals(expected.body))
    throw new Error(`${name} was served otherwise than recorded (${end}): ${bytes.toString('latin1')}`)
}

/**
 * Waits until nothing is left of any request, and checks that each has its receipt and that the counters say the same.
 * @returns how many requests ended in which way, `endpoint status outcome error_type`
 */
export async function calmAfter(served: Served, upstreamPort: number): Promise<Record<string, number>> {
  const gone = (port: number) => () => connectionsWith(served, port) === 0
  await waitFor('the clients to be gone', gone(served.proxyPort))
  await waitFor('the connections to the upstream to be gone', gone(upstreamPort))
  const samples = await served.samples()
  const total = samples.sum('ollama_requests_total')
  const receipts = await served.receipts(total)
  expect(samples.value('ollama_active_requests')).toBe(0)
  expect(receipts).toHaveLength(total)
  expect(samples.sum('ollama_errors_total')).toBe(receipts.filter(({ error_type }) => error_type !== undefined).length)
  expect(served.child.exitCode).toBeNull()
  expect(served.stderr()).toBe('')
  const ways = receipts.map((one) => [one.endpoint, one.status, one.outcome, one.error_type].filter(Boolean).join(' '))
  return Object.fromEntries([...Map.groupBy(ways, (way) => way)].map(([way, all]) => [way, all.length]))
}
