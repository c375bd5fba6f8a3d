import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request, type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { calmAfter, servePlayer } from '../helpers/bystanders.ts'
import { startServe } from '../helpers/process.ts'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { peakMiB, resetPeak, residentMiB } from '../helpers/rss.ts'

const MIB = 1024 * 1024
/** `BIG_BODY_MIB=4096` for more than 32 bits can count. */
const BODY_MIB = Number(process.env.BIG_BODY_MIB ?? 512)
/** What a body may cost in memory, however large it is, once one of WARM_MIB went through both ways. */
const GROWTH_MIB = 64
const WARM_MIB = 192
/** More than the proxy and the kernel's buffers on the way hold of a body that nobody reads. */
const HELD_MIB = 256
// A busy machine collects garbage late, once in a while; a body that is kept is kept each time.
const TIMEOUT = { timeout: 60_000 + BODY_MIB * 100, retry: 2 }

const block = randomBytes(MIB)

/** A large body that is made while it is sent: pieces of a MiB, none like another. */
class Body {
  readonly sizeMiB: number
  sentMiB = 0

  constructor(sizeMiB: number) {
    this.sizeMiB = sizeMiB
  }

  get bytes(): number {
    return this.sizeMiB * MIB
  }

  /** Waits until nothing more of it leaves, however long that takes. */
  async stuck(): Promise<void> {
    for (let still = 0, last = -1; still < 10; last = this.sentMiB) {
      still = this.sentMiB === last ? still + 1 : 0
      await pause(20)
    }
  }

  *pieces(): Generator<Buffer> {
    for (; this.sentMiB < this.sizeMiB; this.sentMiB++) {
      const piece = Buffer.from(block)
      piece.writeUInt32LE(this.sentMiB)
      yield piece
    }
  }
}

const digests = new Map<number, string>()

function digestOf({ sizeMiB }: Body): string {
  const known = digests.get(sizeMiB)
  if (known !== undefined) return known
  const hash = createHash('sha256')
  for (const piece of new Body(sizeMiB).pieces()) hash.update(piece)
  const digest = hash.digest('hex')
  digests.set(sizeMiB, digest)
  return digest
}

/** How a body is read: as it comes, or each quarter only when its sender is stuck. */
type Pace = 'at once' | 'slowly'

interface Read {
  readonly digest: string
  readonly bytes: number
  /** MiB that had left when the reader began. */
  readonly heldMiB: number
}

async function read(from: IncomingMessage, body: Body, pace: Pace): Promise<Read> {
  const hash = createHash('sha256')
  let bytes = 0
  let waitAt = body.bytes / 4
  if (pace === 'slowly') await body.stuck()
  const heldMiB = pace === 'slowly' ? body.sentMiB : 0
  for await (const part of from as AsyncIterable<Buffer>) {
    hash.update(part)
    bytes += part.length
    if (pace === 'at once' || bytes < waitAt) continue
    waitAt += body.bytes / 4
    await body.stuck()
  }
  return { digest: hash.digest('hex'), bytes, heldMiB }
}

/** Starts `serve`, before an upstream that reads this body, or sends it where it is asked for it by a GET. */
async function start(body: Body, pace: Pace, framing: OutgoingHttpHeaders, env: Record<string, string>) {
  const uploaded = Promise.withResolvers<Read>()
  const upstream = await servePlayer((req, res) => {
    if (req.url === WARM) {
      req.resume()
      req.on('end', () => void pipeline(Readable.from(new Body(WARM_MIB).pieces()), res))
    } else if (req.method === 'POST') {
      uploaded.resolve(read(req, body, pace))
      void uploaded.promise.then(() => res.writeHead(201, { Connection: 'close' }).end())
    } else {
      res.writeHead(200, { Connection: 'close', ...framing })
      void pipeline(Readable.from(body.pieces()), res)
    }
  })
  onTestFinished(upstream.close)
  const served = await startServe(upstream.port, { env })
  const ask = (method: string, path: string, headers: OutgoingHttpHeaders) =>
    request({ port: served.proxyPort, host: '127.0.0.1', method, path, headers, agent: false })
  await warmUp(ask('POST', WARM, { 'Transfer-Encoding': 'chunked' }))
  const beforeMiB = residentMiB(served)
  resetPeak(served)
  const grownMiB = () => peakMiB(served) - beforeMiB
  return { uploaded: uploaded.promise, served, ask, grownMiB, calm: () => calmAfter(served, upstream.port) }
}

const WARM = '/api/show'

/** A body both ways: what the process itself grows to belongs to no body. */
async function warmUp(req: ClientRequest): Promise<void> {
  const response = once(req, 'response') as Promise<[IncomingMessage]>
  await pipeline(Readable.from(new Body(WARM_MIB).pieces()), req)
  const [answer] = await response
  answer.resume()
  await once(answer, 'end')
}

async function upload(body: Body, pace: Pace, framing: OutgoingHttpHeaders, env: Record<string, string> = {}) {
  const digest = digestOf(body)
  const { uploaded, served, ask, grownMiB, calm } = await start(body, pace, framing, env)
  const req = ask('POST', `/api/blobs/sha256:${digest}`, framing)
  const response = once(req, 'response') as Promise<[IncomingMessage]>
  await pipeline(Readable.from(body.pieces()), req)
  const [answer] = await response
  answer.resume()

  const { heldMiB, ...got } = await uploaded
  expect(got).toEqual({ digest, bytes: body.bytes })
  expect(heldMiB).toBeLessThan(HELD_MIB)
  expect(grownMiB()).toBeLessThan(GROWTH_MIB)
  expect(answer.statusCode).toBe(201)
  expect(await calm()).toEqual({ '/api/blobs/:digest 201 success': 1, '/api/show 200 success': 1 })
  expect((await served.samples()).sum('ollama_request_bytes_total')).toBe(body.bytes + WARM_MIB * MIB)
}

async function download(body: Body, pace: Pace, framing: OutgoingHttpHeaders) {
  const { served, ask, grownMiB, calm } = await start(body, pace, framing, {})
  const [answer] = (await once(ask('GET', '/api/tags', {}).end(), 'response')) as [IncomingMessage]
  const { heldMiB, ...got } = await read(answer, body, pace)

  expect(got).toEqual({ digest: digestOf(body), bytes: body.bytes })
  expect(heldMiB).toBeLessThan(HELD_MIB)
  expect(grownMiB()).toBeLessThan(GROWTH_MIB)
  expect(await calm()).toEqual({ '/api/tags 200 success': 1, '/api/show 200 success': 1 })
  expect((await served.samples()).sum('ollama_response_bytes_total')).toBe(body.bytes + WARM_MIB * MIB)
}

const KNOWN = { 'Content-Length': BODY_MIB * MIB }
const CHUNKED = { 'Transfer-Encoding': 'chunked' }

describe(`${BODY_MIB} MiB: every byte arrives, and memory is bounded`, () => {
  test.each<[title: string, pace: Pace, framing: OutgoingHttpHeaders]>([
    ['in chunks, read at once', 'at once', CHUNKED],
    ['of a known length, read at once', 'at once', KNOWN],
    ['of a known length, read slowly', 'slowly', KNOWN],
  ])('an upload %s', TIMEOUT, (_title, pace, framing) => upload(new Body(BODY_MIB), pace, framing))

  test.each<[title: string, pace: Pace, framing: OutgoingHttpHeaders]>([
    ['of a known length, read at once', 'at once', KNOWN],
    ['in chunks, read slowly', 'slowly', CHUNKED],
  ])('a download %s', TIMEOUT, (_title, pace, framing) => download(new Body(BODY_MIB), pace, framing))
})

test('an upload on which the limits of questions have no say is not held', TIMEOUT, () =>
  upload(new Body(64), 'at once', CHUNKED, { OLLASCOPE_MAX_CONTEXT_LENGTH: '4096', OLLASCOPE_STREAMING: 'false' }),
)

test('a question that is held costs no more memory where it comes in half a million chunks', TIMEOUT, async () => {
  const question = `{"model":"a","prompt":"${'x'.repeat(500_000)}","options":{"num_ctx":8}}`
  const arrived = Promise.withResolvers<string>()
  const upstream = await servePlayer((req, res) => {
    arrived.resolve(text(req))
    void arrived.promise.then(() => res.writeHead(200, { Connection: 'close' }).end())
  })
  onTestFinished(upstream.close)
  const served = await startServe(upstream.port, { env: { OLLASCOPE_MAX_CONTEXT_LENGTH: '8' } })
  const beforeMiB = residentMiB(served)
  resetPeak(served)
  const head =
    'POST /api/generate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n'
  const client = openRaw(served.proxyPort, `${head}${question.replaceAll(/./g, '1\r\n$&\r\n')}0\r\n\r\n`)

  expect(parseMessage((await client.ended).bytes).startLine).toBe('HTTP/1.1 200 OK')
  expect((await arrived.promise) === question).toBe(true)
  expect(peakMiB(served) - beforeMiB).toBeLessThan(160) // from a cold start; a Buffer for each piece took gigabytes
})
