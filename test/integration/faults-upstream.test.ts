import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp } from '../helpers/app.ts'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { answer, answerEach, chunk, holds, parseRequests, post, settled, startPair } from '../helpers/upstream.ts'

const GENERATE = post('/api/generate', '{"model":"m","prompt":"p"}')
const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nDate: Sat, 21 Nov 2026 07:56:39 GMT\r\nTransfer-Encoding: chunked\r\n\r\n'
const LINES = ['{"response":"one","done":false}\n', '{"response":"two","done":false}\n']
const LAST = '{"response":"","done":true,"done_reason":"stop","eval_count":2}\n'
const END = '0\r\n\r\n'

async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

describe('an upstream that cannot be reached', () => {
  it.each([
    ['/api/generate', (message: string) => ({ error: message })],
    ['/v1/chat/completions', (message: string) => ({ error: { message, type: 'api_error', param: null, code: null } })],
    ['/v1/messages', (message: string) => ({ type: 'error', error: { type: 'api_error', message } })],
  ])('is told in the words of %s', async (target, shape) => {
    const port = await closedPort()
    const app = await startApp(port)
    onTestFinished(() => app.close())
    const client = openRaw(app.proxyPort, post(target, '{"model":"m"}', ['Connection: close']))
    const { bytes, end } = await client.ended
    const message = parseMessage(bytes)
    expect(message.startLine).toBe('HTTP/1.1 502 Bad Gateway')
    expect(message.complete).toBe(true)
    expect(end).toBe('fin')
    const text = `ollascope: cannot reach Ollama at http://127.0.0.1:${port} (connection refused); is it running?`
    expect(JSON.parse(message.body.toString())).toEqual(shape(text))
    const [receipt] = await settled(app, 1)
    expect(receipt).toMatchObject({ endpoint: target, status: 502, outcome: 'error', error_type: 'connect' })
  })
})

describe('an upstream that fails before it answers', () => {
  it.each([
    ['closes', (socket: { end: () => unknown }) => socket.end(), 'closed the connection before it answered'],
    ['resets', (socket: { resetAndDestroy: () => unknown }) => socket.resetAndDestroy(), 'closed the connection'],
    [
      'answers garbage',
      (socket: { end: (text: string) => unknown }) => socket.end('SSH-2.0-x\r\n\r\n'),
      'not speak HTTP',
    ],
  ])('and %s is told as 502, once', async (_title, fail, words) => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, GENERATE)
    const connection = await upstream.next()
    await connection.until(holds('"prompt"'))
    fail(connection.socket)
    const bytes = await client.until((got) => got.includes('\r\n\r\n') && parseMessage(got).complete)
    const message = parseMessage(bytes)
    expect(message.startLine).toBe('HTTP/1.1 502 Bad Gateway')
    expect(message.body.toString()).toContain('ollascope: ')
    expect(message.body.toString()).toContain(words)
    const [receipt] = await settled(app, 1)
    expect(receipt).toMatchObject({ status: 502, outcome: 'error', error_type: 'upstream_reset' })
    expect(upstream.connections).toHaveLength(1)
  })
})

describe('an upstream that says odd things', () => {
  it('and switches protocols unasked is told as 502', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, GENERATE)
    const { socket } = await upstream.next()
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
    const bytes = await client.until((got) => got.includes('\r\n\r\n') && parseMessage(got).complete)
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
    expect(await settled(app, 1)).toMatchObject([{ status: 502, error_type: 'upstream_reset' }])
  })

  it.each(['Link: no link at all', 'X-Other: 1'])(
    'and hints that Node refuses (%s) still gives its answer',
    async (line) => {
      const { app } = await startPair(answerEach(() => `HTTP/1.1 103 Early Hints\r\n${line}\r\n\r\n${answer('{}')}`))
      const { bytes } = await openRaw(app.proxyPort, post('/api/show', '{}', ['Connection: close'])).ended
      expect(parseMessage(bytes)).toMatchObject({ startLine: 'HTTP/1.1 200 OK', complete: true })
      expect(await settled(app, 1)).toMatchObject([{ status: 200, outcome: 'success' }])
    },
  )

  it.each([
    ['a status that is none', '099 Odd'],
    ['a control character in its reason', '200 O\x01K'],
  ])('and answers with %s is told as 502, and stays usable', async (_title, status) => {
    const { app } = await startPair(answerEach(({ target }) => answer('{}', target === '/odd' ? status : undefined)))
    const odd = await openRaw(app.proxyPort, post('/odd', '{}', ['Connection: close'])).ended
    expect(parseMessage(odd.bytes)).toMatchObject({ startLine: 'HTTP/1.1 502 Bad Gateway', complete: true })
    const next = await openRaw(app.proxyPort, post('/api/show', '{}', ['Connection: close'])).ended
    expect(parseMessage(next.bytes)).toMatchObject({ startLine: 'HTTP/1.1 200 OK', complete: true })
    expect(await settled(app, 2)).toMatchObject([{ status: 502, error_type: 'upstream_reset' }, { status: 200 }])
  })

  it('and codes its answer beyond chunks is told as 502: the client could not know the coding', async () => {
    const { app } = await startPair(
      answerEach(() => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n\x1f\x8b\r\n0\r\n\r\n'),
    )
    const { bytes } = await openRaw(app.proxyPort, post('/api/show', '{}', ['Connection: close'])).ended
    expect(parseMessage(bytes)).toMatchObject({ startLine: 'HTTP/1.1 502 Bad Gateway', complete: true })
    expect(await settled(app, 1)).toMatchObject([{ status: 502, error_type: 'upstream_reset' }])
  })

  it('and names trailers where none can be is passed on without them', async () => {
    const { app } = await startPair(
      answerEach(() => 'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nContent-Length: 2\r\n\r\n{}'),
    )
    const { bytes } = await openRaw(app.proxyPort, post('/api/show', '{}', ['Connection: close', 'Trailer: a'])).ended
    expect(parseMessage(bytes)).toMatchObject({ startLine: 'HTTP/1.1 200 OK', complete: true })
    expect(await settled(app, 1)).toMatchObject([{ status: 200, outcome: 'success' }])
  })

  it('and fails at a pipelined request cuts behind the answer before it', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, GENERATE + GENERATE)
    const [first, second] = [await upstream.next(), await upstream.next()]
    second.socket.end(`${STREAM_HEAD}${chunk('cut')}`)
    await second.left
    first.socket.write(answer('{"done":true}'))
    const { bytes } = await client.ended
    expect(bytes.toString()).toContain('{"done":true}HTTP/1.1 200 OK\r\n')
    expect(bytes.toString().endsWith(chunk('cut'))).toBe(true)
    expect(await settled(app, 2)).toMatchObject([{ outcome: 'success' }, { outcome: 'truncated' }])
  })
})

describe('an upstream that fails while it answers', () => {
  const cases: [title: string, head: string, end: string][] = [
    ['closes without the last chunk', STREAM_HEAD, 'fin'],
    ['resets', STREAM_HEAD, 'rst'],
    ['sends a bad chunk', STREAM_HEAD, 'no-hex\r\nabc\r\n'],
  ]

  it.each(cases)('and %s: the client is cut, without one byte more', async (_title, head, how) => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, GENERATE)
    const { socket } = await upstream.next()
    socket.write(`${head}${chunk(LINES[0] ?? '')}`)
    await client.until(holds('one'))
    socket.write(chunk(LINES[1] ?? ''))
    await client.until(holds('two'))
    if (how === 'fin') socket.end()
    else if (how === 'rst') socket.resetAndDestroy()
    else socket.write(how)
    const { bytes } = await client.ended
    const message = parseMessage(bytes)
    expect(message.startLine).toBe('HTTP/1.1 200 OK')
    expect(message.body.toString()).toBe(LINES.join(''))
    expect(message.complete).toBe(false)
    expect(bytes.toString().endsWith(chunk(LINES[1] ?? ''))).toBe(true)
    const [receipt] = await settled(app, 1)
    expect(receipt).toMatchObject({ status: 200, outcome: 'truncated', error_type: 'truncated', chunks: 2 })
  })

  it.each(['fin', 'rst'])('a body shorter than its length (%s) stays short', async (how) => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, GENERATE)
    const { socket } = await upstream.next()
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"response":')
    await client.until(holds('{"response":'))
    if (how === 'fin') socket.end()
    else socket.resetAndDestroy()
    const { bytes } = await client.ended
    const message = parseMessage(bytes)
    expect(message.headers).toContainEqual(['Content-Length', '100'])
    expect(message.body.toString()).toBe('{"response":')
    expect(message.complete).toBe(false)
    const [receipt] = await settled(app, 1)
    expect(receipt).toMatchObject({ status: 200, outcome: 'truncated', error_type: 'truncated' })
  })

  it('cuts an HTTP/1.0 client by a reset, since a close would look like the end', async () => {
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, 'GET /api/tags HTTP/1.0\r\n\r\n')
    const { socket } = await upstream.next()
    socket.write(`${STREAM_HEAD}${chunk('half')}`)
    await client.until(holds('half'))
    socket.end()
    expect((await client.ended).end).toBe('ECONNRESET')
    expect(await settled(app, 1)).toMatchObject([{ outcome: 'truncated' }])
  })

  it('is followed by a request that succeeds, when the upstream is back', async () => {
    const { app, upstream } = await startPair()
    const first = openRaw(app.proxyPort, GENERATE)
    const { socket } = await upstream.next()
    socket.write(`${STREAM_HEAD}${chunk(LINES[0] ?? '')}`)
    await first.until(holds('one'))
    socket.resetAndDestroy()
    await first.ended
    const second = openRaw(app.proxyPort, GENERATE)
    const next = await upstream.next()
    next.socket.write(`${STREAM_HEAD}${chunk(LAST)}${END}`)
    await second.until((bytes) => bytes.includes('\r\n\r\n') && parseMessage(bytes).complete)
    expect(await settled(app, 2)).toMatchObject([{ outcome: 'truncated' }, { status: 200, outcome: 'stop' }])
  })
})

describe('an answer that says it failed', () => {
  const failures: [status: string, body: string, verdict: Record<string, string>][] = [
    [
      '404 Not Found',
      '{"error":"model \'nope\' not found"}',
      { outcome: 'caller_error', error_type: 'model_not_found' },
    ],
    ['400 Bad Request', '{"error":"missing request body"}', { outcome: 'caller_error', error_type: 'bad_request' }],
    [
      '503 Service Unavailable',
      '{"error":"server busy, please try again.  maximum pending requests exceeded"}',
      { outcome: 'rejected', error_type: 'queue_full' },
    ],
    ['500 Internal Server Error', '{"error":"cudaMalloc failed"}', { outcome: 'error', error_type: 'out_of_memory' }],
    ['500 Internal Server Error', '{"error":"something else"}', { outcome: 'error', error_type: 'other' }],
  ]

  it.each(failures)('%s %s passes byte for byte and is counted by its text', async (status, body, verdict) => {
    const text = answer(body, status)
    const { app } = await startPair(answerEach(() => text))
    const client = openRaw(app.proxyPort, GENERATE)
    const bytes = await client.until((got) => got.includes('\r\n\r\n') && parseMessage(got).complete)
    const message = parseMessage(bytes)
    expect(message.startLine).toBe(`HTTP/1.1 ${status}`)
    expect(message.body.toString()).toBe(body)
    expect(await settled(app, 1)).toMatchObject([{ status: Number(status.slice(0, 3)), ...verdict }])
  })

  it.each([
    ['an error line', '{"error":"something"}\n', { outcome: 'error', error_type: 'stream_error' }],
    [
      'a dead runner',
      '{"error":"an error was encountered while running the model: unexpected EOF"}\n',
      { outcome: 'error', error_type: 'runner_crash' },
    ],
    ['no terminal line', '', { outcome: 'truncated', error_type: 'truncated' }],
  ])('a stream with %s passes whole and is counted as failed', async (_title, line, verdict) => {
    const wire = `${STREAM_HEAD}${chunk(LINES.join(''))}${line === '' ? '' : chunk(line)}${END}`
    const { app } = await startPair(answerEach(() => wire))
    const client = openRaw(app.proxyPort, GENERATE)
    const bytes = await client.until((got) => got.includes('\r\n\r\n') && parseMessage(got).complete)
    expect(parseMessage(bytes).body.toString()).toBe(LINES.join('') + line)
    expect(await settled(app, 1)).toMatchObject([{ status: 200, ...verdict }])
  })
})

describe('a batch of mixed requests', () => {
  it('has one count and one receipt each, errors only where there is a type', async () => {
    const { app } = await startPair((connection) => {
      void connection
        .until((bytes) => parseRequests(bytes).length > 0)
        .then((bytes) => {
          const { socket } = connection
          const target = parseRequests(bytes)[0]?.target
          if (target === '/api/tags') socket.end(answer('{"models":[]}'))
          else if (target === '/api/show') socket.end(answer('{"error":"no"}', '400 Bad Request'))
          else if (target === '/api/chat') socket.end(`${STREAM_HEAD}${chunk(LINES[0] ?? '')}`)
          else if (target === '/api/generate') socket.end(`${STREAM_HEAD}${chunk(LAST)}${END}`)
          else socket.resetAndDestroy()
        })
    })
    const targets = ['/api/tags', '/api/show', '/api/chat', '/api/generate', '/nothing', '/api/generate', '/api/tags']
    for (const target of targets) {
      await openRaw(app.proxyPort, post(target, '{"model":"m"}', ['Connection: close'])).ended
    }
    const client = openRaw(app.proxyPort, 'NONSENSE\r\n\r\n')
    await client.ended
    const receipts = await settled(app, targets.length + 1)
    const types = receipts.map(({ error_type }) => error_type)
    expect(types).toEqual([
      undefined,
      'bad_request',
      'truncated',
      undefined,
      'upstream_reset',
      undefined,
      undefined,
      'bad_request',
    ])
  })
})
