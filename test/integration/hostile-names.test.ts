import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { ENDPOINT_LABELS } from '../../src/ollama/endpoints.ts'
import { startApp } from '../helpers/app.ts'
import { createRandom, type Random } from '../helpers/random.ts'
import { openRaw } from '../helpers/raw.ts'

const LIMIT = 20
const NASTY: readonly [string, ...string[]] = [
  '"',
  '\\',
  '\n',
  '\0',
  '{}',
  ',le="1"',
  '# HELP x',
  '__proto__',
  'constructor',
  'toString',
  '',
  'ſ',
  '\ud800',
  '😀',
]
const METHODS: readonly [string, ...string[]] = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'PROPFIND',
  'MKCOL',
  'REPORT',
  'HEAD',
  'OPTIONS',
  'QUERY',
]
const ROUTES: readonly [string, ...string[]] = [
  '/api/chat',
  '/api/generate',
  '/v1/chat/completions',
  '/v1/embeddings',
  '/api/show',
  '/api/pull',
]

/** Answers 200, 404 or 500, as the request's path and number say. */
async function startUpstream() {
  let count = 0
  const server = createServer((req, res) => {
    req.resume().on('end', () => {
      if (req.url === '/api/tags' || req.url === '/api/ps') {
        res.end('{"models":[{"name":"listed"}]}')
        return
      }
      res.writeHead([200, 404, 500][count++ % 3] ?? 200, { 'Content-Type': 'application/json' })
      res.end('{"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":1}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function nameOf(random: Random): string {
  const name = `${random.pick(['m', 'listed', ...NASTY])}${random.pick(NASTY)}${random.below(2 ** 32).toString(36)}`
  return random.chance(0.02) ? name.repeat(1000) : name
}

function requestOf(random: Random): string {
  const method = random.chance(0.6) ? 'POST' : random.pick(METHODS)
  const path = random.chance(0.7)
    ? random.pick(ROUTES)
    : `/${random.pick(['', 'api/', 'v1/', 'api/blobs/', 'v1/models/'])}${encodeURIComponent(random.below(2 ** 32).toString(36))}`
  const model: unknown = random.chance(0.9) ? nameOf(random) : random.pick<unknown>([7, null, ['a'], { a: 1 }, true])
  const body = JSON.stringify({ model })
  return `${method} ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** Sends requests one after the other on some connections, all at once. */
async function send(port: number, seed: number, connections: number, each: number): Promise<void> {
  await Promise.all(
    Array.from({ length: connections }, async (_, index) => {
      const random = createRandom(seed + index)
      const texts = Array.from({ length: each }, () => requestOf(random))
      const client = openRaw(port, `${texts.join('')}GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      await client.ended
    }),
  )
}

it('10,000 random models, paths and methods grow neither the scrape nor the heap', async () => {
  const app = await startApp(await startUpstream(), { OLLASCOPE_METRICS_MODEL_LIMIT: String(LIMIT) })
  onTestFinished(app.close)
  const scrape = async () => (await fetch(`${app.adminUrl}/metrics`)).text()
  const ours = (text: string) => text.split('\n').filter((line) => line.startsWith('olla'))

  await send(app.proxyPort, 1, 25, 199)
  await app.receipts(5000)
  const half = ours(await scrape())
  await send(app.proxyPort, 1000, 25, 199)
  await app.receipts(10_000)
  const whole = ours(await scrape())

  const valuesOf = (label: string) =>
    new Set(whole.flatMap((line) => new RegExp(`[{,]${label}="((?:[^"\\\\]|\\\\.)*)"`).exec(line)?.[1] ?? []))
  const models = valuesOf('model')
  expect(models.size).toBeLessThanOrEqual(LIMIT + 4) // listed, other, none, invalid
  expect(models).toContain('other')
  expect(models).toContain('invalid')
  for (const endpoint of valuesOf('endpoint')) expect(ENDPOINT_LABELS).toContain(endpoint)
  const series = (lines: readonly string[]) => new Set(lines.map((line) => line.slice(0, line.lastIndexOf(' '))))
  // The slots are used up after the first half: what is new are combinations of what there was, and they are finite.
  expect(series(whole).size).toBeLessThan(series(half).size * 1.25)
  expect(series(whole).size).toBeLessThan(20_000)
  const { sum, value } = await app.samples()
  expect(sum('ollama_requests_total')).toBe(10_000)
  expect(value('ollascope_label_overflow_total', { label: 'model' })).toBeGreaterThan(100)
  expect(app.log.filter(({ msg }) => msg === 'request')).toHaveLength(10_000)
}, 120_000)
