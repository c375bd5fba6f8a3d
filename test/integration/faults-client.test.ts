import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { openRaw, parseMessage, type Recorder } from '../helpers/raw.ts'
import {
  answer,
  answerEach,
  chunk,
  hasHead,
  holds,
  parseRequests,
  post,
  settled,
  standsStill,
  startPair,
} from '../helpers/upstream.ts'

const GENERATE = post('/api/generate', '{"model":"m","prompt":"p"}')
const STREAM_HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n'
const ABORT = { outcome: 'client_abort', error_type: 'client_abort' }
const MIB = 1024 * 1024

const leaving: [how: string, leave: (socket: Socket) => void][] = [
  ['closes', (socket) => socket.destroy()],
  ['resets', (socket) => socket.resetAndDestroy()],
  ['half-closes', (socket) => socket.end()],
]

async function expectUpstreamClosed(connection: Recorder): Promise<void> {
  const leftAt = performance.now()
  await connection.left
  expect(performance.now() - leftAt).toBeLessThan(2000)
}

describe('a client that leaves', () => {
  it.each(leaving)('before the first byte (%s) ends the upstream request', async (_how, leave) => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, GENERATE)
    const connection = await upstream.next()
    await connection.until((bytes) => parseRequests(bytes).length === 1)
    leave(client.socket)
    await expectUpstreamClosed(connection)
    expect(await settled(app, 1)).toMatchObject([{ ...ABORT, status: 499 }])
    expect((await client.ended).bytes).toHaveLength(0)
  })

  it.each(leaving)('mid-stream (%s) ends the upstream request', async (_how, leave) => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, GENERATE)
    const connection = await upstream.next()
    connection.socket.write(`${STREAM_HEAD}${chunk('{"response":"one","done":false}\n')}`)
    await client.until(holds('one'))
    leave(client.socket)
    await expectUpstreamClosed(connection)
    expect(await settled(app, 1)).toMatchObject([{ ...ABORT, status: 200, chunks: 1 }])
  })

  it('with pipelined requests ends every one of them', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, GENERATE + GENERATE)
    const first = await upstream.next()
    const second = await upstream.next()
    await second.until((bytes) => parseRequests(bytes).length === 1)
    client.socket.destroy()
    await Promise.all([expectUpstreamClosed(first), expectUpstreamClosed(second)])
    expect(await settled(app, 2)).toMatchObject([ABORT, ABORT])
  })

  it('while the upstream is not even connected is counted, and nothing is left behind', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort)
    client.socket.write(GENERATE, () => client.socket.destroy())
    expect(await settled(app, 1)).toMatchObject([{ ...ABORT, status: 499 }])
    await Promise.all(upstream.connections.map((connection) => connection.left))
  })

  it.each([
    ['with a length', 'Content-Length: 1000', 'half of the body'],
    ['chunked', 'Transfer-Encoding: chunked', chunk('half of the body')],
  ])('while it uploads %s: the upstream never sees a whole body', async (_title, framing, part) => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, `POST /api/create HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n${part}`)
    const connection = await upstream.next()
    await connection.until(holds('half of the body'))
    client.socket.destroy()
    await expectUpstreamClosed(connection)
    expect(parseRequests(connection.received())).toEqual([])
    expect(connection.received().toString().endsWith('half of the body\r\n') || framing.includes('Length')).toBe(true)
    expect(await settled(app, 1)).toMatchObject([{ ...ABORT, status: 499, request_bytes: 16 }])
  })
})

describe('an answer before the body was read', () => {
  const upload = Buffer.alloc(3 * MIB, 'x')
  const head = `POST /api/blobs/sha256:abc HTTP/1.1\r\nHost: x\r\nContent-Length: ${upload.length}\r\n\r\n`

  it.each([
    ['200 OK', 'success'],
    ['413 Payload Too Large', 'caller_error'],
  ])('(%s, then a close) reaches a client that still sends', async (status, outcome) => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, head)
    const { socket } = await upstream.next()
    socket.pause() // it reads nothing of the body
    socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
    client.socket.write(upload)
    const bytes = await client.until((got) => got.includes('\r\n\r\n'))
    expect(parseMessage(bytes)).toMatchObject({ startLine: `HTTP/1.1 ${status}`, complete: true })
    expect(await settled(app, 1)).toMatchObject([{ status: Number(status.slice(0, 3)), outcome }])
  })

  it('leaves no hole in a body that is here already, and was not sent on yet', async () => {
    const size = 60_000
    const { app, upstream } = await startPair((connection) => {
      void connection.until(hasHead).then(() => connection.socket.write(answer('early')))
    })
    const pieces = Array.from({ length: size / 10 }, () => chunk('p'.repeat(10))).join('')
    const wire = `POST /api/chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${pieces}0\r\n\r\n`
    for (let round = 0; round < 60; round++) {
      const client = openRaw(app.proxyPort, wire)
      const connection = await upstream.next()
      await client.until(holds('early'))
      // Whole, it is all of it; what is not whole is known to be none.
      await Promise.race([connection.until((bytes) => bytes.includes('\r\n0\r\n\r\n')), connection.left])
      for (const { body } of parseRequests(connection.received())) expect(body).toHaveLength(size)
      client.socket.destroy()
      connection.socket.destroy()
    }
  })

  it('is delivered also where the upstream resets right behind it', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, Buffer.concat([Buffer.from(head), upload.subarray(0, MIB)]))
    const { socket } = await upstream.next()
    await new Promise<void>((resolve) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', () => resolve())
    })
    await client.until(holds('\r\n\r\nok'))
    socket.resetAndDestroy()
    client.socket.write(upload.subarray(MIB))
    expect(await settled(app, 1)).toMatchObject([{ status: 200, outcome: 'success' }])
  })
})

describe('a client that does not read', () => {
  it('holds up its own upstream, and nothing else', async () => {
    const total = 512 * MIB
    const block = Buffer.alloc(MIB, 'y')
    let written = 0
    const { app, upstream } = await startPair((connection) => {
      const { socket } = connection
      if (connection.received().includes('GET /api/tags')) {
        answerEach(() => answer('{}'))(connection)
        return
      }
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${total}\r\n\r\n`)
      const pour = () => {
        while (written < total) {
          written += block.length
          if (!socket.write(block)) return
        }
      }
      socket.on('drain', pour)
      pour()
    })
    const before = process.memoryUsage()
    const slow = connect({ port: app.proxyPort, host: '127.0.0.1' })
    slow.pause()
    slow.write('GET /api/huge HTTP/1.1\r\nHost: x\r\n\r\n')
    await upstream.next()

    const rounds = await standsStill(app, () => written) // others are served meanwhile
    expect(written).toBeLessThan(64 * MIB)
    const after = process.memoryUsage()
    expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(64 * MIB)

    // It reads after all: the upstream gets on, and the client gets every byte up to when it leaves.
    const reached = written
    let read = 0
    await new Promise<void>((resolve) => {
      slow.on('data', (bytes: Buffer) => {
        read += bytes.length
        if (read > reached + 32 * MIB) resolve()
      })
      slow.resume()
    })
    expect(written).toBeGreaterThan(reached)
    slow.destroy()
    const receipts = await settled(app, rounds + 1)
    expect(receipts.at(-1)).toMatchObject({ path: '/api/huge', ...ABORT })
  })
})
