import { describe, expect, it } from 'vitest'

import { expectsContinue, keepsAlive, parseHead, rawHeader } from '../../../src/demo/request-head.ts'
import { createRequestReader, headLimit, keptBodyLimit, type ReadRequest } from '../../../src/demo/request-reader.ts'

function readAll(bytes: Buffer, size = bytes.length) {
  const requests: ReadRequest[] = []
  const heads: string[] = []
  const errors: number[] = []
  const reader = createRequestReader({
    onHead: ({ target }) => heads.push(target),
    onRequest: (request) => requests.push(request),
    onError: (status) => errors.push(status),
  })
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size))
  return { requests, heads, errors }
}

function headOf(text: string) {
  const head = parseHead(Buffer.from(text))
  if (head === undefined) throw new Error('no head')
  return head
}

const pipelined = [
  'GET /api/version HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /api/chat HTTP/1.1\r\nhOsT: b\r\nX-Two: 1\r\nx-two: 2\r\nEmpty:\r\nContent-Length: 5\r\n\r\nhello',
  'POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n',
  '\r\nPOST /d HTTP/1.0\r\nContent-Length: 0\r\n\r\n',
].join('')

describe('createRequestReader', () => {
  it.each([1, 2, 3, 7, 64, 10_000])('reads requests one after the other in pieces of %d bytes', (size) => {
    const { requests, heads, errors } = readAll(Buffer.from(pipelined), size)
    expect(errors).toEqual([])
    expect(heads).toEqual(['/api/version', '/api/chat', '/c', '/d'])
    expect(requests.map(({ method, target, body }) => [method, target, body.toString()])).toEqual([
      ['GET', '/api/version', ''],
      ['POST', '/api/chat', 'hello'],
      ['POST', '/c', 'abcde'],
      ['POST', '/d', ''],
    ])
    expect(requests.map(({ bodyBytes }) => bodyBytes)).toEqual([0, 5, 5, 0])
    expect(requests[3]?.httpVersion).toBe('1.0')
  })

  it('keeps headers as they were sent, and the bytes of the head', () => {
    const second = readAll(Buffer.from(pipelined)).requests[1]
    const expected = ['hOsT', 'b', 'X-Two', '1', 'x-two', '2', 'Empty', '', 'Content-Length', '5']
    expect(second?.rawHeaders).toEqual(expected)
    expect(second?.rawHead.toString()).toMatch(/^POST \/api\/chat HTTP\/1\.1\r\nhOsT: b\r\n[^]*\r\n\r\n$/)
  })

  it('tells of the head before the body is there', () => {
    const { heads, requests } = readAll(Buffer.from('POST /up HTTP/1.1\r\nContent-Length: 9\r\n\r\nhal'))
    expect(heads).toEqual(['/up'])
    expect(requests).toEqual([])
  })

  it('keeps 8 MiB of a body and counts the rest', () => {
    const body = Buffer.alloc(keptBodyLimit + 100_000, 'x')
    const bytes = Buffer.concat([Buffer.from(`PUT / HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n`), body])
    const [request] = readAll(bytes, 65_536).requests
    expect(request?.bodyBytes).toBe(body.length)
    expect(request?.body).toHaveLength(keptBodyLimit)
  })

  it.each([
    ['a line that is no request', 'hello\r\n\r\n', 400],
    ['another protocol', 'GET / HTTP/2.0\r\n\r\n', 400],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost\r\n\r\n', 400],
    ['a folded header', 'GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['a length that is no number', 'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n', 400],
    ['an unknown transfer coding', 'POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n', 400],
    ['a chunk size that is no number', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 400],
    ['a chunk that is too long', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n', 400],
    ['an endless size line', `POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(2000)}`, 400],
    ['a head of more than 64 KiB', `GET / HTTP/1.1\r\nA: ${'x'.repeat(headLimit)}\r\n\r\n`, 431],
    ['an endless head', `GET / HTTP/1.1\r\nA: ${'x'.repeat(headLimit)}`, 431],
    [
      'endless trailers',
      `POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${`A: ${'x'.repeat(1000)}\r\n`.repeat(70)}`,
      431,
    ],
  ])('refuses %s, once, and reads no further', (_what, text, status) => {
    for (const size of [97, 50_000]) {
      const { errors, requests } = readAll(Buffer.from(`${text}GET / HTTP/1.1\r\n\r\n`), size)
      expect(errors).toEqual([status])
      expect(requests).toEqual([])
    }
  })

  it('lets chunked win over a length, and equal lengths count once', () => {
    const both = 'POST /a HTTP/1.1\r\nContent-Length: 99\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'
    const twice = 'POST /b HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\ny'
    expect(readAll(Buffer.from(both + twice)).requests.map(({ body }) => body.toString())).toEqual(['x', 'y'])
  })
})

describe('the head of a request', () => {
  it('finds a header in any case, and none where it is a value', () => {
    expect(rawHeader(['A', 'host', 'HOST', 'x'], 'Host')).toBe('x')
    expect(rawHeader(['A', 'host'], 'host')).toBeUndefined()
  })

  it.each([
    ['HTTP/1.1\r\n\r\n', true],
    ['HTTP/1.1\r\nConnection: keep-alive\r\n\r\n', true],
    ['HTTP/1.1\r\nConnection: Upgrade , Close\r\n\r\n', false],
    ['HTTP/1.0\r\n\r\n', false],
  ])('knows whether %j keeps the connection', (text, expected) => {
    expect(keepsAlive(headOf(`GET / ${text}`))).toBe(expected)
  })

  it.each([
    ['HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n', true],
    ['HTTP/1.0\r\nExpect: 100-continue\r\n\r\n', false],
    ['HTTP/1.1\r\n\r\n', false],
  ])('knows whether %j waits for a 100', (text, expected) => {
    expect(expectsContinue(headOf(`GET / ${text}`))).toBe(expected)
  })
})
