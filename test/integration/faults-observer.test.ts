import { afterEach, describe, expect, it, vi } from 'vitest'
import { RequestObserver } from '../../src/ollama/request.ts'
import { ResponseObserver } from '../../src/ollama/response-observer.ts'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { answerEach, chunk, holds, parseRequests, post, settled, startPair } from '../helpers/upstream.ts'

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n'
const LINES = ['{"response":"one","done":false}\n', '{"response":"","done":true,"done_reason":"stop"}\n']
const REQUEST = post('/api/generate', '{"model":"m","prompt":"p"}')
const MIB = 1024 * 1024

afterEach(() => vi.restoreAllMocks())

function boom(): never {
  throw new Error('boom')
}

const broken: [title: string, breakIt: () => void][] = [
  ['the response observer', () => vi.spyOn(ResponseObserver.prototype, 'push').mockImplementation(boom)],
  ['the end of the response observer', () => vi.spyOn(ResponseObserver.prototype, 'end').mockImplementation(boom)],
  ['the request observer', () => vi.spyOn(RequestObserver.prototype, 'push').mockImplementation(boom)],
  ['the facts of the request', () => vi.spyOn(RequestObserver.prototype, 'facts').mockImplementation(boom)],
]

describe('an observer that throws', () => {
  it.each(broken)('(%s) changes no byte, and is counted once', async (_title, breakIt) => {
    breakIt()
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, REQUEST)
    const connection = await upstream.next()
    await connection.until((bytes) => parseRequests(bytes).length === 1)
    expect(parseRequests(connection.received())[0]?.body.toString()).toBe('{"model":"m","prompt":"p"}')
    connection.socket.write(HEAD + chunk(LINES[0] ?? ''))
    await client.until(holds('one'))
    connection.socket.write(`${chunk(LINES[1] ?? '')}0\r\n\r\n`)
    const bytes = await client.until((got) => parseMessage(got).complete)
    expect(parseMessage(bytes).body.toString()).toBe(LINES.join(''))
    const [receipt] = await settled(app, 1)
    expect(receipt).toMatchObject({ endpoint: '/api/generate', status: 200 })
    expect(receipt).not.toHaveProperty('error_type')
    expect((await app.samples()).value('ollascope_observer_errors_total')).toBe(1)
    expect(app.log.filter(({ level, collector }) => level === 'warn' && collector === undefined)).toHaveLength(1)
  })
})

describe('a line of 10 MiB', () => {
  it('passes whole, is still read, and is not held', async () => {
    const piece = Buffer.alloc(64 * 1024, 'a')
    const pieces = (10 * MIB) / piece.length
    const start = '{"response":"'
    const end = `"}\n${LINES[1] ?? ''}`
    const { app, upstream } = await startPair()
    const client = openRaw(app.proxyPort, post('/api/generate', '{"model":"m"}', ['Connection: close']))
    const { socket } = await upstream.next()
    socket.write(HEAD + chunk(start))
    for (let i = 0; i < pieces; i++) socket.write(chunk(piece.toString()))
    socket.write(`${chunk(end)}0\r\n\r\n`)
    const message = parseMessage((await client.ended).bytes)
    expect(message.complete).toBe(true)
    expect(
      message.body.equals(Buffer.concat([Buffer.from(start), Buffer.alloc(10 * MIB, 'a'), Buffer.from(end)])),
    ).toBe(true)
    expect(await settled(app, 1)).toMatchObject([{ outcome: 'stop', chunks: 2, model: 'm' }])
  })
})

describe('answers that cannot be read', () => {
  it.each([
    ['compressed', 'Content-Type: application/x-ndjson\r\nContent-Encoding: gzip'],
    ['of another type', 'Content-Type: application/octet-stream'],
  ])('(%s) pass as they are and count as success', async (_title, headers) => {
    const bytes = '\x1f\x8b\x08\x00 not really'
    const { app } = await startPair(
      answerEach(() => `HTTP/1.1 200 OK\r\n${headers}\r\nContent-Length: ${Buffer.byteLength(bytes)}\r\n\r\n${bytes}`),
    )
    const client = openRaw(app.proxyPort, REQUEST)
    const got = await client.until((all) => all.includes('\r\n\r\n') && parseMessage(all).complete)
    expect(parseMessage(got).body.equals(Buffer.from(bytes))).toBe(true)
    expect(await settled(app, 1)).toMatchObject([{ status: 200, outcome: 'success' }])
    expect((await app.samples()).value('ollascope_observer_errors_total')).toBe(0)
  })
})
