import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage, type RawClient, type RawMessage } from '../helpers/raw.ts'
import { answer, answerEach, chunk, parseRequests, post, settled, startPair } from '../helpers/upstream.ts'
import { waitFor } from '../helpers/wait.ts'

const STREAM_HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n'
const LINE = '{"response":"one","done":false}\n'
const LAST = '{"response":"","done":true,"done_reason":"stop"}\n'
const END = '0\r\n\r\n'
const LIMIT_MS = 200
const IDLE = { OLLASCOPE_IDLE_TIMEOUT: `${LIMIT_MS}ms` }
/** Where something has to happen within the limit: time enough for a slow machine. */
const LONGER = { OLLASCOPE_IDLE_TIMEOUT: '1s' }
const MIB = 1024 * 1024

const isWhole = (bytes: Buffer) => bytes.includes('\r\n\r\n') && parseMessage(bytes).complete

/** Does it again and again, until the end of the test at the latest. @returns what ends it */
function every(ms: number, act: () => void): () => void {
  const timer = setInterval(act, ms)
  onTestFinished(() => clearInterval(timer))
  return () => clearInterval(timer)
}

describe('an upload that stalls', () => {
  it.each([
    ['with a length', 'Content-Length: 1000', 'half of the body'],
    ['chunked', 'Transfer-Encoding: chunked', chunk('half of the body')],
  ])('(%s) is told as 408 at the idle limit: the upstream never sees a whole body', async (_title, framing, part) => {
    const { app, upstream } = await startPair(undefined, IDLE)
    const startMs = performance.now()
    const client = openRaw(app.proxyPort, `POST /api/create HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n${part}`)
    const connection = await upstream.next()
    const { startLine, body } = parseMessage(await client.until(isWhole))
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(LIMIT_MS)
    expect(startLine).toBe('HTTP/1.1 408 Request Timeout')
    expect(body.toString()).toContain('ollascope: nothing more of the request')
    await connection.left
    expect(connection.received().includes('half of the body')).toBe(true)
    expect(parseRequests(connection.received())).toEqual([])
    expect(await settled(app, 1)).toMatchObject([
      { status: 408, outcome: 'timeout', error_type: 'upload_timeout', request_bytes: 16 },
    ])
  })

  it('though it was asked for its body is told as 408', async () => {
    const { app, upstream } = await startPair(undefined, IDLE)
    const head = 'POST /api/create HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n'
    const client = openRaw(app.proxyPort, head)
    const connection = await upstream.next()
    connection.socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    const bytes = await client.until((got) => /\r\n\r\nHTTP.*\r\n\r\n/s.test(got.toString()) && isWhole(got))
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 408 /)
    await connection.left
    expect(parseRequests(connection.received())).toEqual([])
    expect(await settled(app, 1)).toMatchObject([{ status: 408, error_type: 'upload_timeout' }])
  })

  it('while it is read before the upstream is asked is told as 408: the upstream sees nothing', async () => {
    const { app, upstream } = await startPair(undefined, { ...IDLE, OLLASCOPE_MAX_CONTEXT_LENGTH: '10' })
    const client = openRaw(app.proxyPort, 'POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{}')
    expect(parseMessage(await client.until(isWhole)).startLine).toMatch(/ 408 /)
    expect(await settled(app, 1)).toMatchObject([{ status: 408, error_type: 'upload_timeout', request_bytes: 2 }])
    expect(upstream.connections).toHaveLength(0)
  })
})

it('an upload that the upstream does not take is told as 504', async () => {
  const { app, upstream } = await startPair(({ socket }) => socket.pause(), LONGER)
  const client = openRaw(app.proxyPort, `POST /api/create HTTP/1.1\r\nHost: x\r\nContent-Length: ${64 * MIB}\r\n\r\n`)
  const block = Buffer.alloc(MIB, 'x')
  const pour = () => {
    while (client.socket.writable && client.socket.write(block));
  }
  client.socket.on('drain', pour)
  pour()
  const connection = await upstream.next()
  const { startLine, body } = parseMessage(await client.until(isWhole))
  expect(startLine).toBe('HTTP/1.1 504 Gateway Timeout')
  expect(body.toString()).toContain('took nothing of the upload')
  connection.socket.resume()
  await connection.left
  expect(parseRequests(connection.received())).toEqual([])
  client.socket.destroy()
  const [receipt] = await settled(app, 1)
  expect(receipt).toMatchObject({ status: 504, outcome: 'timeout', error_type: 'upstream_timeout' })
  expect(receipt?.request_bytes).toBeLessThan(64 * MIB)
})

describe('what moves', () => {
  const SLOW = { OLLASCOPE_IDLE_TIMEOUT: '3s', OLLASCOPE_FIRST_BYTE_TIMEOUT: '3s' }
  const LONG_MS = 8000

  it('is never cut, however long it takes: an upload, a stream, a client that reads', async () => {
    const bulk = Buffer.alloc(128 * MIB, 'y')
    const { app, upstream } = await startPair((connection) => {
      if (connection.received().includes('/api/bulk')) {
        const head = `HTTP/1.1 200 OK\r\nContent-Length: ${bulk.length}\r\nConnection: close\r\n\r\n`
        connection.socket.write(Buffer.concat([Buffer.from(head), bulk]))
      } else if (!connection.received().includes('/api/create')) connection.socket.write(STREAM_HEAD)
    }, SLOW)

    const upload = openRaw(
      app.proxyPort,
      'POST /api/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n',
    )
    const uploaded = await upstream.next()
    const stopUpload = every(50, () => upload.socket.write(chunk('x')))

    const stream = openRaw(app.proxyPort, post('/api/generate', '{"model":"m"}', ['Connection: close']))
    const streamed = await upstream.next()
    const stopStream = every(50, () => streamed.socket.write(chunk(LINE)))

    // So much at a time that the kernel's buffers do not hide it.
    const reader = connect({ port: app.proxyPort, host: '127.0.0.1' })
    reader.write('GET /api/bulk HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    let read = 0
    let mayRead = 0
    reader.on('data', ({ length }: Buffer) => {
      read += length
      mayRead -= length
      if (mayRead <= 0) reader.pause()
    })
    const stopReading = every(400, () => {
      mayRead = 4 * MIB
      reader.resume()
    })

    await pause(LONG_MS)
    stopUpload()
    stopStream()
    stopReading()
    mayRead = Infinity
    upload.socket.write(END)
    const [request] = parseRequests(await uploaded.until((bytes) => parseRequests(bytes).length === 1))
    expect(request?.body.toString()).toMatch(/^x{3,}$/)
    uploaded.socket.write(answer('{"status":"success"}'))
    streamed.socket.write(`${chunk(LAST)}${END}`)
    reader.resume()
    const [up, down] = await Promise.all([upload.ended, stream.ended, once(reader, 'close')])
    expect(parseMessage(up.bytes)).toMatchObject({ startLine: 'HTTP/1.1 200 OK', complete: true })
    expect(parseMessage(down.bytes).body.toString()).toMatch(new RegExp(`^(${LINE}){3,}${LAST}$`))
    expect(parseMessage(down.bytes).complete).toBe(true)
    expect(read).toBeGreaterThan(bulk.length)
    const receipts = await settled(app, 3)
    expect(receipts.map(({ outcome }) => outcome).sort()).toEqual(['stop', 'success', 'success'])
    for (const { duration_ms } of receipts) expect(duration_ms).toBeGreaterThan(LONG_MS - 100)
  })
})

/** Pours an endless answer into every connection, and counts what it got rid of. */
async function startPouring(head: string, env: Record<string, string>) {
  const block = Buffer.alloc(MIB, 'y')
  let written = 0
  const pair = await startPair(({ socket }) => {
    socket.write(head)
    const pour = () => {
      while (socket.writable && written < 512 * MIB) {
        written += block.length
        if (!socket.write(block)) return
      }
    }
    socket.on('drain', pour)
    pour()
  }, env)
  return { ...pair, written: () => written }
}

function openDeaf(port: number, bytes: string): RawClient {
  const client = openRaw(port, bytes)
  client.socket.pause()
  return client
}

describe('a client that does not read', () => {
  const POURING = `HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: ${1024 * MIB}\r\n\r\n${LINE}`

  it('is cut at the write limit, with the phase, in bounded memory', async () => {
    const before = process.memoryUsage()
    const { app, upstream, written } = await startPouring(POURING, LONGER)
    const client = openDeaf(app.proxyPort, post('/api/generate', '{"model":"m"}'))
    const connection = await upstream.next()
    await connection.left
    const after = process.memoryUsage()
    expect(written()).toBeLessThan(64 * MIB)
    expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(64 * MIB)
    expect(await settled(app, 1)).toMatchObject([
      { status: 200, outcome: 'client_abort', error_type: 'client_abort', abort_phase: 'decoding' },
    ])
    expect((await app.samples()).sum('ollama_inference_aborts_total', { phase: 'decoding' })).toBe(1)
    client.socket.resume()
    const { bytes } = await client.ended
    expect(parseMessage(bytes).complete).toBe(false)
  })

  it('is cut when its whole time is over', async () => {
    const { app, upstream } = await startPouring(POURING, { OLLASCOPE_REQUEST_TIMEOUT: '2s' })
    const client = openDeaf(app.proxyPort, post('/api/generate', '{"model":"m"}'))
    await (
      await upstream.next()
    ).left
    expect(await settled(app, 1)).toMatchObject([{ outcome: 'timeout', error_type: 'upstream_timeout' }])
    client.socket.resume()
    expect(parseMessage((await client.ended).bytes).complete).toBe(false)
  })

  it('is dropped in the end: it leaves whole answers and errors where they are', async () => {
    const large = answer(JSON.stringify({ text: 'x'.repeat(64_000) }))
    const { app } = await startPair((connection) => {
      if (connection.received().includes('/api/fails')) connection.socket.resetAndDestroy()
      else answerEach(() => large)(connection)
    }, IDLE)
    // Not too many fit into what is read at once: all of those are asked for.
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\nX-Pad: ${'p'.repeat(1000)}\r\n\r\n`
    const client = openDeaf(app.proxyPort, (get('/api/version') + get('/api/fails')).repeat(1000))
    const { sum } = await waitFor('the end of all', async () => {
      const samples = await app.samples()
      return samples.sum('ollama_requests_total') > 0 && samples.value('ollama_active_requests') === 0 && samples
    })
    const receipts = await settled(app, sum('ollama_requests_total'))
    expect(receipts.length).toBeLessThan(2000)
    const types = receipts.map(({ error_type }) => error_type)
    expect(types.filter((type) => type === undefined).length).toBeGreaterThan(10)
    expect(types.filter((type) => type === 'upstream_reset').length).toBeGreaterThan(10)
    const others = types.filter((type) => type !== undefined && type !== 'upstream_reset')
    expect(new Set([...others, 'client_abort'])).toEqual(new Set(['client_abort']))
    client.socket.resume()
    await client.ended
  })
})

describe('pipelined answers', () => {
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

  /** The answers that these bytes begin with; all have a length or are chunked. */
  function messages(bytes: Buffer): RawMessage[] {
    const found: RawMessage[] = []
    for (let rest = bytes; rest.includes('\r\n\r\n');) {
      const message = parseMessage(rest)
      if (!message.complete) break
      found.push(message)
      const length = message.headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
      const headEnd = rest.indexOf('\r\n\r\n') + 4
      rest = rest.subarray(length === undefined ? rest.indexOf(END) + END.length : headEnd + Number(length))
    }
    return found
  }

  async function countOver(app: RunningApp, count: number): Promise<void> {
    await waitFor(`${count} in flight`, async () => (await app.samples()).value('ollama_active_requests') === count)
  }

  it('that wait behind a slow one are not cut while it is not their turn', async () => {
    const body = 'z'.repeat(MIB)
    const last = get('/api/large').replace('Host', 'Connection: close\r\nHost')
    const { app, upstream } = await startPair(undefined, { ...LONGER, OLLASCOPE_FIRST_BYTE_TIMEOUT: '10m' })
    const client = openRaw(app.proxyPort, get('/api/slow') + get('/api/small') + last)
    const connections = [await upstream.next(), await upstream.next(), await upstream.next()]
    const at = (path: string) => connections.find(({ received }) => received().includes(path))?.socket
    at('/api/small')?.write(answer('{}'))
    at('/api/large')?.write(answer(body)) // more than waits in the proxy: the rest waits in the upstream
    await countOver(app, 3)
    await pause(2500)
    await countOver(app, 3)
    at('/api/slow')?.write(answer('{"slow":true}'))
    const { bytes } = await client.ended
    expect(messages(bytes).map((one) => one.body.toString())).toEqual(['{"slow":true}', '{}', body])
    const receipts = await settled(app, 3)
    expect(receipts.map(({ outcome }) => outcome)).toEqual(['success', 'success', 'success'])
  })

  it('have all of their time to be read when it is their turn', async () => {
    const limitMs = 4000
    const body = 'z'.repeat(64 * 1024)
    const count = 200
    const last = get('/api/last').replace('Host', 'Connection: close\r\nHost')
    const { app, upstream } = await startPair(
      (connection) => {
        if (!connection.received().includes('/api/slow')) answerEach(() => answer(body))(connection)
      },
      { OLLASCOPE_IDLE_TIMEOUT: `${limitMs}ms`, OLLASCOPE_FIRST_BYTE_TIMEOUT: '10m' },
    )
    const client = openDeaf(app.proxyPort, get('/api/slow') + get('/api/next').repeat(count - 1) + last)
    const connections = [await upstream.next()]
    for (let i = 0; i < count; i++) connections.push(await upstream.next())
    const slow = connections.find(({ received }) => received().includes('/api/slow'))
    await pause(limitMs + 500)
    slow?.socket.write(answer('{}'))
    await app.receipts(2)
    await pause(1000) // less than the limit: it is behind with reading, and not too late
    client.socket.resume()
    const { bytes } = await client.ended
    expect(messages(bytes)).toHaveLength(count + 1)
    const receipts = await settled(app, count + 1)
    expect(new Set(receipts.map(({ outcome }) => outcome))).toEqual(new Set(['success']))
  })

  it('that the upstream does not go on with are cut behind those before them', async () => {
    const { app, upstream } = await startPair(undefined, { ...IDLE, OLLASCOPE_FIRST_BYTE_TIMEOUT: '10m' })
    const client = openRaw(app.proxyPort, get('/api/slow') + get('/api/stalls'))
    const connections = [await upstream.next(), await upstream.next()]
    const at = (path: string) => connections.find(({ received }) => received().includes(path))
    at('/api/stalls')?.socket.write(STREAM_HEAD + chunk('half'))
    await at('/api/stalls')?.left
    at('/api/slow')?.socket.write(answer('{"slow":true}'))
    const { bytes } = await client.ended
    expect(bytes.toString()).toContain('{"slow":true}HTTP/1.1 200 OK\r\n')
    expect(bytes.toString().endsWith(chunk('half'))).toBe(true)
    expect(await settled(app, 2)).toMatchObject([
      { outcome: 'success' },
      { outcome: 'timeout', error_type: 'idle_timeout' },
    ])
  })
})
