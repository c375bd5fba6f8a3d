import { describe, expect, it } from 'vitest'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { answer, answerEach, chunk, hasHead, holds, parseRequests, settled, startPair } from '../helpers/upstream.ts'

const GET = 'GET /api/tags HTTP/1.1\r\nHost: x\r\n\r\n'
const CLOSE = 'GET /api/tags HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'

function framing(headers: readonly (readonly [string, string])[]): string[] {
  return headers
    .filter(([name]) => /^(?:content-length|transfer-encoding)$/i.test(name))
    .map(([name, value]) => `${name}: ${value}`)
}

describe('an answer without a body', () => {
  const heads: [title: string, method: string, head: string, passed: string[]][] = [
    ['HEAD with a length', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 1000', ['Content-Length: 1000']],
    ['HEAD without', 'HEAD', 'HTTP/1.1 200 OK', []],
    ['HEAD of a missing blob', 'HEAD', 'HTTP/1.1 404 Not Found\r\nContent-Length: 0', ['Content-Length: 0']],
    ['204', 'GET', 'HTTP/1.1 204 No Content', []],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nETag: "a"', []],
    ['304 with a length', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9', ['Content-Length: 9']],
  ]

  it.each(heads)('%s leaves the connection usable', async (_title, method, head, passed) => {
    const answers = [`${head}\r\n\r\n`, answer('next')]
    const { app } = await startPair(answerEach(() => answers.shift() ?? ''))
    const client = openRaw(app.proxyPort, `${method} /api/tags HTTP/1.1\r\nHost: x\r\n\r\n`)
    const message = parseMessage(await client.until(hasHead), true)
    expect(message.startLine).toBe(head.split('\r\n')[0])
    expect(framing(message.headers)).toEqual(passed)
    client.socket.write(GET)
    const bytes = await client.until((got) => got.toString().endsWith('next'))
    const second = bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)
    expect(parseMessage(second)).toMatchObject({ startLine: 'HTTP/1.1 200 OK', complete: true })
    await settled(app, 2)
  })
})

describe('what comes beside the answer', () => {
  it('103 early hints pass at once', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, CLOSE)
    const { socket } = await upstream.next()
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: </b>; rel=preload\r\n\r\n')
    const hints = (await client.until(hasHead)).toString()
    expect(hints).toMatch(/^HTTP\/1\.1 103 Early Hints\r\n/)
    expect(hints).toContain('</a>; rel=preload')
    expect(hints).toContain('</b>; rel=preload')
    socket.write(answer('{}'))
    expect(parseMessage((await client.ended).bytes).startLine).toBe('HTTP/1.1 200 OK')
    expect(await settled(app, 1)).toMatchObject([{ status: 200 }])
  })

  it('trailers pass', async () => {
    const { app } = await startPair(
      answerEach(
        () =>
          `HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n${chunk('body')}0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n`,
      ),
    )
    const { bytes } = await openRaw(app.proxyPort, CLOSE).ended
    expect(bytes.toString().endsWith(`${chunk('body')}0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n`)).toBe(true)
    await settled(app, 1)
  })
})

describe('the end of a body', () => {
  it('that the upstream marks by closing is marked by the last chunk', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, GET)
    const { socket } = await upstream.next()
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\npart one, ')
    await client.until(holds('part one, '))
    socket.end('part two')
    const bytes = await client.until((got) => parseMessage(got).complete)
    expect(parseMessage(bytes).body.toString()).toBe('part one, part two')
    expect(await settled(app, 1)).toMatchObject([{ status: 200, outcome: 'success' }])
  })

  it('for an HTTP/1.0 client is the end of the connection, without chunks', async () => {
    const { app, upstream } = await startPair(
      answerEach(() => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunk('one')}${chunk('two')}0\r\n\r\n`),
    )
    const { bytes, end } = await openRaw(app.proxyPort, 'GET /api/tags HTTP/1.0\r\n\r\n').ended
    const message = parseMessage(bytes)
    expect(framing(message.headers)).toEqual([])
    expect(message.body.toString()).toBe('onetwo')
    expect(end).toBe('fin')
    // HTTP/1.1 asks for a Host, which an HTTP/1.0 client need not send.
    const host = `Host: 127.0.0.1:${upstream.port}`
    expect(upstream.connections[0]?.received().toString()).toMatch(/^GET \/api\/tags HTTP\/1\.1\r\n/)
    expect(upstream.connections[0]?.received().toString()).toContain(`\r\n${host}\r\n`)
    await settled(app, 1)
  })

  it('for an HTTP/1.0 client, early hints and 100 stay away', async () => {
    const { app } = await startPair(answerEach(() => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${answer('{}')}`))
    const { bytes } = await openRaw(app.proxyPort, 'GET /api/tags HTTP/1.0\r\nHost: x\r\n\r\n').ended
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    await settled(app, 1)
  })
})

describe('connections', () => {
  it('are kept and used again on both sides', async () => {
    const { app, upstream } = await startPair(answerEach((_request, index) => answer(`answer ${index}`)))
    const client = openRaw(app.proxyPort)
    for (let index = 0; index < 5; index++) {
      client.socket.write(GET)
      await client.until(holds(`answer ${index}`))
    }
    expect(upstream.connections).toHaveLength(1)
    expect(parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))).toHaveLength(5)
    await settled(app, 5)
  })

  it('of clients share those to the upstream, and a client’s close stays its own', async () => {
    const { app, upstream } = await startPair(answerEach(() => answer('{}')))
    for (let index = 0; index < 5; index++) {
      const { bytes } = await openRaw(app.proxyPort, CLOSE).ended
      expect(parseMessage(bytes).headers).toContainEqual(['Connection', 'close'])
    }
    expect(upstream.connections).toHaveLength(1)
    await settled(app, 5)
  })

  it('that the upstream closes after an answer are not used again', async () => {
    const { app, upstream } = await startPair((connection) => {
      connection.socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok`)
    })
    const client = openRaw(app.proxyPort)
    for (let index = 1; index <= 3; index++) {
      client.socket.write(GET)
      await client.until((bytes) => bytes.toString().split('\r\n\r\nok').length === index + 1)
    }
    expect(upstream.connections).toHaveLength(3)
    await settled(app, 3)
  })

  it('with pipelined requests get their answers in order', async () => {
    const { app, upstream } = await startPair()
    const request = (id: string) => `GET /api/${id} HTTP/1.1\r\nHost: x\r\n\r\n`
    const client = openRaw(app.proxyPort, request('a') + request('b') + request('c'))
    const opened = [await upstream.next(), await upstream.next(), await upstream.next()]
    // The last asked is answered first.
    for (const connection of opened.toReversed()) {
      const target = parseRequests(connection.received())[0]?.target ?? ''
      connection.socket.write(answer(`this is ${target}`))
    }
    const bytes = await client.until(holds('this is /api/c'))
    expect([...bytes.toString().matchAll(/this is (\S\S\S\S\S\S)/g)].map(([, target]) => target)).toEqual([
      '/api/a',
      '/api/b',
      '/api/c',
    ])
    await settled(app, 3)
  })
})

describe('interim answers to what is pipelined', () => {
  it('stand before their own answer, or are left out, and never inside of it', async () => {
    const { app, upstream } = await startPair()
    const slow = GET.replace('/api/tags', '/api/slow')
    const client = openRaw(app.proxyPort, slow + CLOSE)
    const connections = [await upstream.next(), await upstream.next()]
    await Promise.all(connections.map((connection) => connection.until(hasHead)))
    const at = (path: string) => connections.find(({ received }) => received().includes(path))?.socket
    at('/api/tags')?.end(
      `HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n${answer('"second"').replace('\r\n', '\r\nConnection: close\r\n')}`,
    )
    // What came of it is there when another exchange, begun later, is over.
    await openRaw(app.proxyPort, CLOSE.replace('/api/tags', '/api/other')).until(() => true)
    const other = await upstream.next()
    other.socket.write(answer('"other"'))
    await app.receipts(1)
    at('/api/slow')?.write(answer('"first"'))

    const { bytes } = await client.ended
    const heads = bytes.toString().match(/HTTP\/1\.1 \d+|"\w+"/g)
    expect(heads?.filter((part) => part !== 'HTTP/1.1 103')).toEqual([
      'HTTP/1.1 200',
      '"first"',
      'HTTP/1.1 200',
      '"second"',
    ])
    expect(bytes.toString()).toMatch(/\r\n\r\n"second"$/)
    expect(bytes.toString()).not.toMatch(/Content-Length: 8(?:\r\n.+)*\r\n\r\nHTTP/)
  })
})
