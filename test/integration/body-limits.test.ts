import { gzipSync, zstdCompressSync, deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage, type RawMessage } from '../helpers/raw.ts'
import {
  answer,
  answerEach,
  chunk,
  hasHead,
  holds,
  parseRequests,
  post,
  settled,
  startPair,
} from '../helpers/upstream.ts'
import { waitFor } from '../helpers/wait.ts'

const CONTEXT = { OLLASCOPE_MAX_CONTEXT_LENGTH: '4096' }
const NO_STREAMS = { OLLASCOPE_STREAMING: 'false' }
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const BAD = { outcome: 'caller_error', error_type: 'bad_request' }
const MIB = 1024 * 1024
const LIMIT = 8 * MIB
const LAST = 'Connection: close'

const TOO_LONG = 'ollascope: options.num_ctx may be 4096 at most; ask for less'
const STREAMS = 'ollascope: streaming is switched off here; send "stream": false'
const UNREADABLE =
  'ollascope: the body is no JSON object that can be checked against the limits set here; send plain JSON'
const TOO_LARGE =
  'ollascope: the body is larger than the 8 MiB that can be checked against OLLASCOPE_MAX_CONTEXT_LENGTH and OLLASCOPE_STREAMING'

const served = answerEach(() => answer('served', '200 OK', 'text/plain'))

function chunkedHead(target: string, ...lines: string[]): string {
  return `POST ${target} HTTP/1.1\r\n${['Host: x', ...lines, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n`
}

/** A request whose body is not text. */
function coded(coding: string, body: Buffer): Buffer {
  const head = `POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n${LAST}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

async function ask(app: RunningApp, request: Buffer | string): Promise<RawMessage> {
  return parseMessage((await openRaw(app.proxyPort, request).ended).bytes)
}

/** Waits until so many requests are under way. */
function underWay(app: RunningApp, count: number): Promise<unknown> {
  const active = async () => (await app.samples()).value('ollama_active_requests') === count
  return waitFor(`${count} requests under way`, active)
}

/** Sends it to a product with these settings: the upstream sees none of it, and the client is told why. */
async function expectRefused(
  env: Record<string, string>,
  request: Buffer | string,
  error: unknown,
  status = 400,
): Promise<void> {
  const { app, upstream } = await startPair(served, env)
  const message = await ask(app, request)
  expect(message.startLine).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(JSON.parse(message.body.toString())).toEqual({ error })
  expect(upstream.connections).toHaveLength(0)
  expect(await settled(app, 1)).toMatchObject([{ status, ...BAD }])
}

/** Sends it likewise: the upstream gets the very same, and the client its answer. */
async function expectPassed(env: Record<string, string>, request: Buffer | string): Promise<void> {
  const { app, upstream } = await startPair(served, env)
  expect((await ask(app, request)).body.toString()).toBe('served')
  const [arrived] = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
  const [sent] = parseRequests(Buffer.from(request))
  expect(arrived?.body.equals(sent?.body ?? Buffer.alloc(0))).toBe(true)
  expect(arrived?.target).toBe(sent?.target)
  expect(framingOf(arrived?.rawHeaders)).toEqual(framingOf(sent?.rawHeaders))
  expect(await settled(app, 1)).toMatchObject([{ outcome: 'success', request_bytes: sent?.bodyBytes }])
}

/** All fields that came, but for those that speak of the connection, and the request id. */
function framingOf(raw: readonly string[] = []): string[] {
  const pairs = raw.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${raw[index + 1] ?? ''}`] : []))
  return pairs.filter((line) => !/^(?:connection|x-request-id):/i.test(line))
}

describe('a context that is too long', () => {
  it.each([
    '{"model":"m","options":{"num_ctx":4097}}',
    '{"options":{"num_ctx":1},"options":{"num_ctx":9e9}}',
    '{"options":{"num_ctx":9e9},"options":{"num_ctx":1}}',
    '{"OPTIONS":{"Num_Ctx":"1"}}',
    '{"\\u006fptions":{"num\\u005fctx":4096.5}}',
  ])('is refused before the upstream sees a byte: %s', (body) =>
    expectRefused(CONTEXT, post('/api/chat', body, [LAST]), TOO_LONG),
  )

  it.each([
    ['/api/generate', TOO_LONG],
    ['/api/embed', TOO_LONG],
    ['/api/%63hat?x=1', TOO_LONG],
    ['http://other.example/api/chat', TOO_LONG],
    ['ftp://other.example/api/chat', TOO_LONG],
    ['x://other.example/api/chat', TOO_LONG],
    ['/v1/chat/completions', { message: TOO_LONG, type: 'invalid_request_error', param: null, code: null }],
  ])('is refused at %s, which Ollama serves as well', (target, error) =>
    expectRefused(CONTEXT, post(target, '{"stream":false,"options":{"num_ctx":4097}}', [LAST]), error),
  )

  it('is refused in the words of /v1/messages', async () => {
    const { app, upstream } = await startPair(served, CONTEXT)
    const { body } = await ask(app, post('/v1/messages', '{"options":{"num_ctx":4097}}', [LAST]))
    expect(JSON.parse(body.toString())).toEqual({
      type: 'error',
      error: { type: 'invalid_request_error', message: TOO_LONG },
    })
    expect(upstream.connections).toHaveLength(0)
    await settled(app, 1)
  })

  it.each([
    ['within the limit', '{"model":"m","options":{"num_ctx":4096}}'],
    ['a decoy', '{"num_ctx":9e9,"x":{"options":{"num_ctx":9e9}},"prompt":"\\"options\\":{\\"num_ctx\\":9e9}"}'],
    ['odd white space', ' \r\n{ "model" :\t"m" }\n '],
    ['many characters', `{"prompt":${JSON.stringify(String.fromCharCode(...Array(0x300).keys()))}}`],
  ])('is not found in a body with %s, which passes as it is', (_, body) =>
    expectPassed(CONTEXT, post('/api/chat', body, [LAST, 'X-Other:  kept '])),
  )

  it('makes a receipt that tells what was asked', async () => {
    const { app } = await startPair(served, CONTEXT)
    const body = '{"model":"m","options":{"num_ctx":5000}}'
    await ask(app, post('/api/chat', body, [LAST]))
    expect(await settled(app, 1)).toMatchObject([
      { model: 'm', endpoint: '/api/chat', status: 400, request_bytes: body.length, chunks: 0, ...BAD },
    ])
    const samples = await app.samples()
    expect(samples.value('ollama_requests_total', { method: 'POST', endpoint: '/api/chat', status: '400' })).toBe(1)
  })
})

describe('streaming that is switched off', () => {
  it.each([
    ['/api/chat', '{"model":"m"}', true],
    ['/api/generate', '{"stream":null}', true],
    ['/api/chat', '{"stream":true}', true],
    ['/api/chat', '{"stream":true,"stream":false}', true],
    ['/api/chat', '{"stream":false,"\\u0053TREAM":true}', true],
    ['/api/chat', '{"stream":"false"}', true],
    ['/api/chat', '{"stream":false}', false],
    ['/api/embed', '{"model":"m","input":"x"}', false],
    ['/api/show', '{"model":"m"}', false],
    ['/api/pull', '{"model":"m","options":{"num_ctx":9e9}}', false],
    ['/api/push', '{"model":"m","stream":true}', false],
    ['/api/create', '{"model":"m"}', false],
    ['/v1/responses', '{"model":"m"}', false],
    ['/v1/embeddings', '{"model":"m","stream":true}', false],
  ])('%s %s: %s', (target, body, refused) =>
    refused
      ? expectRefused({ ...NO_STREAMS, ...CONTEXT }, post(target, body, [LAST]), STREAMS)
      : expectPassed({ ...NO_STREAMS, ...CONTEXT }, post(target, body, [LAST])),
  )

  it('is told in the words of /v1', () =>
    expectRefused(NO_STREAMS, post('/v1/completions', '{"stream":true}', [LAST]), {
      message: STREAMS,
      type: 'invalid_request_error',
      param: null,
      code: null,
    }))

  it.each(['PUT', 'GET', 'DELETE', 'PATCH'])('leaves %s to the upstream, which runs nothing', (method) =>
    expectPassed(NO_STREAMS, post('/api/chat', '{"stream":true}', [LAST]).replace('POST', method)),
  )

  it('leaves an empty body to the upstream', async () => {
    await expectPassed(NO_STREAMS, post('/api/chat', '', [LAST]))
    await expectPassed(NO_STREAMS, `POST /api/chat HTTP/1.1\r\nHost: x\r\n${LAST}\r\n\r\n`)
    await expectPassed(NO_STREAMS, `${chunkedHead('/api/chat', LAST)}0\r\n\r\n`)
  })
})

describe('a body that cannot be judged', () => {
  it.each([
    '{"model":"m"}{"options":{"num_ctx":9e9}}',
    '\ufeff{"model":"m"}',
    '[{"model":"m"}]',
    '{"options":{"num_ctx":NaN}}',
    '{"model":"m"',
    'num_ctx=9e9',
    ' ',
  ])('is refused: %j', (body) => expectRefused(CONTEXT, post('/api/chat', body, [LAST]), UNREADABLE))

  const GOOD = Buffer.from('{"model":"m","stream":false}')
  const BOTH = { ...CONTEXT, ...NO_STREAMS }

  it('is read where it is coded by what can be told from plain text', async () => {
    await expectPassed(BOTH, coded('gzip', gzipSync(GOOD)))
    await expectPassed(BOTH, coded('zstd', zstdCompressSync(GOOD)))
    await expectPassed(BOTH, coded('identity', GOOD))
    await expectRefused(BOTH, coded('gzip', gzipSync('{"options":{"num_ctx":9e9}}')), TOO_LONG)
    await expectRefused(BOTH, coded('zstd', zstdCompressSync('{"stream":true}')), STREAMS)
  })

  it.each([
    ['deflate', deflateSync(GOOD)],
    ['br', GOOD],
    ['gzip', GOOD],
    ['zstd', gzipSync(GOOD)],
    ['gzip, gzip', gzipSync(gzipSync(GOOD))],
    ['identity\r\nContent-Encoding: gzip', gzipSync(GOOD)],
    ['gzip\r\nContent-Encoding: identity', GOOD],
    ['unknown', GOOD],
  ])('is refused where it says %j', (coding, body) => expectRefused(BOTH, coded(coding, body), UNREADABLE))
})

describe('a body that is held', () => {
  const padded = (bytes: number) => `{"model":"m","stream":false,"prompt":"${'x'.repeat(bytes - 40)}"}`

  it('is passed on in chunks, with its trailers', async () => {
    const { app, upstream } = await startPair(undefined, CONTEXT)
    const client = openRaw(app.proxyPort, chunkedHead('/api/chat', 'Trailer: X-Sum'))
    const pieces = ['{"model":', '"m","options":{"num', '_ctx":12}}']
    for (const piece of pieces) client.socket.write(chunk(piece))
    client.socket.write('0\r\nX-Sum: 7\r\n\r\n')
    const connection = await upstream.next()
    const bytes = await connection.until((got) => parseRequests(got).length === 1)
    expect(parseRequests(bytes)[0]?.body.toString()).toBe(pieces.join(''))
    expect(bytes.toString()).toMatch(/\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n/)
    expect(bytes.toString().endsWith('\r\n0\r\nX-Sum: 7\r\n\r\n')).toBe(true)
    connection.socket.write(answer('{}'))
    await client.until(hasHead)
    await settled(app, 1)
  })

  it('may be of 8 MiB', async () => {
    expect(padded(LIMIT)).toHaveLength(LIMIT)
    await expectPassed(NO_STREAMS, post('/api/chat', padded(LIMIT), [LAST]))
    const [first, second] = [padded(LIMIT).slice(0, 5 * MIB), padded(LIMIT).slice(5 * MIB)]
    await expectPassed(NO_STREAMS, `${chunkedHead('/api/chat', LAST)}${chunk(first)}${chunk(second)}0\r\n\r\n`)
  })

  it('may not be of more', async () => {
    await expectRefused(NO_STREAMS, post('/api/chat', padded(LIMIT + 1), [LAST]), TOO_LARGE, 413)
    // Without its end, of which nobody knows when it comes.
    await expectRefused(NO_STREAMS, `${chunkedHead('/api/chat')}${chunk(padded(LIMIT + 1))}`, TOO_LARGE, 413)
  })

  it('is of any size where the upstream runs no model with it', () =>
    expectPassed({ ...NO_STREAMS, ...CONTEXT }, post('/api/show', padded(LIMIT - 1), [LAST])))

  it.each([
    ['with its length', 'Content-Length: 13', '{"model":"m"}'],
    ['in chunks', 'Transfer-Encoding: chunked', `${chunk('{"model":"m"}')}0\r\n\r\n`],
  ])('%s is asked for once, and the upstream is not told that it waited', async (_, framing, body) => {
    const { app, upstream } = await startPair((connection) => {
      connection.socket.write(CONTINUE) // it was not asked
      served(connection)
    }, CONTEXT)
    const head = `POST /api/chat HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n${framing}\r\n${LAST}\r\n\r\n`
    const client = openRaw(app.proxyPort, head)
    expect((await client.until(hasHead)).toString()).toBe(CONTINUE)
    expect(upstream.connections).toHaveLength(0)
    client.socket.write(body)
    const { bytes } = await client.ended
    expect(bytes.toString().split('100 Continue')).toHaveLength(2)
    expect(parseMessage(bytes).body.toString()).toBe('served')
    const [request] = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
    expect(framingOf(request?.rawHeaders)).toEqual(['Host: x', framing])
    await settled(app, 1)
  })

  it('is asked for, and refused then', async () => {
    const { app, upstream } = await startPair(served, CONTEXT)
    const body = '{"options":{"num_ctx":4097}}'
    const client = openRaw(
      app.proxyPort,
      post('/api/chat', '', ['Expect: 100-continue']).replace(': 0', `: ${body.length}`),
    )
    expect((await client.until(hasHead)).toString()).toBe(CONTINUE)
    client.socket.write(body)
    const text = (await client.until(holds('ask for less'))).toString()
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 400'])
    client.socket.end()
    await client.ended
    expect(upstream.connections).toHaveLength(0)
    await settled(app, 1)
  })

  it('is not asked for in HTTP/1.0, which has no such answer', async () => {
    const { app } = await startPair(served, CONTEXT)
    const request = post('/api/chat', '{"model":"m"}', ['Expect: 100-continue']).replace('HTTP/1.1', 'HTTP/1.0')
    const { bytes } = await openRaw(app.proxyPort, request).ended
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(bytes.toString()).not.toContain('100 Continue')
    await settled(app, 1)
  })

  it.each([
    ['of which nothing came', ''],
    ['of which a part came', '{"model":"m","opt'],
  ])('and stalls, %s, is given up', async (_, part) => {
    const { app, upstream } = await startPair(served, { ...CONTEXT, OLLASCOPE_IDLE_TIMEOUT: '200ms' })
    const client = openRaw(app.proxyPort, post('/api/chat', '').replace(': 0', ': 99') + part)
    await client.until(hasHead)
    client.socket.end()
    const message = parseMessage((await client.ended).bytes)
    expect(message.startLine).toBe('HTTP/1.1 408 Request Timeout')
    expect(JSON.parse(message.body.toString())).toEqual({
      error: expect.stringMatching(/^ollascope: nothing more of the request's body came for 200 ms/) as string,
    })
    expect(upstream.connections).toHaveLength(0)
    expect(await settled(app, 1)).toMatchObject([
      { status: 408, outcome: 'timeout', error_type: 'upload_timeout', request_bytes: part.length },
    ])
  })

  it.each(['closes', 'half-closes', 'resets'])('is nobody’s where the client %s its connection', async (how) => {
    const { app, upstream } = await startPair(served, CONTEXT)
    const client = openRaw(app.proxyPort, `${chunkedHead('/api/chat')}${chunk('{"model":"m",')}`)
    await underWay(app, 1)
    if (how === 'closes') client.socket.destroy()
    else if (how === 'resets') client.socket.resetAndDestroy()
    else client.socket.end()
    expect(await settled(app, 1)).toMatchObject([
      { status: 499, outcome: 'client_abort', error_type: 'client_abort', abort_phase: 'unknown', request_bytes: 13 },
    ])
    expect(upstream.connections).toHaveLength(0)
  })

  it('is refused in its turn, behind the answer to the request before it', async () => {
    const { app, upstream } = await startPair(undefined, CONTEXT)
    const first = 'GET /api/tags HTTP/1.1\r\nHost: x\r\n\r\n'
    const client = openRaw(app.proxyPort, first + post('/api/chat', '{"options":{"num_ctx":4097}}', [LAST]))
    const connection = await upstream.next()
    await underWay(app, 2)
    expect(client.received()).toHaveLength(0)
    connection.socket.write(answer('{}'))
    const text = (await client.ended).bytes.toString()
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
    expect(upstream.connections).toHaveLength(1)
    await settled(app, 2)
  })
})
