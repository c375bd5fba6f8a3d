import { describe, expect, it } from 'vitest'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { answer, answerEach, parseRequests, settled, startPair } from '../helpers/upstream.ts'

const TARGETS: [target: string, endpoint: string][] = [
  ['//api/version', 'unknown'],
  ['/x/../api/version', 'unknown'],
  ['/./api/version', 'unknown'],
  ['/%61pi/version', '/api/version'],
  ['/%zz', 'unknown'],
  ['/api/version?a=1&b=%20;c', '/api/version'],
  ['/api/version?', '/api/version'],
  ['/api/version?a=[1]&b={2}|"', '/api/version'],
  ['/?q', '/'],
  ['/api/tags/', 'unknown'],
  ['http://elsewhere.invalid:80/api/version', '/api/version'],
  ['/api/blobs/sha256:abc', '/api/blobs/:digest'],
  [`/${'a'.repeat(8000)}`, 'unknown'],
]

describe('a request target reaches the upstream as it came', () => {
  it.each(TARGETS)('%s', async (target, endpoint) => {
    const { app, upstream } = await startPair(answerEach(() => answer('{}')))
    const client = openRaw(app.proxyPort, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    expect(parseMessage((await client.ended).bytes).startLine).toBe('HTTP/1.1 200 OK')
    const [request] = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
    expect(request?.target).toBe(target)
    const [receipt] = await settled(app, 1)
    expect(receipt).toMatchObject({ endpoint, status: 200 })
    expect(JSON.stringify(receipt)).not.toContain('a=')
  })

  it('* of OPTIONS, too', async () => {
    const { app, upstream } = await startPair(answerEach(() => 'HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n'))
    const client = openRaw(app.proxyPort, 'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    const message = parseMessage((await client.ended).bytes)
    expect(message.startLine).toBe('HTTP/1.1 204 No Content')
    expect(message.headers).toContainEqual(['Allow', 'GET'])
    const [request] = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
    expect([request?.method, request?.target]).toEqual(['OPTIONS', '*'])
    expect(await settled(app, 1)).toMatchObject([{ method: 'OPTIONS', endpoint: 'unknown' }])
  })

  it('no request goes anywhere else, whatever its authority says', async () => {
    const { app: other, upstream: elsewhere } = await startPair()
    const { app, upstream } = await startPair(answerEach(() => answer('{}')))
    const target = `http://127.0.0.1:${elsewhere.port}/api/version`
    const lines = [`GET ${target} HTTP/1.1`, `Host: 127.0.0.1:${elsewhere.port}`, 'Connection: close']
    await openRaw(app.proxyPort, `${lines.join('\r\n')}\r\n\r\n`).ended
    expect(upstream.connections).toHaveLength(1)
    expect(elsewhere.connections).toHaveLength(0)
    await settled(app, 1)
    expect(await other.receipts(0)).toEqual([])
  })
})
