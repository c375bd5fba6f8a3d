import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { askFor, repeatWhile, servePlayer, type Player } from '../helpers/bystanders.ts'
import { describeWith } from '../helpers/needs.ts'
import {
  announcement,
  builtProgram,
  NODE,
  serveEnv,
  startProgram,
  startServe,
  watchServe,
  type Served,
} from '../helpers/process.ts'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { connectionsWith } from '../helpers/rss.ts'
import { runWrk } from '../helpers/tool-run.ts'
import { holds } from '../helpers/upstream.ts'
import { waitFor } from '../helpers/wait.ts'

const NO_ERRORS = { connectErrors: 0, readErrors: 0, writeErrors: 0, timeouts: 0 }
const TIMEOUT = { timeout: 60_000 }
/** How many files a process may have open, and how many clients have room then. */
const FILES = 256
const ROOM = 96

async function startPlayer(handle: Parameters<typeof servePlayer>[0]): Promise<Player> {
  const upstream = await servePlayer(handle)
  onTestFinished(upstream.close)
  return upstream
}

/** An Ollama that says its version at once. */
function startQuick(): Promise<Player> {
  return startPlayer((_req, res) => res.end('{"version":"0.0.0"}'))
}

async function expectAdmin(served: Served): Promise<void> {
  for (const path of ['/metrics', '/readyz']) {
    const answer = await fetch(`${served.adminUrl}${path}`)
    await answer.arrayBuffer()
    expect({ path, status: answer.status }).toEqual({ path, status: 200 })
  }
}

/** What was counted, when all that were under way are over. */
async function finalSamples(served: Served) {
  await waitFor('the clients to be gone', () => connectionsWith(served, served.proxyPort) === 0)
  // The last of them may be told to be gone a moment before its exchange is over.
  return waitFor('the exchanges to be over', async () => {
    const samples = await served.samples()
    return samples.value('ollama_active_requests') === 0 && samples
  })
}

/** At its end wrk leaves without the answers that are under way then: up to one on each connection. */
function expectAbout(counted: number, seen: number, connections: number): void {
  expect(counted).toBeGreaterThanOrEqual(seen)
  expect(counted).toBeLessThanOrEqual(seen + connections)
}

describeWith(['wrk'], 'wrk', () => {
  test('counts as many requests as the metrics do, and none fails', TIMEOUT, async () => {
    const upstream = await startQuick()
    const served = await startServe(upstream.port)
    const report = await runWrk(`${served.proxyUrl}/api/version`, { connections: 64, seconds: 5 })

    const samples = await finalSamples(served)
    const total = samples.sum('ollama_requests_total')
    expect(report).toMatchObject({ ...NO_ERRORS, refused: 0 })
    expectAbout(total, report.requests, 64)
    expect(samples.sum('ollama_errors_total')).toBe(
      samples.value('ollama_errors_total', { error_type: 'client_abort' }),
    )
    await waitFor('a receipt of each, or its loss', async () => {
      const lost = (await served.samples()).value('ollascope_log_lines_dropped_total') ?? NaN
      return served.log().filter(({ msg }) => msg === 'request').length + lost === total
    })
  })

  test('more at once than may be: 503 at once, and the upstream never has more', TIMEOUT, async () => {
    let now = 0
    let most = 0
    const upstream = await startPlayer((_req, res) => {
      most = Math.max(most, ++now)
      res.on('close', () => now--)
      setTimeout(() => res.end('{"version":"0.0.0"}'), 50)
    })
    const served = await startServe(upstream.port, { env: { OLLASCOPE_MAX_IN_FLIGHT: '8' } })
    const load = runWrk(`${served.proxyUrl}/api/version`, { connections: 32, seconds: 3 })
    await repeatWhile(load, () => expectAdmin(served))
    const report = await load

    const samples = await finalSamples(served)
    const refused = samples.sum('ollama_requests_total', { status: '503' })
    const good = samples.sum('ollama_requests_total', { status: '200' })
    expect(most).toBe(8)
    expect(report).toMatchObject(NO_ERRORS)
    expect(report.refused).toBeGreaterThan(0)
    expect(report.requests).toBeGreaterThan(report.refused)
    expectAbout(refused, report.refused, 32)
    expectAbout(good, report.requests - report.refused, 32)
    expect(samples.value('ollama_errors_total', { error_type: 'overloaded' })).toBe(refused)
  })

  test('more connections than there are files for: what is too much is dropped and counted', TIMEOUT, async () => {
    const upstream = await startQuick()
    const served = await startWithFiles(FILES, upstream.port)
    const load = runWrk(`${served.proxyUrl}/api/version`, { connections: 400, seconds: 3 })
    await repeatWhile(load, () => expectAdmin(served))
    const { requests, refused, readErrors, writeErrors } = await load

    const samples = await finalSamples(served)
    const dropped = await countDropped(served)
    expect(refused).toBe(0)
    expect(requests).toBeGreaterThan(0)
    expect(dropped).toBeGreaterThanOrEqual(400 - ROOM)
    expect(dropped).toBeGreaterThanOrEqual(readErrors + writeErrors)
    // Who waited in the kernel's queue when wrk left is let in behind it: its request counts too.
    expectAbout(samples.sum('ollama_requests_total'), requests, 400)
    await askFor(served.proxyPort, 'generate-json')
    expect(served.log().filter(({ level }) => level !== 'info')).toEqual([])
    expect(served.stderr()).toBe('')
  })

  test(
    'a flood of bad tokens: all are denied and counted, and who has a good one does not notice',
    TIMEOUT,
    async () => {
      const streaming = Promise.withResolvers<ServerResponse>()
      let seen = 0
      const upstream = await startPlayer((req, res) => {
        seen++
        if (req.method === 'POST') streaming.resolve(res.writeHead(200, { 'Content-Type': 'application/x-ndjson' }))
        else res.end('{}')
      })
      const served = await startServe(upstream.port, { env: { OLLASCOPE_TOKENS_FILE: writeTokens('ann', 'good') } })
      const head = (line: string) => `${line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n`
      const stream = openRaw(served.proxyPort, `${head('POST /api/generate')}Content-Length: 2\r\n\r\n{}`)
      const answer = await streaming.promise

      const headers = ['Authorization: Bearer wrong']
      const flood = runWrk(`${served.proxyUrl}/api/version`, { connections: 64, seconds: 5, headers })
      const step = async (round: number) => {
        answer.write(`{"response":"part ${round}.","done":false}\n`)
        await stream.until(holds(`part ${round}.`))
        const asked = openRaw(served.proxyPort, `${head('GET /api/version')}Connection: close\r\n\r\n`)
        expect(parseMessage((await asked.ended).bytes)).toMatchObject({ startLine: 'HTTP/1.1 200 OK', complete: true })
      }
      const rounds = await repeatWhile(flood, step, 20)
      expect(connectionsWith(served, upstream.port)).toBeLessThan(10) // they would be kept
      answer.end('{"done":true,"done_reason":"stop"}\n')
      await stream.until(holds('"stop"}\n\r\n0\r\n\r\n'))
      stream.socket.destroy()
      const report = await flood

      const samples = await finalSamples(served)
      const denied = samples.sum('ollama_requests_total', { status: '401' })
      expect(seen).toBe(rounds + 1)
      expect(report).toMatchObject({ ...NO_ERRORS, refused: report.requests })
      expect(report.requests).toBeGreaterThan(64)
      expectAbout(denied, report.requests, 64)
      expect(samples.value('ollama_errors_total', { error_type: 'unauthorized' })).toBe(denied)
      expect(samples.sum('ollama_errors_total')).toBe(denied)
      expect(samples.sum('ollama_client_requests_total')).toBe(rounds + 1)
    },
  )
})

test('each connection for which there is no room is dropped and counted, and one that ends makes room', async () => {
  const upstream = await startQuick()
  const served = await startWithFiles(FILES, upstream.port)
  const ask = () => openRaw(served.proxyPort, 'GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const inside = Array.from({ length: ROOM }, ask)
  for (const client of inside) await client.until(holds('{"version"'))
  const outside = await Promise.all(Array.from({ length: 10 }, () => ask().ended))

  expect(outside.map(({ bytes }) => bytes.length)).toEqual(outside.map(() => 0))
  expect(await countDropped(served)).toBe(10)
  inside[0]?.socket.destroy()
  await waitFor('room', () => connectionsWith(served, served.proxyPort) === ROOM - 1)
  const next = ask()
  await next.until(holds('{"version"'))
  expect(await countDropped(served)).toBe(10)
  for (const { socket } of [...inside, next]) socket.destroy()
})

async function countDropped(served: Served): Promise<number> {
  return (await served.samples()).value('ollascope_connections_refused_total', { reason: 'limit' }) ?? NaN
}

/** A `serve` that may have so many files open. */
async function startWithFiles(count: number, upstreamPort: number): Promise<Served> {
  const args = ['-c', `ulimit -n ${count}; exec "$0" "$@"`, NODE, builtProgram(), 'serve']
  const running = startProgram('/bin/sh', args, { env: serveEnv(upstreamPort) })
  return watchServe(running, await waitFor('the line that says where it listens', () => announcement(running)))
}

/** @returns the path of a tokens file with this one */
function writeTokens(name: string, token: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tokens-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'tokens')
  writeFileSync(path, `${name}:${createHash('sha256').update(token).digest('hex')}\n`)
  return path
}
