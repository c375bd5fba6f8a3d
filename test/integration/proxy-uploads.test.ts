import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import {
  answer,
  answerEach,
  chunk,
  hasHead,
  holds,
  parseRequests,
  settled,
  standsStill,
  startPair,
} from '../helpers/upstream.ts'

const MIB = 1024 * 1024

function framingOf(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((name, index) => index % 2 === 0 && /^(?:content-length|transfer-encoding)$/i.test(name))
}

describe('a request without a body gets no framing', () => {
  it.each(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND'])('%s', async (method) => {
    const { app, upstream } = await startPair(answerEach(() => 'HTTP/1.1 204 No Content\r\n\r\n'))
    const request = `${method} /api/delete HTTP/1.1\r\nHost: x\r\n\r\n`
    const client = openRaw(app.proxyPort, request)
    await client.until(hasHead)
    client.socket.write(request)
    await client.until((bytes) => bytes.toString().split(' 204 ').length === 3)
    const requests = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
    expect(requests.map((one) => [one.method, one.bodyBytes])).toEqual([
      [method, 0],
      [method, 0],
    ])
    expect(requests.flatMap(({ rawHeaders }) => framingOf(rawHeaders))).toEqual([])
    await settled(app, 2)
  })

  it('an empty body that has a length keeps it', async () => {
    const { app, upstream } = await startPair(answerEach(() => answer('{}')))
    const client = openRaw(app.proxyPort, 'POST /api/me HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n\r\n')
    await client.until(hasHead)
    const [request] = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
    expect(framingOf(request?.rawHeaders ?? [])).toEqual(['content-length'])
    await settled(app, 1)
  })
})

describe('an upload arrives piece by piece, framed as it was sent', () => {
  const pieces = ['first', 'second piece', 'third']

  it.each([
    ['chunked', 'Transfer-Encoding: chunked', pieces.map(chunk), '0\r\n\r\n'],
    ['with its length', `Content-Length: ${pieces.join('').length}`, pieces, ''],
  ])('%s', async (_title, framing, parts, end) => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, `POST /api/blobs/sha256:a HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`)
    const connection = await upstream.next() // its head comes before any of the body
    for (const [index, part] of parts.entries()) {
      client.socket.write(part)
      await connection.until(holds(pieces[index] ?? ''))
    }
    client.socket.write(end)
    const bytes = await connection.until((got) => parseRequests(got).length === 1)
    const [request] = parseRequests(bytes)
    expect(request?.body.toString()).toBe(pieces.join(''))
    const [name = '', value = ''] = framing.split(': ')
    expect(request?.rawHeaders.slice(2, 4)).toEqual([name, value])
    expect(framingOf(request?.rawHeaders ?? [])).toEqual([name])
    connection.socket.write(answer('', '201 Created'))
    await client.until(hasHead)
    expect(await settled(app, 1)).toMatchObject([{ status: 201, request_bytes: pieces.join('').length }])
  })

  it('with the trailers of a chunked body', async () => {
    const { app, upstream } = await startPair()
    const head = 'POST /api/create HTTP/1.1\r\nHost: x\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n'
    const client = openRaw(app.proxyPort, `${head}${chunk('body')}0\r\nX-Sum: 1\r\n\r\n`)
    const connection = await upstream.next()
    const bytes = await connection.until((got) => parseRequests(got).length === 1)
    expect(bytes.toString().endsWith('0\r\nX-Sum: 1\r\n\r\n')).toBe(true)
    connection.socket.write(answer(''))
    await client.until(hasHead)
    await settled(app, 1)
  })

  it('of 64 MiB, held back while the upstream does not read', async () => {
    const total = 64 * MIB
    const block = randomBytes(MIB)
    const expected = createHash('sha256')
    for (let sent = 0; sent < total; sent += block.length) expected.update(block)

    const arrived = createHash('sha256')
    let received = 0
    const { app, upstream } = await startPair((connection) => {
      const { socket } = connection
      if (connection.received().includes('GET /api/tags')) {
        answerEach(() => answer('{}'))(connection)
        return
      }
      socket.pause()
      socket.removeAllListeners('data') // only the sum is kept
      const take = (bytes: Buffer) => {
        received += bytes.length
        arrived.update(bytes)
        if (received === total) socket.write(answer('', '201 Created'))
      }
      const bytes = connection.received()
      take(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4))
      socket.on('data', take)
    })
    const head = `POST /api/blobs/sha256:a HTTP/1.1\r\nHost: x\r\nContent-Length: ${total}\r\n\r\n`
    const client = openRaw(app.proxyPort, head)
    const connection = await upstream.next()
    let sent = 0
    const send = () => {
      if (sent === total) return
      client.socket.write(block, () => {
        sent += block.length
        send()
      })
    }
    send()
    const rounds = await standsStill(app, () => sent)
    expect(sent).toBeLessThan(48 * MIB)

    connection.socket.resume()
    expect(parseMessage(await client.until(hasHead)).startLine).toBe('HTTP/1.1 201 Created')
    expect(arrived.digest('hex')).toBe(expected.digest('hex'))
    const receipts = await settled(app, rounds + 1)
    expect(receipts.at(-1)).toMatchObject({ status: 201, request_bytes: total })
  })
})

describe('Expect: 100-continue', () => {
  const head = 'POST /api/show HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 13\r\n\r\n'
  const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

  it('is answered when the upstream says so, not before', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, head)
    const connection = await upstream.next()
    expect(connection.received().toString('latin1')).toContain('\r\nExpect: 100-continue\r\n')
    expect(client.received()).toHaveLength(0)
    connection.socket.write(CONTINUE)
    expect((await client.until(hasHead)).toString()).toBe(CONTINUE)
    client.socket.write('{"model":"m"}')
    await connection.until((bytes) => parseRequests(bytes).length === 1)
    connection.socket.write(answer('{}'))
    const bytes = await client.until((got) => got.includes('{}'))
    expect(bytes.toString().split('100 Continue')).toHaveLength(2)
    expect(parseMessage(bytes).startLine).toBe('HTTP/1.1 200 OK')
    expect(await settled(app, 1)).toMatchObject([{ status: 200, request_bytes: 13 }])
  })

  it('may be answered with no 100 at all', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, head)
    const connection = await upstream.next()
    connection.socket.write(answer('{"error":"too large"}', '413 Payload Too Large'))
    const bytes = await client.until((got) => got.includes('too large'))
    expect(bytes.toString()).not.toContain('100 Continue')
    expect(parseMessage(bytes).startLine).toBe('HTTP/1.1 413 Payload Too Large')
    client.socket.destroy()
    expect(await settled(app, 1)).toMatchObject([{ status: 413, request_bytes: 0 }])
  })

  it('of another kind is the upstream’s to judge', async () => {
    const { app, upstream } = await startPair(answerEach(() => answer('', '417 Expectation Failed')))
    const client = openRaw(app.proxyPort, 'GET /api/tags HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n')
    expect(parseMessage(await client.until(hasHead)).startLine).toBe('HTTP/1.1 417 Expectation Failed')
    expect(upstream.connections[0]?.received().toString()).toContain('\r\nExpect: more\r\n')
    await settled(app, 1)
  })
})
