import { describe, expect, it } from 'vitest'
import { requestHeaders, requestIdOf, responseHeaders, traceParentOf, trailers } from '../../../src/proxy/headers.ts'

const NOTHING = new Set<string>()

describe('requestIdOf', () => {
  it.each(['a', '0', 'A-b_c.9', 'x'.repeat(64)])('takes %s', (id) => {
    expect(requestIdOf(id)).toBe(id)
  })

  it.each([undefined, '', 'a b', 'é', 'a/b', 'a\n', 'x'.repeat(65), 'a, b', ['a', 'b']])(
    'makes one for %j',
    (value) => {
      expect(requestIdOf(value)).toMatch(/^[0-9a-f-]{36}$/)
    },
  )

  it('makes another each time', () => {
    expect(requestIdOf(undefined)).not.toBe(requestIdOf(undefined))
  })
})

describe('traceParentOf', () => {
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const span = 'b7ad6b7169203331'

  it('is what a valid traceparent names', () => {
    expect(traceParentOf(`00-${trace}-${span}-01`)).toEqual({ traceId: trace, spanId: span, sampled: true })
    expect(traceParentOf(`cc-${trace}-${span}-00`)).toEqual({ traceId: trace, spanId: span, sampled: false })
  })

  it.each([
    ['03', true],
    ['02', false],
    ['ff', true],
    ['a0', false],
  ])('takes the last bit of the flags %s for sampled: %s', (flags, sampled) => {
    expect(traceParentOf(`00-${trace}-${span}-${flags}`)?.sampled).toBe(sampled)
  })

  it.each([
    undefined,
    '',
    `ff-${trace}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${trace.slice(1)}-${span}-01`,
    `00-${trace}-${span}`,
    [`00-${trace}-${span}-01`],
  ])('is nothing for %j', (value) => {
    expect(traceParentOf(value)).toBeUndefined()
  })
})

describe('requestHeaders', () => {
  const id = ['X-Request-ID', 'id']

  it('keeps names, values, order and duplicates, and adds the request id once', () => {
    const raw = ['HOST', 'h', 'x-A', '1', 'x-request-id', 'theirs', 'X-a', '2', 'x-A', '1', 'X-REQUEST-ID', 'again']
    expect(requestHeaders(raw, undefined, 'id', { host: undefined, chunked: true, withheld: NOTHING })).toEqual([
      ...['HOST', 'h', 'x-A', '1', 'X-a', '2', 'x-A', '1'],
      ...id,
    ])
  })

  it('leaves out what speaks of the connection, in any case', () => {
    const raw = ['CONNECTION', 'close', 'Keep-Alive', '1', 'proxy-connection', 'x', 'Te', 'trailers', 'UPGRADE', 'h2c']
    expect(
      requestHeaders([...raw, 'Trailer', 't'], 'close', 'id', { host: undefined, chunked: true, withheld: NOTHING }),
    ).toEqual(['Trailer', 't', ...id])
  })

  it.each([
    ['x-foo', ['X-Bar', '2']],
    ['X-FOO,x-bar', []],
    [' x-foo ,, close', ['X-Bar', '2']],
    ['keep-alive', ['X-Foo', '1', 'X-Bar', '2']],
    ['', ['X-Foo', '1', 'X-Bar', '2']],
  ])('leaves out what Connection: %j names', (connection, left) => {
    const raw = ['X-Foo', '1', 'X-Bar', '2']
    expect(requestHeaders(raw, connection, 'id', { host: undefined, chunked: true, withheld: NOTHING })).toEqual([
      ...left,
      ...id,
    ])
  })

  it('keeps what frames and routes the message, even where Connection names it', () => {
    const raw = ['Host', 'h', 'Content-Length', '3', 'Transfer-Encoding', 'chunked']
    const connection = 'host, content-length, Transfer-Encoding'
    expect(requestHeaders(raw, connection, 'id', { host: undefined, chunked: true, withheld: NOTHING })).toEqual([
      ...raw,
      ...id,
    ])
  })

  it('replaces the value of Host where one is given, and only that', () => {
    expect(
      requestHeaders(['hOst', 'client', 'X-Host', 'client'], undefined, 'id', {
        host: 'ollama:11434',
        chunked: true,
        withheld: NOTHING,
      }),
    ).toEqual([...['hOst', 'ollama:11434', 'X-Host', 'client'], ...id])
  })
})

describe('the names of trailers', () => {
  const raw = ['tRailer', 'X-Sum', 'X-A', '1']

  it('pass where the body is chunked, and only there', () => {
    expect(
      requestHeaders(raw, undefined, 'id', { host: undefined, chunked: true, withheld: NOTHING }).slice(0, 2),
    ).toEqual(['tRailer', 'X-Sum'])
    expect(requestHeaders(raw, undefined, 'id', { host: undefined, chunked: false, withheld: NOTHING })).toEqual([
      'X-A',
      '1',
      'X-Request-ID',
      'id',
    ])
    expect(responseHeaders(raw, undefined, 'id', true).slice(0, 2)).toEqual(['tRailer', 'X-Sum'])
    expect(responseHeaders(raw, undefined, 'id', false)).toEqual(['X-A', '1', 'X-Request-ID', 'id'])
  })
})

describe('responseHeaders', () => {
  it('keeps names, values, order and duplicates, without the transfer coding and another request id', () => {
    const raw = ['set-cookie', 'a', 'DATE', 'd', 'Set-Cookie', 'b', 'Transfer-Encoding', 'chunked', 'x-request-id', 'x']
    const passed = ['set-cookie', 'a', 'DATE', 'd', 'Set-Cookie', 'b', 'X-Request-ID', 'id']
    expect(responseHeaders(raw, undefined, 'id', true)).toEqual(passed)
  })

  it('leaves out what speaks of the connection, but not its length', () => {
    const raw = ['Connection', 'x-a', 'X-A', '1', 'Keep-Alive', 'timeout=5', 'Upgrade', 'h2c', 'Content-Length', '2']
    expect(responseHeaders(raw, 'x-a, content-length', 'id', true)).toEqual([
      'Content-Length',
      '2',
      'X-Request-ID',
      'id',
    ])
  })
})

describe('trailers', () => {
  it('go on as pairs, with their case, order and duplicates', () => {
    expect(trailers(['X-Sum', '1', 'x-sum', '2'], undefined)).toEqual([
      ['X-Sum', '1'],
      ['x-sum', '2'],
    ])
    expect(trailers([], undefined)).toEqual([])
  })

  it.each(['Content-Length', 'Transfer-Encoding', 'host', 'Connection', 'TE', 'Upgrade', 'Keep-Alive', 'X-Request-ID'])(
    'never frame, route or speak of a connection: %s',
    (name) => {
      expect(trailers([name, '1', 'X-Sum', '2'], undefined)).toEqual([['X-Sum', '2']])
    },
  )

  it('stay behind where Connection names them, or the proxy keeps them', () => {
    expect(trailers(['X-Sum', '1', 'X-Own', '2'], 'close, x-sum')).toEqual([['X-Own', '2']])
    expect(trailers(['Authorization', '1', 'X-Own', '2'], undefined, new Set(['authorization']))).toEqual([
      ['X-Own', '2'],
    ])
  })
})
