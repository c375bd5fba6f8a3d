import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage, type RawClient } from '../helpers/raw.ts'
import { settled } from '../helpers/upstream.ts'
import { waitFor } from '../helpers/wait.ts'
import { lineOf, serveSteady, type SteadyUpstream } from './undisturbed-upstream.ts'

const STREAMS = 100
/** Time enough for a slow machine to do what is not to be late. */
const LIMIT_MS = 1500
const TOKEN = 'token-of-the-steady'
const TOKEN_FIELD = `Authorization: Bearer ${TOKEN}`

const folder = mkdtempSync(join(tmpdir(), 'ollascope-'))
/** The faults are over soon; the steady streams have all the time in the world. */
const config = `
tokens:
  steady: ${createHash('sha256').update(TOKEN).digest('hex')}
models:
  steady:
    firstByteTimeout: 1h
    idleTimeout: 1h
`

let app: RunningApp
let upstream: SteadyUpstream
let clients: readonly RawClient[] = []
let ticks = 0
/** The statuses that the receipts of the faults have to tell. */
const expected: number[] = []

beforeAll(async () => {
  writeFileSync(join(folder, 'config.yaml'), config)
  upstream = await serveSteady()
  app = await startApp(upstream.port, {
    OLLASCOPE_CONFIG: join(folder, 'config.yaml'),
    OLLASCOPE_CONNECT_TIMEOUT: `${LIMIT_MS}ms`,
    OLLASCOPE_FIRST_BYTE_TIMEOUT: `${LIMIT_MS}ms`,
    OLLASCOPE_IDLE_TIMEOUT: `${LIMIT_MS}ms`,
    OLLASCOPE_COLLECT_INTERVAL: '1h',
  })
  clients = Array.from({ length: STREAMS }, () => ask('/api/generate', '{"model":"steady"}'))
  await waitFor('all streams', () => upstream.streams.length === STREAMS)
  await tick()
})

afterAll(async () => {
  await app.close()
  upstream.close()
  rmSync(folder, { recursive: true })
})

function ask(target: string, body: string, field = TOKEN_FIELD): RawClient {
  const head = `POST ${target} HTTP/1.1\r\nHost: x\r\n${field}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`
  return openRaw(app.proxyPort, head + body)
}

/** The next line reaches every client, behind all before it, and nothing else does. */
async function tick(): Promise<void> {
  ticks = upstream.tick()
  const line = lineOf(ticks)
  const lines = Array.from({ length: ticks }, (_, index) => lineOf(index + 1)).join('')
  for (const client of clients) {
    const bytes = await client.until((got) => got.includes(line))
    expect(parseMessage(bytes)).toMatchObject({ startLine: 'HTTP/1.1 200 OK', complete: false })
    expect(parseMessage(bytes).body.toString()).toBe(lines)
  }
}

/** Lets the faults happen, with a tick meanwhile and one behind them, and looks at what their clients got. */
async function undisturbedBy(status: number, faults: () => RawClient[]): Promise<void> {
  const failing = faults()
  await tick()
  for (const client of failing) {
    const { bytes } = await client.ended
    expect(bytes.toString('latin1', 0, 12)).toBe(status === 499 ? '' : `HTTP/1.1 ${status}`)
    expected.push(status)
  }
  await tick()
}

/** So many of them at once. */
function several(count: number, make: () => RawClient): () => RawClient[] {
  return () => Array.from({ length: count }, make)
}

const faulty = (fault: string) => ask(`/api/generate?fault=${fault}`, '{"model":"other"}')

function openDeaf(): RawClient {
  const client = faulty('pours')
  client.socket.pause()
  return client
}

describe('a hundred streams go on undisturbed', () => {
  it.each([
    ['closes connections', 'closes', 502],
    ['resets connections', 'resets', 502],
    ['answers garbage', 'garbage', 502],
    ['fails', 'fails', 500],
    ['sends no head', 'says-nothing', 504],
    ['stalls', 'stalls', 200],
    ['cuts its answers', 'cuts', 200],
    ['sends bad chunks', 'bad-chunk', 200],
  ])('by an upstream that %s', async (_title, fault, status) => {
    await undisturbedBy(
      status,
      several(20, () => faulty(fault)),
    )
  })

  it('by an upstream that refuses connections', async () => {
    await upstream.whileRefusing(() =>
      undisturbedBy(
        502,
        several(20, () => faulty('any')),
      ),
    )
  })

  it('by an upstream that leaves connections unanswered', async () => {
    await upstream.whileBlackhole(() =>
      undisturbedBy(
        504,
        several(20, () => faulty('any')),
      ),
    )
  })

  it('by uploads that stall', async () => {
    const head = `POST /api/create HTTP/1.1\r\nHost: x\r\n${TOKEN_FIELD}\r\nContent-Length: 1000\r\n\r\n`
    await undisturbedBy(
      408,
      several(20, () => openRaw(app.proxyPort, `${head}{"model"`)),
    )
  })

  it('by clients that leave', async () => {
    await undisturbedBy(
      499,
      several(20, () => {
        const client = faulty('says-nothing')
        client.socket.end()
        return client
      }),
    )
  })

  it('by clients that do not read', async () => {
    const deaf = Array.from({ length: 5 }, openDeaf)
    await tick()
    expected.push(...deaf.map(() => 200))
    await waitFor('the end of the deaf', async () => {
      return (await app.samples()).value('ollama_active_requests') === STREAMS
    })
    await undisturbedBy(200, () => [])
    for (const { socket, ended } of deaf) {
      socket.resume()
      expect(parseMessage((await ended).bytes).complete).toBe(false)
    }
  })

  it.each([
    ['no HTTP at all', 'NONSENSE\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['two framings', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    [
      'a bad chunk',
      `POST /api/create HTTP/1.1\r\nHost: x\r\n${TOKEN_FIELD}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    ],
  ])('by requests with %s', async (_title, bytes) => {
    await undisturbedBy(
      400,
      several(50, () => openRaw(app.proxyPort, bytes)),
    )
  })

  it('by a flood of bad tokens', async () => {
    for (let i = 0; i < 5; i++) {
      await undisturbedBy(
        401,
        several(100, () => ask('/api/generate', '{"model":"steady"}', 'Authorization: Bearer wrong')),
      )
    }
  })

  it('by clients that are slow with their heads', async () => {
    const slow = Array.from({ length: 200 }, () => openRaw(app.proxyPort, 'POST /api/generate HTTP/1.1\r\nHos'))
    await tick()
    for (const { socket } of slow) socket.write('t: x\r\nConnection: cl')
    await undisturbedBy(401, () => {
      for (const { socket } of slow) socket.write('ose\r\n\r\n')
      return slow
    })
  })

  it('and end well, each with its receipt', async () => {
    expect(app.log.filter(({ msg, model }) => msg === 'request' && model === 'steady')).toEqual([])
    upstream.finish()
    const lines = Array.from({ length: ticks }, (_, index) => lineOf(index + 1)).join('')
    for (const client of clients) {
      const { bytes, end } = await client.ended
      expect(end).toBe('fin')
      const { body, complete } = parseMessage(bytes)
      expect(complete).toBe(true)
      expect(body.toString().startsWith(lines)).toBe(true)
      expect(body.toString().slice(lines.length)).toBe('{"response":"","done":true,"done_reason":"stop"}\n')
    }
    const receipts = await settled(app, expected.length + STREAMS)
    const steady = receipts.filter(({ model }) => model === 'steady')
    expect(steady).toHaveLength(STREAMS)
    for (const receipt of steady) expect(receipt).toMatchObject({ status: 200, outcome: 'stop', chunks: ticks + 1 })
    const others = receipts.filter(({ model }) => model !== 'steady').map(({ status }) => Number(status))
    expect(others.sort()).toEqual(expected.sort())
  })
})
