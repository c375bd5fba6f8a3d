import { describe, expect, it } from 'vitest'
import { openRaw, parseMessage, type RawMessage } from '../helpers/raw.ts'
import { answer, answerEach, hasHead, parseRequests, settled, startPair, type Upstream } from '../helpers/upstream.ts'

const MADE = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function get(...headers: string[]): string {
  return `${['GET /api/tags HTTP/1.1', 'Host: client.local:1', ...headers].join('\r\n')}\r\n\r\n`
}

/** What the upstream saw of its first request, a header a line. */
function seenBy(upstream: Upstream): string[] {
  const raw = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))[0]?.rawHeaders ?? []
  return raw.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${raw[index + 1] ?? ''}`] : []))
}

function named(lines: readonly string[], name: string): string[] {
  return lines.filter((line) => line.toLowerCase().startsWith(`${name}:`))
}

async function exchange(
  request: string,
  response = answer('{}'),
  env: Record<string, string> = {},
): Promise<{ sent: string[]; message: RawMessage; receipt: Readonly<Record<string, unknown>>; upstreamPort: number }> {
  const { app, upstream } = await startPair(
    answerEach(() => response),
    env,
  )
  const client = openRaw(app.proxyPort, request)
  const bytes = await client.until((got) => got.includes('\r\n\r\n') && parseMessage(got).complete)
  const [receipt = {}] = await settled(app, 1)
  return { sent: seenBy(upstream), message: parseMessage(bytes), receipt, upstreamPort: upstream.port }
}

describe('request headers', () => {
  it('keep their case, their order, their duplicates and their values', async () => {
    const headers = [
      'aCCept: text/a',
      'X-Twice: 1',
      'accept: text/b',
      'x-tWICE: 2',
      'Cookie: a=1',
      'Cookie: b=2',
      'X-Empty:',
      'Authorization: Bearer t',
      'Authorization: Bearer u',
      'X-Forwarded-For: 10.0.0.1',
      'Accept-Encoding: gzip, br',
      'Content-Type: a/b',
      'Content-Type: c/d',
      'X-Latin: \xe9\xff',
      'X-Request-ID: mine',
    ]
    const { sent } = await exchange(Buffer.from(get(...headers), 'latin1').toString('latin1'))
    const passed = headers.slice(0, -1).map((line) => (line.endsWith(':') ? `${line} ` : line))
    // What the test's client writes as UTF-8 arrives as the same bytes.
    const bytes = (lines: readonly string[]) => lines.map((line) => Buffer.from(line, 'latin1').toString('utf8'))
    expect(bytes(sent)).toEqual(['Host: client.local:1', ...passed, 'X-Request-ID: mine'])
  })

  it('that speak of the connection stay behind, and those that Connection names', async () => {
    const { sent } = await exchange(
      get(
        'Connection: x-foo , X-Bar,keep-alive',
        'Keep-Alive: timeout=5',
        'Proxy-Connection: keep-alive',
        'TE: trailers',
        'Upgrade: websocket',
        'x-foo: 1',
        'X-BAR: 2',
        'X-Baz: 3',
        'X-Request-ID: r',
      ),
    )
    expect(sent).toEqual(['Host: client.local:1', 'X-Baz: 3', 'X-Request-ID: r'])
  })

  it.each(['content-length', 'transfer-encoding', 'host', 'Content-Length, Host', 'close, content-length'])(
    'frame the body even where Connection names %s',
    async (names) => {
      const { app, upstream } = await startPair(answerEach(() => answer('{}')))
      const head = `DELETE /api/delete HTTP/1.1\r\nHost: h\r\nConnection: ${names}\r\n`
      const hidden = 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n'
      const framed = names === 'transfer-encoding' ? `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n` : hidden
      const framing = names === 'transfer-encoding' ? 'Transfer-Encoding: chunked' : `Content-Length: ${hidden.length}`
      const client = openRaw(app.proxyPort, `${head}${framing}\r\n\r\n${framed}`)
      await client.until((got) => got.includes('\r\n\r\n') && parseMessage(got).complete)
      const requests = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
      expect(requests.map((one) => [one.target, one.body.toString()])).toEqual([['/api/delete', hidden]])
      expect(named(seenBy(upstream), 'host')).toEqual(['Host: h'])
      await settled(app, 1)
    },
  )

  it('of a POST without a body keep their duplicates too', async () => {
    const request = 'POST /api/me HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-Request-ID: r\r\nX-A: 2\r\n\r\n'
    const { sent } = await exchange(request)
    expect(named(sent, 'x-a')).toEqual(['X-A: 1', 'X-A: 2'])
    expect(named(sent, 'x-request-id')).toEqual(['X-Request-ID: r'])
    expect(named(sent, 'content-length')).toEqual([])
    expect(named(sent, 'transfer-encoding')).toEqual([])
  })

  it.each(['GET', 'POST'])('of a %s may have any name', async (method) => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
    const lines = [`${method} /api/me HTTP/1.1`, 'Host: h', ...names.map((name) => `${name}: 1`), 'X-Request-ID: r']
    const { sent, message } = await exchange(`${lines.join('\r\n')}\r\n\r\n`)
    expect(message.startLine).toBe('HTTP/1.1 200 OK')
    expect(sent).toEqual(lines.slice(1))
  })

  it('of a Java client that offers h2c: it is plain HTTP/1.1', async () => {
    const { sent, message } = await exchange(
      get(
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
        'X-Request-ID: r',
      ),
    )
    expect(message.startLine).toBe('HTTP/1.1 200 OK')
    expect(sent).toEqual(['Host: client.local:1', 'X-Request-ID: r'])
  })
})

describe('response headers', () => {
  it('keep their case, their order, their duplicates and their values', async () => {
    const headers = ['sEt-cookie: a=1', 'X-Twice: 1', 'Set-Cookie: b=2', 'x-twice: 2', 'DATE: yesterday', 'server: own']
    const response = `HTTP/1.1 200 Fine And Well\r\n${headers.join('\r\n')}\r\ncontent-length: 2\r\n\r\nok`
    const { message } = await exchange(get('X-Request-ID: r'), response)
    expect(message.startLine).toBe('HTTP/1.1 200 Fine And Well')
    const lines = message.headers.map(([name, value]) => `${name}: ${value}`)
    expect(lines.slice(0, 8)).toEqual([...headers, 'content-length: 2', 'X-Request-ID: r'])
    expect(lines.slice(8).every((line) => /^(?:connection|keep-alive): /i.test(line))).toBe(true)
  })

  it('that speak of the connection stay behind; no Date is invented, a foreign request id does not pass', async () => {
    const headers = ['Connection: x-foo, keep-alive', 'Keep-Alive: timeout=3', 'X-Foo: 1', 'X-Request-ID: theirs']
    const response = `HTTP/1.1 200 OK\r\n${headers.join('\r\n')}\r\nContent-Length: 2\r\n\r\nok`
    const { message } = await exchange(get('X-Request-ID: r', 'Connection: close'), response)
    expect(message.headers).toEqual([
      ['Content-Length', '2'],
      ['X-Request-ID', 'r'],
      ['Connection', 'close'],
    ])
  })
})

describe('X-Request-ID', () => {
  it.each(['a', 'A-b_c.9', 'x'.repeat(64)])('%s is taken', async (id) => {
    const { sent, message, receipt } = await exchange(get(`x-request-id: ${id}`))
    expect(named(sent, 'x-request-id')).toEqual([`X-Request-ID: ${id}`])
    expect(message.headers.filter(([name]) => name.toLowerCase() === 'x-request-id')).toEqual([['X-Request-ID', id]])
    expect(receipt).toMatchObject({ request_id: id })
  })

  it.each([
    ['none', []],
    ['an empty one', ['X-Request-ID:']],
    ['one that is too long', [`X-Request-ID: ${'x'.repeat(65)}`]],
    ['one with other characters', ['X-Request-ID: a b']],
    ['two', ['X-Request-ID: a', 'X-Request-ID: b']],
  ])('is made where there is %s', async (_title, headers) => {
    const { sent, message, receipt } = await exchange(get(...headers))
    const [value = ''] = named(sent, 'x-request-id').map((line) => line.slice('X-Request-ID: '.length))
    expect(value).toMatch(MADE)
    expect(named(sent, 'x-request-id')).toHaveLength(1)
    expect(message.headers.filter(([name]) => name.toLowerCase() === 'x-request-id')).toEqual([['X-Request-ID', value]])
    expect(receipt).toMatchObject({ request_id: value })
  })

  it('and a valid traceparent tie the receipt to the caller', async () => {
    const trace = '0af7651916cd43dd8448eb211c80319c'
    const { sent, receipt } = await exchange(get(`traceparent: 00-${trace}-b7ad6b7169203331-01`, 'tracestate: a=b'))
    expect(named(sent, 'traceparent')).toEqual([`traceparent: 00-${trace}-b7ad6b7169203331-01`])
    expect(named(sent, 'tracestate')).toEqual(['tracestate: a=b'])
    expect(receipt).toMatchObject({ trace_id: trace })
  })
})

describe('Host', () => {
  it("is the client's by default", async () => {
    expect(named((await exchange(get())).sent, 'host')).toEqual(['Host: client.local:1'])
  })

  it('that is missing is the upstream’s to refuse', async () => {
    const refusal = answer('400 Bad Request: missing required Host header', '400 Bad Request', 'text/plain')
    const { sent, message, receipt } = await exchange('GET /api/tags HTTP/1.1\r\nAccept: */*\r\n\r\n', refusal)
    expect(named(sent, 'host')).toEqual([])
    expect(message.body.toString()).toBe('400 Bad Request: missing required Host header')
    expect(receipt).toMatchObject({ status: 400, outcome: 'caller_error', error_type: 'bad_request' })
  })

  it.each([
    ['GET', get()],
    ['POST without a body', 'POST /api/me HTTP/1.1\r\nHost: client.local:1\r\n\r\n'],
  ])("is the upstream's where a setting says so (%s)", async (_title, request) => {
    const env = { OLLASCOPE_UPSTREAM_HOST_HEADER: 'upstream' }
    const { sent, upstreamPort } = await exchange(request, answer('{}'), env)
    expect(named(sent, 'host')).toEqual([`Host: 127.0.0.1:${upstreamPort}`])
  })
})

describe('bytes above ASCII in a field', () => {
  const HIGH = Buffer.from('X-High: \xe9\xff\xc3\xa9\r\n', 'latin1')

  it.each(['', 'Expect: 100-continue\r\n'])(
    'pass where a head leaves alone, before its body (%j)',
    async (expect100) => {
      const { app, upstream } = await startPair()
      const client = openRaw(
        app.proxyPort,
        Buffer.concat([
          Buffer.from('POST /api/create HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n' + expect100),
          HIGH,
          Buffer.from('\r\n'),
        ]),
      )
      const connection = await upstream.next()
      const head = await connection.until(hasHead)
      connection.socket.write(
        Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n'), HIGH, Buffer.from('\r\n')]),
      )
      const answered = await client.until(hasHead)
      expect(head.includes(HIGH)).toBe(true)
      expect(answered.includes(HIGH)).toBe(true)
    },
  )

  it.each(['HEAD', 'GET'])('pass in an answer to %s that is whole at once', async (method) => {
    const wire = Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n'), HIGH, Buffer.from('\r\n')])
    const { app, upstream } = await startPair(
      (connection) => void connection.until(hasHead).then(() => connection.socket.write(wire)),
    )
    const client = openRaw(app.proxyPort, `${method} /api/tags HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect((await client.until(hasHead)).includes(HIGH)).toBe(true)
    expect(upstream.connections).toHaveLength(1)
  })
})
