import { describe, expect, it } from 'vitest'
import type { RunningApp } from '../helpers/app.ts'
import { watchTries } from '../helpers/late-upstream.ts'
import { openRaw, parseMessage, type RawClient, type Recorder } from '../helpers/raw.ts'
import { answer, chunk, hasHead, parseRequests, post, settled, startPair, type Upstream } from '../helpers/upstream.ts'

const RESET = { status: 502, outcome: 'error', error_type: 'upstream_reset' }
const JSON_BODY = '{"model":"m"}'

const ending: [how: string, end: (connection: Recorder) => void][] = [
  ['closed', ({ socket }) => socket.end()],
  ['reset', ({ socket }) => socket.resetAndDestroy()],
]

const isWhole = (bytes: Buffer) => bytes.includes('\r\n\r\n') && parseMessage(bytes).complete
const get = (method: string) => `${method} /api/tags HTTP/1.1\r\nHost: x\r\n\r\n`
const request = (method: string, fields: string, body: string) =>
  `${method} /api/delete HTTP/1.1\r\nHost: x\r\n${fields}\r\n\r\n${body}`

function headOf(bytes: Buffer): string {
  return bytes.toString('latin1', 0, bytes.indexOf('\r\n\r\n'))
}

async function statusOf(client: RawClient): Promise<string> {
  return parseMessage(await client.until(isWhole)).startLine.slice(9, 12)
}

/** The product with a connection to the upstream that was used once, and is kept. `begun`: what came on it since. */
async function startKept(env: Record<string, string> = {}) {
  const { app, upstream } = await startPair(undefined, env)
  const first = openRaw(app.proxyPort, 'GET /api/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const kept = await upstream.next()
  kept.socket.write(answer('{"version":"1"}'))
  await first.ended
  await app.receipts(1)
  const { length } = kept.received()
  const begun = () => kept.received().subarray(length)
  const has = (condition: (bytes: Buffer) => boolean) => kept.until((bytes) => condition(bytes.subarray(length)))
  return { app, upstream, kept, begun, has }
}

async function staleRetries(app: RunningApp) {
  const { value } = await app.samples()
  const count = (result: string) => value('ollascope_stale_connection_retries_total', { result })
  return { success: count('success'), failure: count('failure') }
}

/** Sees a request fail with 502, that was sent on the kept connection alone. */
async function expectSentOnce(app: RunningApp, upstream: Upstream, client: RawClient): Promise<void> {
  const sentAgain = upstream.next().then(() => 'sent again')
  expect(await Promise.race([statusOf(client), sentAgain])).toBe('502')
  const [, receipt] = await settled(app, 2)
  expect(receipt).toMatchObject(RESET)
  expect(receipt).not.toHaveProperty('retries')
  expect(upstream.connections).toHaveLength(1)
  expect(await staleRetries(app)).toEqual({ success: 0, failure: 0 })
}

describe('a kept connection that turns out to be over', () => {
  const asks: [title: string, bytes: string, body: string, end: string][] = [
    ['GET', get('GET'), '', '\r\n\r\n'],
    ['HEAD', get('HEAD'), '', '\r\n\r\n'],
    ['OPTIONS', get('OPTIONS'), '', '\r\n\r\n'],
    ['DELETE without a body', request('DELETE', 'X: y', ''), '', '\r\n\r\n'],
    ['DELETE with a body', request('DELETE', 'Content-Length: 13', JSON_BODY), JSON_BODY, JSON_BODY],
    [
      'DELETE with chunks and trailers',
      request(
        'DELETE',
        'Transfer-Encoding: chunked\r\nTrailer: X-Sum',
        `${chunk('{"model":')}${chunk('"m"}')}0\r\nX-Sum: 1\r\n\r\n`,
      ),
      JSON_BODY,
      '0\r\nX-Sum: 1\r\n\r\n',
    ],
    ['DELETE with an empty body', request('DELETE', 'Content-Length: 0', ''), '', '\r\n\r\n'],
  ]

  it.each(asks.flatMap((ask) => ending.map(([how, end]) => [how, ...ask, end] as const)))(
    '(%s) is replaced once for %s, which is sent again whole',
    async (_how, method, bytes, body, last, end) => {
      const { app, upstream, kept, begun, has } = await startKept()
      const client = openRaw(app.proxyPort, bytes)
      await has((got) => parseRequests(got).length === 1)
      end(kept)
      const fresh = await upstream.next()
      await fresh.until((got) => parseRequests(got).length === 1)
      expect(fresh.received().toString().endsWith(last)).toBe(true)
      expect(parseRequests(fresh.received())[0]?.body.toString()).toBe(body)
      expect(headOf(fresh.received())).toBe(headOf(begun()))
      fresh.socket.write(method === 'HEAD' ? answer('{}').slice(0, -2) : answer('{}'))
      const answered = await client.until(hasHead)
      expect(answered.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
      const [, receipt] = await settled(app, 2)
      expect(receipt).toMatchObject({ status: 200, retries: 1, request_bytes: body.length })
      expect(upstream.connections).toHaveLength(2)
      expect(parseRequests(kept.received())).toHaveLength(2)
      expect(await staleRetries(app)).toEqual({ success: 1, failure: 0 })
      expect((await app.samples()).sum('ollascope_connect_retries_total')).toBe(0)
    },
  )

  it.each([
    ['with a length', 'Content-Length: 13', JSON_BODY],
    ['chunked', 'Transfer-Encoding: chunked', `${chunk(JSON_BODY)}0\r\n\r\n`],
    ['that waits to be asked for', 'Expect: 100-continue\r\nContent-Length: 13', JSON_BODY],
  ])('is replaced for a POST whose body (%s) had not begun', async (_title, fields, body) => {
    const { app, upstream, kept, has } = await startKept()
    const client = openRaw(app.proxyPort, request('POST', fields, ''))
    await has((got) => got.includes('\r\n\r\n'))
    kept.socket.end()
    const fresh = await upstream.next()
    if (fields.startsWith('Expect')) fresh.socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    if (fields.startsWith('Expect')) await client.until((got) => got.includes('100 Continue'))
    client.socket.write(body)
    const [again] = parseRequests(await fresh.until((got) => parseRequests(got).length === 1))
    expect(again?.body.toString()).toBe(JSON_BODY)
    fresh.socket.write(answer('{}'))
    await client.until((got) => got.includes('200 OK') && isWhole(got))
    expect(await settled(app, 2)).toMatchObject([{}, { status: 200, retries: 1, request_bytes: 13 }])
    expect(await staleRetries(app)).toEqual({ success: 1, failure: 0 })
  })

  const once: [title: string, bytes: string, arrived: string][] = [
    ['a POST whose body has begun', request('POST', 'Content-Length: 100', JSON_BODY), JSON_BODY],
    ['a POST whose chunks have begun', request('POST', 'Transfer-Encoding: chunked', chunk(JSON_BODY)), JSON_BODY],
    ['a POST that was sent whole', post('/api/show', JSON_BODY), JSON_BODY],
    ['a POST without a body', request('POST', 'X: y', ''), '\r\n\r\n'],
    ['a POST with an empty body', request('POST', 'Content-Length: 0', ''), '\r\n\r\n'],
    ['a POST with no chunks', request('POST', 'Transfer-Encoding: chunked', '0\r\n\r\n'), '0\r\n\r\n'],
    ['a PATCH without a body', request('PATCH', 'X: y', ''), '\r\n\r\n'],
    [
      'a DELETE with a body that is too large to be kept',
      request('DELETE', 'Content-Length: 100000', 'x'.repeat(100_000)),
      'x'.repeat(100_000),
    ],
  ]

  it.each(once.flatMap((one) => ending.map(([how, end]) => [how, ...one, end] as const)))(
    '(%s) is told as 502 for %s: nothing is sent twice',
    async (_how, _title, bytes, arrived, end) => {
      const { app, upstream, kept, has } = await startKept()
      const client = openRaw(app.proxyPort, bytes)
      await has((got) => got.includes(arrived))
      end(kept)
      await expectSentOnce(app, upstream, client)
    },
  )

  it('is told as 502 for a POST whose held body was sent', async () => {
    const { app, upstream, kept, has } = await startKept({ OLLASCOPE_MAX_CONTEXT_LENGTH: '10' })
    const client = openRaw(app.proxyPort, post('/api/generate', JSON_BODY))
    await has((got) => parseRequests(got).length === 1)
    kept.socket.end()
    await expectSentOnce(app, upstream, client)
  })

  it.each(['H', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 103 Early Hints\r\nX-Other: 1\r\n\r\n'])(
    'is told as 502 where a byte of a response came: %j',
    async (part) => {
      const { app, upstream, kept, has } = await startKept()
      const client = openRaw(app.proxyPort, get('GET'))
      await has((got) => parseRequests(got).length === 1)
      kept.socket.end(part)
      await expectSentOnce(app, upstream, client)
    },
  )

  it.each(ending)('is replaced once only: the next one is %s as well', async (_how, end) => {
    const { app, upstream, kept, has } = await startKept()
    const client = openRaw(app.proxyPort, get('GET'))
    await has((got) => parseRequests(got).length === 1)
    kept.socket.end()
    const fresh = await upstream.next()
    await fresh.until((got) => parseRequests(got).length === 1)
    end(fresh)
    expect(await statusOf(client)).toBe('502')
    expect(await settled(app, 2)).toMatchObject([{}, { ...RESET, retries: 1 }])
    expect(upstream.connections).toHaveLength(2)
    expect(await staleRetries(app)).toEqual({ success: 0, failure: 1 })
  })

  it.each(['0', '2'])('is told as 502 where the upstream has gone, with %s retries of connecting', async (retries) => {
    const tries = watchTries()
    const env = { OLLASCOPE_CONNECT_RETRIES: retries, OLLASCOPE_RETRY_DELAY: '1ms' }
    const { app, upstream, has } = await startKept(env)
    const client = openRaw(app.proxyPort, get('GET'))
    await has((got) => parseRequests(got).length === 1)
    await upstream.close()
    expect(await statusOf(client)).toBe('502')
    const [, receipt] = await settled(app, 2)
    expect(receipt).toMatchObject({ status: 502, error_type: 'connect', retries: 1 + Number(retries) })
    expect(tries.begun()).toBe(3 + Number(retries))
    expect(await staleRetries(app)).toEqual({ success: 0, failure: 1 })
    expect((await app.samples()).value('ollascope_connect_retries_total', { result: 'failure' })).toBe(Number(retries))
  })

  it('is replaced by a new one, not by another that was kept', async () => {
    const { app, upstream } = await startPair()
    const firsts = [openRaw(app.proxyPort, get('GET')), openRaw(app.proxyPort, get('GET'))]
    const kept = [await upstream.next(), await upstream.next()]
    for (const { socket } of kept) socket.write(answer('{}'))
    await Promise.all(firsts.map((client) => client.until(isWhole)))
    await app.receipts(2)
    const client = openRaw(app.proxyPort, get('GET'))
    const used = await Promise.race(
      kept.map((connection) => connection.until((got) => parseRequests(got).length === 2).then(() => connection)),
    )
    used.socket.end()
    const fresh = await upstream.next()
    fresh.socket.write(answer('{}'))
    expect(await statusOf(client)).toBe('200')
    expect(await settled(app, 3)).toMatchObject([{}, {}, { status: 200, retries: 1 }])
  })

  it('is replaced for a DELETE whose body goes on over the new one', async () => {
    const { app, upstream, kept, has } = await startKept()
    const client = openRaw(app.proxyPort, request('DELETE', 'Content-Length: 13', '{"model"'))
    await has((got) => got.includes('{"model"'))
    kept.socket.end()
    const fresh = await upstream.next()
    await fresh.until((got) => got.includes('{"model"'))
    client.socket.write(':"m"}')
    const [again] = parseRequests(await fresh.until((got) => parseRequests(got).length === 1))
    expect(again?.body.toString()).toBe(JSON_BODY)
    fresh.socket.write(answer('{}'))
    expect(await statusOf(client)).toBe('200')
    expect(await settled(app, 2)).toMatchObject([{}, { status: 200, retries: 1, request_bytes: 13 }])
  })

  it('is counted as failed where the new one answers too late', async () => {
    const { app, upstream, kept, has } = await startKept({ OLLASCOPE_FIRST_BYTE_TIMEOUT: '300ms' })
    const client = openRaw(app.proxyPort, get('GET'))
    await has((got) => parseRequests(got).length === 1)
    kept.socket.end()
    const fresh = await upstream.next()
    expect(await statusOf(client)).toBe('504')
    await fresh.left
    expect(await settled(app, 2)).toMatchObject([{}, { status: 504, error_type: 'upstream_timeout', retries: 1 }])
    expect(await staleRetries(app)).toEqual({ success: 0, failure: 1 })
  })
})

it('a connection that was never used before is not replaced', async () => {
  const tries = watchTries()
  const { app, upstream } = await startPair(({ socket }) => socket.end())
  expect(await statusOf(openRaw(app.proxyPort, get('GET')))).toBe('502')
  expect(tries.begun()).toBe(1)
  expect(await settled(app, 1)).toMatchObject([RESET])
  expect(upstream.connections).toHaveLength(1)
  expect(await staleRetries(app)).toEqual({ success: 0, failure: 0 })
})

it('an upstream that restarts cuts its streams, and the next request goes well without a retry', async () => {
  const { app, upstream, kept } = await startKept()
  const stream = openRaw(app.proxyPort, post('/api/generate', JSON_BODY))
  await kept.until((bytes) => parseRequests(bytes).length === 2)
  kept.socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n')
  kept.socket.write(chunk('{"response":"one","done":false}\n'))
  await stream.until((bytes) => bytes.includes('one'))
  kept.socket.resetAndDestroy()
  expect(parseMessage((await stream.ended).bytes).complete).toBe(false)
  const client = openRaw(app.proxyPort, post('/api/generate', JSON_BODY))
  const fresh = await upstream.next()
  fresh.socket.write(answer('{"done":true}'))
  expect(await statusOf(client)).toBe('200')
  const [, cut, next] = await settled(app, 3)
  expect(cut).toMatchObject({ outcome: 'truncated' })
  expect(next).toMatchObject({ status: 200, outcome: 'success' })
  expect(next).not.toHaveProperty('retries')
})
