import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { answer, answerEach, parseRequests, settled, startPair } from '../helpers/upstream.ts'

const BAD = { outcome: 'caller_error', error_type: 'bad_request' }

function request(...lines: string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`
}

describe('a request that could be read in two ways never reaches the upstream', () => {
  const tiny = Array.from({ length: 2100 }, (_, index) => `a${index}:`)
  const refused: [title: string, bytes: string, status: number][] = [
    [
      'Content-Length and Transfer-Encoding',
      `${request('POST /api/show HTTP/1.1', 'Host: x', 'Content-Length: 3', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
      400,
    ],
    [
      'two Content-Lengths',
      `${request('POST /api/show HTTP/1.1', 'Host: x', 'Content-Length: 2', 'Content-Length: 3')}{} `,
      400,
    ],
    ['a Content-Length that is no number', request('POST / HTTP/1.1', 'Host: x', 'Content-Length: 0x2'), 400],
    ['a folded header', request('GET /api/tags HTTP/1.1', 'Host: x', 'X-A: 1', ' 2'), 400],
    ['a space before the colon', request('GET /api/tags HTTP/1.1', 'Host: x', 'X-A : 1'), 400],
    ['a bare line feed', 'GET /api/tags HTTP/1.1\nHost: x\n\n', 400],
    ['a header larger than the limit', request('GET / HTTP/1.1', 'Host: x', `X-A: ${'a'.repeat(70_000)}`), 431],
    [
      'a Content-Length behind 2,100 tiny headers',
      `${request('POST /api/show HTTP/1.1', 'Host: x', ...tiny, 'Content-Length: 2')}{}`,
      431,
    ],
    ['a method that is none', request('N@NSENSE / HTTP/1.1', 'Host: x'), 400],
    ['a version that is none', request('GET / HTTP/9.9', 'Host: x'), 400],
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ]

  it.each(refused)('%s', async (_title, bytes, status) => {
    const { app, upstream } = await startPair()
    const { bytes: got, end } = await openRaw(app.proxyPort, Buffer.from(bytes, 'latin1')).ended
    const message = parseMessage(got)
    expect(message.startLine).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(message.complete).toBe(true)
    expect(JSON.parse(message.body.toString())).toEqual({ error: expect.stringMatching(/^ollascope: /) as string })
    expect(end).toBe('fin')
    expect(upstream.connections).toHaveLength(0)
    expect(await settled(app, 1)).toMatchObject([{ method: 'other', endpoint: 'unknown', status, ...BAD }])
    const samples = await app.samples()
    const labels = { method: 'other', endpoint: 'unknown', status: String(status) }
    expect(samples.value('ollama_requests_total', labels)).toBe(1)
  })

  it.each([
    ['two Hosts', request('GET /api/tags HTTP/1.1', 'Host: x', 'host: y', 'Connection: close')],
    ['two equal Hosts', request('GET /api/tags HTTP/1.1', 'Host: x', 'Host: x', 'Connection: close')],
  ])('%s', async (_title, bytes) => {
    const { app, upstream } = await startPair()
    const message = parseMessage((await openRaw(app.proxyPort, bytes).ended).bytes)
    expect(message.startLine).toBe('HTTP/1.1 400 Bad Request')
    const error = 'ollascope: the request has more than one Host header; send one'
    expect(JSON.parse(message.body.toString())).toEqual({ error })
    expect(upstream.connections).toHaveLength(0)
    expect(await settled(app, 1)).toMatchObject([{ method: 'GET', endpoint: '/api/tags', status: 400, ...BAD }])
  })

  it.each(['gzip, chunked', 'gzip', 'identity', 'xchunked', 'chunked, chunked'])(
    'a Transfer-Encoding of %s is not taken',
    async (coding) => {
      const { app, upstream } = await startPair()
      const head = request('POST /api/show HTTP/1.1', 'Host: x', `Transfer-Encoding: ${coding}`)
      const { bytes } = await openRaw(app.proxyPort, `${head}0\r\n\r\n`).ended
      const message = parseMessage(bytes)
      expect(message.startLine).toMatch(/^HTTP\/1\.1 (?:400 Bad Request|501 Not Implemented)$/)
      expect(message.body.toString()).toContain('ollascope: ')
      expect(upstream.connections).toHaveLength(0)
      expect(await settled(app, 1)).toMatchObject([BAD])
    },
  )

  it.each(['\xa0chunked', 'chunked\xa0'])('nor one of %j, which Node lets pass beside an Upgrade', async (coding) => {
    const { app, upstream } = await startPair()
    const upgrade = ['Connection: Upgrade', 'Upgrade: h2c']
    const head = request('POST /api/show HTTP/1.1', 'Host: x', ...upgrade, `Transfer-Encoding: ${coding}`)
    const client = openRaw(app.proxyPort, Buffer.from(`${head}0\r\n\r\n`, 'latin1'))
    const message = parseMessage(await client.until((bytes) => bytes.includes('\r\n\r\n')))
    expect(message.startLine).toMatch(/^HTTP\/1\.1 (?:400 Bad Request|501 Not Implemented)$/)
    expect(upstream.connections).toHaveLength(0)
    client.socket.destroy()
    expect(await settled(app, 1)).toMatchObject([BAD])
  })

  it('refuses a body that goes wrong on the way, and the upstream never sees its end', async () => {
    const { app, upstream } = await startPair()
    const head = request('POST /api/create HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked')
    const client = openRaw(app.proxyPort, `${head}5\r\nhello\r\n`)
    const connection = await upstream.next()
    await connection.until((bytes) => bytes.includes('hello'))
    client.socket.write('no-hex\r\n')
    expect(parseMessage((await client.ended).bytes).startLine).toBe('HTTP/1.1 400 Bad Request')
    await connection.left
    expect(parseRequests(connection.received())).toEqual([])
    expect(await settled(app, 1)).toMatchObject([{ endpoint: '/api/create', status: 400, ...BAD }])
  })
})

describe('CONNECT', () => {
  it('is not supported, and connects nowhere', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, request('CONNECT example.invalid:443 HTTP/1.1', 'Host: example.invalid:443'))
    const { bytes } = await client.ended
    const message = parseMessage(bytes)
    expect(message.startLine).toBe('HTTP/1.1 501 Not Implemented')
    expect(JSON.parse(message.body.toString())).toEqual({ error: 'ollascope: CONNECT is not supported' })
    expect(upstream.connections).toHaveLength(0)
    expect(await settled(app, 1)).toMatchObject([{ method: 'CONNECT', endpoint: 'unknown', status: 501, ...BAD }])
  })
})

describe('a body where none is usual is framed as it came', () => {
  it.each(['GET', 'DELETE', 'OPTIONS', 'HEAD'])('%s with a chunked body: nothing is smuggled', async (method) => {
    const { app, upstream } = await startPair(answerEach(() => answer('')))
    const hidden = request('GET /smuggled HTTP/1.1', 'Host: x')
    const head = request(`${method} /api/delete HTTP/1.1`, 'Host: x', 'Transfer-Encoding: chunked')
    const body = `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`
    const client = openRaw(app.proxyPort, head + body)
    await client.until((bytes) => bytes.includes('\r\n\r\n'))
    client.socket.write(request('GET /api/tags HTTP/1.1', 'Host: x'))
    await client.until((bytes) => bytes.toString().split('HTTP/1.1 200 OK').length === 3)
    const [connection] = upstream.connections
    expect(upstream.connections).toHaveLength(1)
    const requests = parseRequests(connection?.received() ?? Buffer.alloc(0))
    expect(requests.map((one) => [one.method, one.target, one.body.toString()])).toEqual([
      [method, '/api/delete', hidden],
      ['GET', '/api/tags', ''],
    ])
    expect(await settled(app, 2)).toMatchObject([{ request_bytes: hidden.length }, { request_bytes: 0 }])
  })

  it.each(['GET', 'DELETE'])('%s with a Content-Length likewise', async (method) => {
    const { app, upstream } = await startPair(answerEach(() => answer('')))
    const client = openRaw(
      app.proxyPort,
      `${request(`${method} /api/delete HTTP/1.1`, 'Host: x', 'Content-Length: 13')}{"model":"m"}`,
    )
    await client.until((bytes) => bytes.includes('\r\n\r\n'))
    const requests = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
    expect(requests.map((one) => one.body.toString())).toEqual(['{"model":"m"}'])
    expect(requests[0]?.rawHeaders).not.toContain('Transfer-Encoding')
    await settled(app, 1)
  })
})

describe('CONNECT behind requests that are under way', () => {
  const pipelined = `${request('GET /api/tags HTTP/1.1', 'Host: x')}${request('GET /api/ps HTTP/1.1', 'Host: x')}`
  const connecting = request('CONNECT example.invalid:443 HTTP/1.1', 'Host: x')

  it('is refused when they are answered', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, pipelined + connecting)
    for (const connection of [await upstream.next(), await upstream.next()]) {
      await connection.until((bytes) => parseRequests(bytes).length === 1)
      connection.socket.write(answer('{}'))
    }
    const { bytes } = await client.ended
    expect(bytes.toString().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 501'])
    expect(await settled(app, 3)).toMatchObject([{ status: 200 }, { status: 200 }, { status: 501 }])
  })

  it.each<[how: string, leave: (socket: Socket) => void]>([
    ['closing', (socket) => socket.destroy()],
    ['a reset', (socket) => socket.resetAndDestroy()],
  ])('does not hide that their client has left by %s', async (_how, leave) => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, pipelined + connecting)
    const connections = [await upstream.next(), await upstream.next()]
    leave(client.socket)
    await Promise.all(connections.map((connection) => connection.left))
    expect(await settled(app, 2)).toMatchObject([{ outcome: 'client_abort' }, { outcome: 'client_abort' }])
  })
})
