import { onTestFinished, describe, expect, it } from 'vitest'
import { loadRecordings } from '../../src/demo/recordings.ts'
import { answerBytes } from '../../src/demo/wire.ts'
import type { RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage, serveRaw, type RawMessage } from '../helpers/raw.ts'
import { recordedRequest } from '../helpers/recorded-request.ts'
import { answer, answerEach, parseRequests, post, settled, startPair, type Upstream } from '../helpers/upstream.ts'

const AUTO = { OLLASCOPE_ALLOWED_HOSTS: 'auto', OLLASCOPE_ALLOWED_ORIGINS: 'auto' }
const FORBIDDEN = { outcome: 'denied', error_type: 'forbidden', request_bytes: 0 }
const DATE = String.raw`Date: [\w :,]+ GMT\r\n`
const CLOSE = String.raw`Connection: close\r\n`
const SILENT = new RegExp(
  String.raw`^HTTP/1\.1 403 Forbidden\r\nContent-Length: 0\r\nX-Request-ID: [\w-]{36}\r\n(?:${DATE}${CLOSE}|${CLOSE}${DATE})\r\n$`,
)

const served = answerEach(() => answer('{"version":"0"}'))

/** A request without a body, with these lines behind the first. */
function get(target: string, ...lines: string[]): string {
  return `GET ${target} HTTP/1.1\r\n${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`
}

async function ask(app: RunningApp, request: Buffer | string): Promise<RawMessage> {
  const head = request.toString('latin1')
  return parseMessage((await openRaw(app.proxyPort, request).ended).bytes, head.startsWith('HEAD '))
}

/** Method and target of what the upstream was asked. */
function seen(upstream: Upstream): string[] {
  return upstream.connections.flatMap((connection) =>
    parseRequests(connection.received()).map(({ method, target }) => `${method} ${target}`),
  )
}

function headerOf({ headers }: RawMessage, name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]
}

describe('on loopback, as it is by default', () => {
  const recordings = loadRecordings()
    .filter(({ name }) => /^(?:host|origin)-|^options-cors$/.test(name))
    .map((recording) => [`${recording.version}/${recording.name}`, recording] as const)

  it('has recordings of both', () => {
    expect(recordings).toHaveLength(10)
    const refused = recordings.filter(([, one]) => answerBytes(one).includes(' 403 '))
    expect(refused).toHaveLength(4)
  })

  it.each(recordings)('%s is judged as Ollama judged it', async (_, recording) => {
    const recorded = answerBytes(recording)
    const message = parseMessage(recorded)
    const { app, upstream } = await startPair((connection) => connection.socket.end(recorded), AUTO)
    const { bytes } = await openRaw(app.proxyPort, recordedRequest(recording, Buffer.alloc(0))).ended
    const got = parseMessage(bytes)
    expect(got.startLine).toBe(message.startLine)
    expect(got.body).toEqual(message.body)
    if (message.startLine.includes('403')) {
      expect(bytes.toString()).toMatch(SILENT)
      expect(upstream.connections).toHaveLength(0)
      expect(await settled(app, 1)).toMatchObject([{ ...FORBIDDEN, status: 403, response_bytes: 0 }])
    } else {
      expect(upstream.connections).toHaveLength(1)
      expect((await settled(app, 1))[0]?.outcome).toBe('success')
    }
  })

  it.each([
    ['GET', get('/api/tags', 'Host: evil.example')],
    ['HEAD', get('/api/tags', 'Host: evil.example').replace('GET', 'HEAD')],
    ['a preflight', get('/api/chat', 'Host: localhost', 'Origin: http://evil.example').replace('GET', 'OPTIONS')],
    ['a page without an origin', get('/api/tags', 'Host: localhost', 'Origin: null')],
    ['an upgrade', get('/api/tags', 'Host: evil.example', 'Upgrade: websocket')],
    ['a body', post('/api/delete', '{"model":"m"}', ['Connection: close', 'Origin: http://evil.example'])],
    ['no body yet', post('/api/pull', '', ['Expect: 100-continue', 'Origin: http://x.example']).replace(': 0', ': 9')],
    ['chunks', `POST /api/pull HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n`],
    ['HTTP/1.0', 'GET /api/tags HTTP/1.0\r\nHost: evil.example\r\n\r\n'],
  ])('refuses %s without a word, and the upstream hears nothing', async (_, request) => {
    const { app, upstream } = await startPair(served, AUTO)
    const client = openRaw(app.proxyPort, request)
    await client.until((bytes) => bytes.includes('\r\n\r\n'))
    client.socket.end()
    expect((await client.ended).bytes.toString()).toMatch(SILENT)
    expect(upstream.connections).toHaveLength(0)
    expect(await settled(app, 1)).toMatchObject([
      { outcome: 'denied', error_type: 'forbidden', status: 403, response_bytes: 0 },
    ])
  })

  it.each([
    ['without a body', 'DELETE /api/delete HTTP/1.1\r\nHost: evil.example\r\n\r\n'],
    ['with one', 'DELETE /api/delete HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}'],
  ])('answers what is pipelined behind a refused request %s, or leaves it alone', async (_, refused) => {
    const { app, upstream } = await startPair(served, AUTO)
    const { bytes } = await openRaw(app.proxyPort, `${refused}${get('/api/version', 'Host: localhost')}`).ended
    const statuses = bytes.toString().match(/(?<=HTTP\/1\.1 )\d+/g) ?? []
    expect([['403'], ['403', '200']]).toContainEqual(statuses)
    await ask(app, get('/api/tags', 'Host: localhost'))
    expect(seen(upstream)).toEqual([...statuses.slice(1).map(() => 'GET /api/version'), 'GET /api/tags'])
    expect((await settled(app, statuses.length + 1))[0]).toMatchObject(FORBIDDEN)
    const labels = { method: 'DELETE', endpoint: '/api/delete', status: '403' }
    expect((await app.samples()).value('ollama_requests_total', labels)).toBe(1)
  })

  it.each(['test-machine', 'TEST-MACHINE:11434', '[::1]:11434', 'a.localhost', ''])(
    'serves the Host %j',
    async (host) => {
      const { app, upstream } = await startPair(served, AUTO)
      expect((await ask(app, get('/api/version', `Host: ${host}`))).startLine).toBe('HTTP/1.1 200 OK')
      const [request] = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
      expect(request?.rawHeaders.slice(0, 2)).toEqual(['Host', host])
      await settled(app, 1)
    },
  )
})

it('checks nothing where it listens on every address', async () => {
  const { app, upstream } = await startPair(served, { ...AUTO, OLLASCOPE_LISTEN: '0.0.0.0:0' })
  const request = get('/api/version', 'Host: evil.example', 'Origin: http://other.example')
  expect((await ask(app, request)).startLine).toBe('HTTP/1.1 200 OK')
  // Ollama on loopback would refuse the client's own.
  const [arrived] = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
  expect(arrived?.rawHeaders.slice(0, 4)).toEqual([
    'Host',
    `127.0.0.1:${upstream.port}`,
    'Origin',
    'http://other.example',
  ])
  expect(await settled(app, 1)).toMatchObject([{ outcome: 'success' }])
})

describe('lists', () => {
  const LISTS = { OLLASCOPE_ALLOWED_HOSTS: 'llm.example', OLLASCOPE_ALLOWED_ORIGINS: 'https://chat.example' }
  const HOST_ERROR =
    'ollascope: the Host of this request is not served here; use one that OLLASCOPE_ALLOWED_HOSTS lists, or add it there'
  const ORIGIN_ERROR = 'ollascope: pages of this origin may not ask here; add the origin to OLLASCOPE_ALLOWED_ORIGINS'

  it.each([
    ['/api/chat', (message: string) => ({ error: message })],
    [
      '/v1/chat/completions',
      (message: string, type: string) => ({ error: { message, type, param: null, code: null } }),
    ],
    ['/v1/messages', (message: string, type: string) => ({ type: 'error', error: { type, message } })],
  ])('tell in the words of %s what they refuse', async (path, shape) => {
    const { app, upstream } = await startPair(served, LISTS)
    const refused: [lines: string[], startLine: string, message: string, type: string][] = [
      [['Host: localhost'], 'HTTP/1.1 421 Misdirected Request', HOST_ERROR, 'invalid_request_error'],
      [[], 'HTTP/1.1 421 Misdirected Request', HOST_ERROR, 'invalid_request_error'],
      [
        ['Host: llm.example', 'Origin: http://chat.example'],
        'HTTP/1.1 403 Forbidden',
        ORIGIN_ERROR,
        'permission_error',
      ],
    ]
    for (const [lines, startLine, error, type] of refused) {
      const body = '{"model":"m","messages":[]}'
      const framing = [`Content-Length: ${body.length}`, 'Content-Type: application/json']
      const request = `${get(path, ...lines, ...framing).replace('GET', 'POST')}${body}`
      const message = await ask(app, request)
      expect(message.startLine).toBe(startLine)
      expect(headerOf(message, 'Content-Type')).toBe('application/json; charset=utf-8')
      expect(JSON.parse(message.body.toString())).toEqual(shape(error, type))
      expect(message.body).toHaveLength(Number(headerOf(message, 'Content-Length')))
    }
    expect(upstream.connections).toHaveLength(0)
    const receipts = await settled(app, refused.length)
    expect(receipts).toMatchObject(
      [421, 421, 403].map((status) => ({ endpoint: path, status, outcome: 'denied', error_type: 'forbidden' })),
    )
  })

  it('let through what is on them', async () => {
    const { app, upstream } = await startPair(served, LISTS)
    const request = get('/api/version', 'Host: LLM.example:8080', 'Origin: https://chat.example')
    expect((await ask(app, request)).startLine).toBe('HTTP/1.1 200 OK')
    expect(seen(upstream)).toEqual(['GET /api/version'])
    await settled(app, 1)
  })

  it('do not save a request with two Hosts', async () => {
    const { app, upstream } = await startPair(served, LISTS)
    const message = await ask(app, get('/api/version', 'Host: llm.example', 'Host: llm.example'))
    expect(message.startLine).toBe('HTTP/1.1 400 Bad Request')
    expect(upstream.connections).toHaveLength(0)
    await settled(app, 1)
  })
})

describe('a request line with an authority of its own', () => {
  it('is judged by its Host', async () => {
    const { app, upstream } = await startPair(served, AUTO)
    expect((await ask(app, get('http://localhost/api/version', 'Host: evil.example'))).startLine).toContain(' 403 ')
    expect(upstream.connections).toHaveLength(0)
    expect((await ask(app, get('http://evil.example/api/version', 'Host: localhost'))).startLine).toContain(' 200 ')
    expect(seen(upstream)).toEqual(['GET http://evil.example/api/version'])
    await settled(app, 2)
  })

  it.each(['http', 'HTTP', 'https', 'ftp'])('goes to the upstream and nowhere else: %s', async (scheme) => {
    let connects = 0
    const other = await serveRaw(() => connects++)
    onTestFinished(other.close)
    const { app, upstream } = await startPair(served, AUTO)
    const target = `${scheme}://127.0.0.1:${other.port}/api/version`
    const lines = ['Host: localhost', `X-Forwarded-Host: 127.0.0.1:${other.port}`]
    expect((await ask(app, get(target, ...lines))).startLine).toBe('HTTP/1.1 200 OK')
    expect(seen(upstream)).toEqual([`GET ${target}`])
    expect(connects).toBe(0)
    await settled(app, 1)
  })
})
