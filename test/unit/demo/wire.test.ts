import { describe, expect, it } from 'vitest'

import type { Recording } from '../../../src/demo/recordings.ts'
import { answerBytes, headerOf, planResponse, readHead } from '../../../src/demo/wire.ts'

function made(texts: string[], end = 'fin'): Recording {
  const chunks = texts.map((text, index) => ({ atMs: index, bytes: Buffer.from(text) }))
  const request = { method: 'GET', path: '/', headers: {}, body: undefined }
  return { name: 'made', note: '', ollama: '', version: 'ollama', request, response: { end, durationMs: 9, chunks } }
}

function plan(texts: string[], { method = 'GET', keepAlive = true, end = 'fin' } = {}) {
  const { chunks, persistent } = planResponse(made(texts, end), method, keepAlive)
  return { texts: chunks.map(({ bytes }) => bytes.toString()), times: chunks.map(({ atMs }) => atMs), persistent }
}

const sized = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n'
const chunked = 'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n'
const interim = 'HTTP/1.1 100 Continue\r\n\r\n'

describe('readHead', () => {
  it('gives status, header lines and length', () => {
    const head = readHead(Buffer.from(`${sized}ok`))
    expect(head).toEqual({ status: 200, lines: ['Content-Length: 2', 'Connection: close'], length: sized.length })
    expect(head && headerOf(head, 'CONNECTION')).toBe('close')
    expect(head && headerOf(head, 'Date')).toBeUndefined()
  })

  it.each(['', 'HTTP/1.1 200 OK\r\n', 'hello\r\n\r\n'])('gives nothing for %j', (text) => {
    expect(readHead(Buffer.from(text))).toBeUndefined()
  })
})

describe('planResponse', () => {
  it('leaves the bytes as they are for a client that closes', () => {
    expect(plan([`${sized}o`, 'k'], { keepAlive: false })).toEqual({
      texts: [`${sized}o`, 'k'],
      times: [0, 1],
      persistent: false,
    })
  })

  it('drops the line that closes, and no other, for a client that stays', () => {
    expect(plan([`${sized}o`, 'k'])).toEqual({
      texts: ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no', 'k'],
      times: [0, 1],
      persistent: true,
    })
    expect(plan([`${chunked}0\r\n\r\n`]).texts).toEqual([
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ])
  })

  it.each([
    ['a body that is whole', [`${sized}ok`], true],
    ['a body that is short', [`${sized}o`], false],
    ['a last chunk', [chunked, '2\r\nok\r\n', '0\r\n\r\n'], true],
    ['no last chunk', [chunked, '2\r\nok\r\n'], false],
    ['what looks like a last chunk in the data', [chunked, '7\r\n\n0\r\n\r\n\r\n'], false],
    ['a chunk that is cut', [chunked, '9\r\nok'], false],
    ['more after the last chunk', [chunked, '0\r\n\r\nmore'], false],
    ['bytes that are no chunks', [chunked, 'zz\r\n0\r\n\r\n'], false],
    ['no framing at all', ['HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok'], false],
    ['no body to come', ['HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'], true],
    ['nothing', [], false],
    ['a head in pieces', [sized.slice(0, 9), `${sized.slice(9)}ok`], false],
  ])('keeps the connection after %s: %j %s', (_what, texts, persistent) => {
    expect(plan(texts).persistent).toBe(persistent)
  })

  it('keeps it neither where the recording ended otherwise', () => {
    expect(plan([`${sized}ok`], { end: 'ECONNRESET' }).persistent).toBe(false)
    expect(plan([`${sized}ok`], { end: 'client_destroyed' }).persistent).toBe(false)
  })

  it('says that it closes only where the end of the body is the end of the connection', () => {
    const undelimited = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok'
    expect(plan([undelimited]).texts).toEqual([undelimited])
    expect(plan([chunked, '2\r\nok\r\n']).texts[0]).not.toContain('close')
  })

  it('answers a HEAD with the head', () => {
    const { texts, persistent } = plan([`${sized}o`, 'k'], { method: 'HEAD' })
    expect(texts).toEqual(['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'])
    expect(persistent).toBe(true)
  })

  it.each([
    [[interim, `${sized}o`, 'k']],
    [[`${interim}${sized}o`, 'k']],
    [[`${interim}${sized.slice(0, 5)}`, `${sized.slice(5)}ok`]],
  ])('leaves out an interim 100, however it was cut: %#', (texts) => {
    expect(plan(texts, { keepAlive: false }).texts.join('')).toBe(`${sized}ok`)
    expect(answerBytes(made(texts)).toString()).toBe(`${sized}ok`)
  })
})
