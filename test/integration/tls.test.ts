import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { LogLine, RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage, record, serveRaw, type RawClient } from '../helpers/raw.ts'
import { answer, answerEach, chunk, hasHead, holds, parseRequests, settled, startPair } from '../helpers/upstream.ts'
import { waitFor } from '../helpers/wait.ts'
import { createPair, type Pair } from '../unit/config/certificates.ts'

const PROXY = createPair()
const NEXT = createPair()
const CLIENT = createPair()
const STRANGER = createPair()
const GET = 'GET /api/tags HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
const CHAT = `POST /api/chat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 13\r\n\r\n{"model":"m"}`
const NDJSON = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n'

const served = answerEach(() => answer('{"models":[]}'))

/** The files of a proxy with TLS, and the settings that name them. */
function tlsFiles(pair: Pair = PROXY, clientCa?: string) {
  const folder = mkdtempSync(join(tmpdir(), 'tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const cert = join(folder, 'cert.pem')
  const key = join(folder, 'key.pem')
  const ca = join(folder, 'ca.pem')
  const put = (file: string, text: string) => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  put(cert, pair.cert)
  put(key, pair.key)
  if (clientCa !== undefined) put(ca, clientCa)
  const env = {
    OLLASCOPE_TLS_CERT_FILE: cert,
    OLLASCOPE_TLS_KEY_FILE: key,
    ...(clientCa === undefined ? {} : { OLLASCOPE_TLS_CLIENT_CA_FILE: ca }),
  }
  return { cert, key, ca, put, env }
}

interface TlsClient extends RawClient {
  readonly socket: TLSSocket
}

/** A client that trusts this certificate and no other. */
function openTls(port: number, bytes = '', options: ConnectionOptions = {}): TlsClient {
  const checkServerIdentity = () => undefined
  const socket = connect({ port, host: '127.0.0.1', ca: PROXY.cert, checkServerIdentity, ...options })
  if (bytes !== '') socket.write(bytes)
  return { ...record(socket), socket }
}

async function refusals(app: RunningApp): Promise<number> {
  return (await app.samples()).value('ollascope_connections_refused_total', { reason: 'tls' }) ?? 0
}

/** Waits until so many connections were refused; none of them is a request. */
async function refused(app: RunningApp, count: number): Promise<void> {
  await waitFor(`${count} refused connections`, async () => (await refusals(app)) === count)
  await settled(app, 0)
}

describe('a proxy with a certificate', () => {
  it('speaks HTTP/1.1 under TLS, and plain HTTP to the upstream', async () => {
    const { app, upstream } = await startPair(served, tlsFiles().env)
    expect(app.proxyUrl).toMatch(/^https:/)
    const { bytes, end } = await openTls(app.proxyPort, GET).ended
    expect(parseMessage(bytes)).toMatchObject({ startLine: 'HTTP/1.1 200 OK', complete: true })
    expect(end).toBe('fin')
    const [request] = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
    expect([request?.method, request?.target]).toEqual(['GET', '/api/tags'])
    expect(await settled(app, 1)).toMatchObject([{ status: 200, outcome: 'success' }])
    expect(await refusals(app)).toBe(0)
  })

  it.each([
    ['both', ['h2', 'http/1.1'], 'http/1.1'],
    ['none', undefined, false],
  ])('agrees on HTTP/1.1 where a client offers %s', async (_, offered, agreed) => {
    const { app } = await startPair(served, tlsFiles().env)
    const client = openTls(app.proxyPort, '', offered && { ALPNProtocols: offered })
    await once(client.socket, 'secureConnect')
    expect(client.socket.alpnProtocol).toBe(agreed)
    client.socket.write(GET)
    expect(parseMessage((await client.ended).bytes).startLine).toBe('HTTP/1.1 200 OK')
    await settled(app, 1)
  })

  it.each<[title: string, options: ConnectionOptions]>([
    ['HTTP/2 alone', { ALPNProtocols: ['h2'] }],
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['no cipher that it has', { maxVersion: 'TLSv1.2', ciphers: 'PSK-AES128-GCM-SHA256:NULL-SHA256@SECLEVEL=0' }],
  ])('does not talk to a client that speaks %s', async (_, options) => {
    const { app, upstream } = await startPair(served, tlsFiles().env)
    const client = openTls(app.proxyPort, GET, options)
    const { bytes, end } = await client.ended
    expect(bytes).toHaveLength(0)
    expect(end).toMatch(/^(?:ERR_SSL_|EPROTO|ECONNRESET)/)
    await refused(app, 1)
    expect(upstream.connections).toHaveLength(0)
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('talks %s', async (version) => {
    const { app } = await startPair(served, tlsFiles().env)
    const client = openTls(app.proxyPort, GET, { minVersion: version, maxVersion: version })
    await once(client.socket, 'secureConnect')
    expect(client.socket.getProtocol()).toBe(version)
    expect(parseMessage((await client.ended).bytes).startLine).toBe('HTTP/1.1 200 OK')
    await settled(app, 1)
  })

  it('refuses what is no TLS: none of it is a request', async () => {
    const { app, upstream } = await startPair(served, tlsFiles().env)
    const strangers = [GET, CHAT, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'x'.repeat(100_000), '\x16\x03\x01\x00\x05hello']
    for (const bytes of strangers) {
      const got = (await openRaw(app.proxyPort, Buffer.from(bytes, 'latin1')).ended).bytes.toString('latin1')
      expect(got).not.toContain('HTTP')
      expect(got.length).toBeLessThanOrEqual(7) // an alert, if anything
    }
    const leaver = openRaw(app.proxyPort, Buffer.from('160301', 'hex'))
    leaver.socket.end()
    await leaver.ended
    await refused(app, strangers.length + 1)
    expect(upstream.connections).toHaveLength(0)
    expect(parseMessage((await openTls(app.proxyPort, GET).ended).bytes).startLine).toBe('HTTP/1.1 200 OK')
    await settled(app, 1)
  })

  it('does not wait for ever for a client that says nothing, and counts it as no request', async () => {
    const { app } = await startPair(served, tlsFiles().env)
    const silent = [openRaw(app.proxyPort), openRaw(app.proxyPort, Buffer.from('1603010200', 'hex'))]
    for (const { ended } of silent) expect((await ended).bytes).toHaveLength(0)
    await refused(app, silent.length)
  })

  it('tells under TLS what is no HTTP', async () => {
    const { app, upstream } = await startPair(served, tlsFiles().env)
    const { bytes } = await openTls(app.proxyPort, 'GET / HTTP/9.9\r\n\r\n').ended
    expect(parseMessage(bytes).startLine).toBe('HTTP/1.1 400 Bad Request')
    expect(upstream.connections).toHaveLength(0)
    await settled(app, 1)
    expect(await refusals(app)).toBe(0)
  })
})

describe('a proxy with a client CA', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('serves nobody without a certificate of it: %s', async (version) => {
    const { app, upstream } = await startPair(served, tlsFiles(PROXY, CLIENT.cert).env)
    const only: ConnectionOptions = { minVersion: version, maxVersion: version }
    for (const [count, pair] of [undefined, STRANGER].entries()) {
      const client = openTls(
        app.proxyPort,
        CHAT,
        pair === undefined ? only : { ...only, cert: pair.cert, key: pair.key },
      )
      expect((await client.ended).bytes).toHaveLength(0)
      await refused(app, count + 1)
    }
    expect(upstream.connections).toHaveLength(0)
    const known = openTls(app.proxyPort, GET, { ...only, cert: CLIENT.cert, key: CLIENT.key })
    expect(parseMessage((await known.ended).bytes).startLine).toBe('HTTP/1.1 200 OK')
    expect(await settled(app, 1)).toMatchObject([{ outcome: 'success' }])
    expect(await refusals(app)).toBe(2)
  })

  it('asks for nothing else where it serves one', async () => {
    const env = { ...tlsFiles(PROXY, CLIENT.cert).env, OLLASCOPE_POLICY: 'inference-only' }
    const { app, upstream } = await startPair(served, env)
    const request = GET.replace('GET /api/tags', 'DELETE /api/delete')
    const { bytes } = await openTls(app.proxyPort, request, { cert: CLIENT.cert, key: CLIENT.key }).ended
    expect(parseMessage(bytes).startLine).toBe('HTTP/1.1 403 Forbidden')
    expect(upstream.connections).toHaveLength(0)
    await settled(app, 1)
  })

  it('takes another CA at run time, and no session from before', async () => {
    const { ca, put, env } = tlsFiles(PROXY, CLIENT.cert)
    const { app } = await startPair(served, env)
    const first = openTls(app.proxyPort, GET, { cert: CLIENT.cert, key: CLIENT.key })
    const session = once(first.socket, 'session') as Promise<[Buffer]>
    await first.ended
    put(ca, STRANGER.cert)
    await told(app, 1)
    const [kept] = await session
    const again = openTls(app.proxyPort, GET, { cert: CLIENT.cert, key: CLIENT.key, session: kept })
    expect((await again.ended).bytes).toHaveLength(0)
    const other = openTls(app.proxyPort, GET, { cert: STRANGER.cert, key: STRANGER.key })
    expect(parseMessage((await other.ended).bytes).startLine).toBe('HTTP/1.1 200 OK')
    await settled(app, 2)
    expect(await refusals(app)).toBe(1)
  })
})

/** Waits until so much was said of changed files, and gives the last. */
function told(app: RunningApp, count: number): Promise<LogLine> {
  const lines = () => app.log.filter(({ what }) => what === 'tls')
  return waitFor('a line about the files', () => lines().length >= count && lines()[count - 1])
}

describe('a certificate that changes', () => {
  async function servedWith(app: RunningApp, pair: Pair): Promise<string> {
    const client = openTls(app.proxyPort, GET, { ca: pair.cert })
    await once(client.socket, 'secureConnect')
    const { fingerprint256 } = client.socket.getPeerCertificate()
    expect(parseMessage((await client.ended).bytes).startLine).toBe('HTTP/1.1 200 OK')
    return fingerprint256
  }
  const success = async (app: RunningApp) =>
    (await app.samples()).value('ollascope_last_reload_successful', { file: 'tls' })

  it('is that of new connections, while an old stream goes on', async () => {
    const { cert, key, put, env } = tlsFiles()
    const { app, upstream } = await startPair((connection) => {
      if (connection.received().includes('GET ')) served(connection)
    }, env)
    expect(await success(app)).toBe(1)
    const stream = openTls(app.proxyPort, CHAT)
    const connection = await upstream.next()
    connection.socket.write(`${NDJSON}${chunk('{"message":{"content":"one"},"done":false}\n')}`)
    await stream.until(holds('one'))
    put(cert, NEXT.cert)
    put(key, NEXT.key)
    // The two may have been seen one after the other: then the pair was told broken in between.
    await waitFor('the new pair', () => app.log.some(({ what, level }) => what === 'tls' && level === 'info'))
    expect(await servedWith(app, NEXT)).toBe(new X509Certificate(NEXT.cert).fingerprint256)
    expect(await success(app)).toBe(1)
    const old = openTls(app.proxyPort, GET) // it knows the certificate from before
    expect((await old.ended).end).toMatch(/SELF_SIGNED|UNABLE_TO|DEPTH_ZERO|CERT/)
    connection.socket.write(`${chunk('{"message":{"content":"two"},"done":true,"done_reason":"stop"}\n')}0\r\n\r\n`)
    const message = parseMessage((await stream.ended).bytes)
    expect(message.complete).toBe(true)
    expect(message.body.toString()).toContain('two')
    const receipts = await settled(app, 2)
    expect(receipts).toMatchObject([{ outcome: 'success' }, { outcome: 'stop' }])
  })

  it('and is broken leaves the one from before, says so and shows it', async () => {
    const { cert, key, put, env } = tlsFiles()
    const { app } = await startPair(served, env)
    const breaks: [how: string, act: () => void][] = [
      ['another key', () => put(key, NEXT.key)],
      ['no certificate', () => put(cert, 'x')],
      ['half of one', () => put(cert, PROXY.cert.slice(0, 200))],
      ['removed', () => rmSync(cert)],
      ['half of one, and one behind it', () => put(cert, `-----BEGIN CERTIFICATE-----\n${NEXT.cert}`)],
    ]
    for (const [index, [how, act]] of breaks.entries()) {
      act()
      const line = await told(app, index + 1)
      expect([how, line]).toMatchObject([how, { level: 'error', problems: expect.any(Array) as string[] }])
      expect(JSON.stringify(line)).not.toMatch(/MI[A-Za-z0-9+/]{20}/) // what stands in such files
      expect([how, await success(app)]).toEqual([how, 0])
      expect([how, await servedWith(app, PROXY)]).toEqual([how, new X509Certificate(PROXY.cert).fingerprint256])
    }
    put(cert, NEXT.cert)
    expect(await told(app, breaks.length + 1)).toMatchObject({ level: 'info' })
    expect(await success(app)).toBe(1)
    expect(await servedWith(app, NEXT)).toBe(new X509Certificate(NEXT.cert).fingerprint256)
    await settled(app, breaks.length + 1)
  })

  it('changes nothing of what is demanded', async () => {
    const { cert, key, put, env } = tlsFiles(PROXY, CLIENT.cert)
    const { app, upstream } = await startPair(served, env)
    put(cert, NEXT.cert)
    put(key, NEXT.key)
    await waitFor('the new pair', () => app.log.some(({ what, level }) => what === 'tls' && level === 'info'))
    const known = { ca: NEXT.cert, cert: CLIENT.cert, key: CLIENT.key }
    const attempts: ConnectionOptions[] = [
      { ca: NEXT.cert },
      { ca: NEXT.cert, cert: STRANGER.cert, key: STRANGER.key },
      { ...known, ALPNProtocols: ['h2'] },
      { ...known, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    ]
    for (const options of attempts) expect((await openTls(app.proxyPort, GET, options).ended).bytes).toHaveLength(0)
    await refused(app, attempts.length)
    expect(upstream.connections).toHaveLength(0)
    expect(parseMessage((await openTls(app.proxyPort, GET, known).ended).bytes).startLine).toContain(' 200 ')
    await settled(app, 1)
  })
})

describe('an answer that has no end', () => {
  /** A wire that keeps what the proxy sends: under TLS 1.2 the kinds of its records can be read. */
  async function tappedTls(app: RunningApp, request: string) {
    const wire: Buffer[] = []
    const relay = await serveRaw((client) => {
      const proxy = connectTcp({ port: app.proxyPort, host: '127.0.0.1' })
      proxy.on('data', (bytes: Buffer) => wire.push(bytes))
      proxy.on('error', () => client.destroy())
      client.pipe(proxy)
      proxy.pipe(client)
    })
    onTestFinished(relay.close)
    const client = openTls(relay.port, request, { maxVersion: 'TLSv1.2' })
    return { client, lastKind: () => recordKinds(Buffer.concat(wire)).at(-1) }
  }

  function recordKinds(bytes: Buffer): number[] {
    const kinds: number[] = []
    for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) kinds.push(bytes[at] ?? 0)
    return kinds
  }

  const ALERT = 21
  const DATA = 23
  const PIECE = '{"message":{"content":"one"},"done":false}\n'

  it('is cut under TLS too', async () => {
    const { app, upstream } = await startPair(undefined, tlsFiles().env)
    const client = openTls(app.proxyPort, CHAT)
    const connection = await upstream.next()
    connection.socket.write(`${NDJSON}${chunk(PIECE)}`)
    await client.until(holds('one'))
    connection.socket.destroy()
    const message = parseMessage((await client.ended).bytes)
    expect([message.startLine, message.body.toString(), message.complete]).toEqual(['HTTP/1.1 200 OK', PIECE, false])
    expect(await settled(app, 1)).toMatchObject([{ outcome: 'truncated' }])
  })

  it('is shorter than its length', async () => {
    const { app, upstream } = await startPair(undefined, tlsFiles().env)
    const client = openTls(app.proxyPort, GET)
    const connection = await upstream.next()
    connection.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
    const message = parseMessage((await client.ended).bytes)
    expect([message.body.toString(), message.complete]).toEqual(['half', false])
    expect(await settled(app, 1)).toMatchObject([{ outcome: 'truncated' }])
  })

  it.each([
    ['ends without the alert that says so', true, DATA],
    ['and has its end says so', false, ALERT],
  ])('of HTTP/1.0 %s', async (_, dies, kind) => {
    const { app, upstream } = await startPair(undefined, tlsFiles().env)
    const { client, lastKind } = await tappedTls(app, CHAT.replace('HTTP/1.1', 'HTTP/1.0'))
    const connection = await upstream.next()
    connection.socket.write(`${NDJSON}${chunk(PIECE)}`)
    await client.until(holds('one'))
    if (dies) connection.socket.destroy()
    else connection.socket.write(`${chunk('{"done":true,"done_reason":"stop"}\n')}0\r\n\r\n`)
    await client.ended
    expect(lastKind()).toBe(kind)
    expect(
      client
        .received()
        .toString()
        .endsWith(dies ? PIECE : '"stop"}\n'),
    ).toBe(true)
    expect(await settled(app, 1)).toMatchObject([{ outcome: dies ? 'truncated' : 'stop' }])
  })

  it('is the client’s own doing where it leaves', async () => {
    const { app, upstream } = await startPair(undefined, tlsFiles().env)
    const client = openTls(app.proxyPort, CHAT)
    const connection = await upstream.next()
    connection.socket.write(NDJSON)
    await client.until(hasHead)
    client.socket.destroy()
    await connection.left
    expect(await settled(app, 1)).toMatchObject([{ outcome: 'client_abort' }])
  })
})
