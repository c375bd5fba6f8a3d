import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeAll, describe, expect, it, afterAll } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { serveCollector, type Collector } from '../helpers/otlp.ts'
import { openRaw } from '../helpers/raw.ts'
import { waitFor } from '../helpers/wait.ts'

/** It stands wherever a client or Ollama can put a secret; nobody but these two may ever see it. */
const CANARY = 'canary-7f3a9c'

const ROUTES = [
  '/api/generate',
  '/api/chat',
  '/api/embed',
  '/api/embeddings',
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/responses',
  '/v1/messages',
  '/v1/embeddings',
  '/v1/audio/transcriptions',
  '/api/pull',
  '/api/show',
  '/unknown',
]

/** How the upstream answers: status, type and body. */
const ANSWERS: Readonly<Record<string, readonly [status: number, type: string, body: string]>> = {
  stream: [
    200,
    'application/x-ndjson',
    `{"response":"${CANARY}","message":{"content":"${CANARY}","thinking":"${CANARY}","tool_calls":[{"function":{"name":"f","arguments":{"x":"${CANARY}"}}}]},"done":false}\n` +
      `{"done":true,"done_reason":"${CANARY}","eval_count":2}\n`,
  ],
  events: [
    200,
    'text/event-stream',
    `event: x\ndata: {"type":"${CANARY}","choices":[{"delta":{"content":"${CANARY}"},"finish_reason":"${CANARY}"}],"delta":{"text":"${CANARY}","stop_reason":"${CANARY}"}}\n\ndata: [DONE]\n\n`,
  ],
  plain: [
    200,
    'application/json',
    `{"choices":[{"message":{"content":"${CANARY}"}}],"response":"${CANARY}","done":true}`,
  ],
  'error in a stream': [
    200,
    'application/x-ndjson',
    `{"response":"x","done":false}\n{"error":"${CANARY} is out of memory"}\n`,
  ],
  'error 400': [400, 'application/json', `{"error":"invalid format: ${CANARY}"}`],
  'error 404': [404, 'application/json', `{"error":{"message":"model '${CANARY}' not found"}}`],
  'error 500': [500, 'application/json', `{"type":"error","error":{"message":"${CANARY}"}}`],
  'broken JSON': [200, 'application/json', `{"response":"${CANARY}`],
  'a status with words': [418, `text/${CANARY}`, CANARY],
}

const seen: string[] = []
const got: string[] = []
let app: RunningApp
let collector: Collector
let close: () => void

beforeAll(async () => {
  const server = createServer((req, res) => {
    if (req.url === '/api/ps' || req.url === '/api/tags' || req.url === '/api/version') {
      res.end('{"models":[],"version":"0.0.0"}')
      return
    }
    const parts: Buffer[] = [Buffer.from(`${req.url ?? ''} ${JSON.stringify(req.rawHeaders)}`)]
    req.on('data', (bytes: Buffer) => parts.push(bytes))
    req.on('end', () => {
      seen.push(Buffer.concat(parts).toString())
      const [status, type, body] = ANSWERS[String(req.headers['x-play'])] ?? [204, 'text/plain', '']
      res.writeHead(status, status === 418 ? CANARY : 'OK', { 'Content-Type': type, 'Set-Cookie': CANARY })
      if (req.headers['x-hold'] === undefined) res.end(body)
      else res.write(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  collector = await serveCollector()
  app = await startApp((server.address() as AddressInfo).port, {
    OLLASCOPE_LOG_LEVEL: 'trace',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '50',
  })
  close = () => {
    server.closeAllConnections()
    server.close()
  }
})

afterAll(async () => {
  await app.close()
  await collector.close()
  close()
})

const BODY = JSON.stringify({
  model: 'm',
  prompt: CANARY,
  system: CANARY,
  input: CANARY,
  messages: [{ role: 'user', content: CANARY, tool_calls: [{ function: { arguments: CANARY } }] }],
  options: { [CANARY]: CANARY, stop: [CANARY] },
  tools: [{ type: 'function', function: { name: CANARY } }],
})
const FORM = `--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n${CANARY}\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="${CANARY}"\r\n\r\n${CANARY}\r\n--b--\r\n`

function requestTo(path: string, play: string, extra: string, body: string): string {
  const type = path.includes('audio') ? 'multipart/form-data; boundary=b' : 'application/json'
  return (
    `POST ${path}?key=${CANARY} HTTP/1.1\r\nHost: ${CANARY}.local\r\nAuthorization: Bearer ${CANARY}\r\nCookie: s=${CANARY}\r\n` +
    `X-Api-Key: ${CANARY}\r\nX-Request-ID: ${CANARY}!\r\ntraceparent: ${CANARY}\r\ntracestate: ${CANARY}=${CANARY}\r\nbaggage: ${CANARY}=${CANARY}\r\nUser-Agent: ${CANARY}\r\nX-Play: ${play}\r\n${extra}` +
    `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

/** Plays one exchange to its end, or to the client's leaving once it has the answer so far. */
async function play(path: string, how: string, leaves: boolean, body: string): Promise<void> {
  const client = openRaw(app.proxyPort, requestTo(path, how, leaves ? 'X-Hold: 1\r\n' : 'Connection: close\r\n', body))
  if (!leaves) {
    got.push((await client.ended).bytes.toString())
    return
  }
  await client.until((bytes) => bytes.includes('\r\n\r\n'))
  client.socket.destroy()
}

describe('what a client and Ollama say to each other', () => {
  it.each(ROUTES)('is told nobody: %s', async (path) => {
    const before = app.log.filter(({ msg }) => msg === 'request').length
    let played = 0
    for (const how of Object.keys(ANSWERS)) {
      for (const leaves of [false, true]) {
        await play(path, how, leaves, path.includes('audio') ? FORM : BODY)
        played++
      }
    }
    await play(path, 'plain', false, `{"model":"m","prompt":"${CANARY}`) // no JSON
    const receipts = await app.receipts(before + played + 1)
    expect(new Set(receipts.slice(before).map(({ outcome }) => outcome)).size).toBeGreaterThan(1)
  })

  it('is told nobody where no HTTP parser takes it', async () => {
    const before = app.log.filter(({ msg }) => msg === 'request').length
    await openRaw(app.proxyPort, `GET /${CANARY} HTTP/9.9\r\n${CANARY}\r\n\r\n`).ended
    await app.receipts(before + 1)
  })

  it('was said, and stands in no log line, no metric and no status', async () => {
    expect(seen.length).toBeGreaterThan(ROUTES.length * Object.keys(ANSWERS).length)
    for (const request of seen) expect(request).toContain(CANARY)
    expect(got.filter((answer) => answer.includes(CANARY)).length).toBeGreaterThan(got.length - 5)
    for (const line of app.log) expect(JSON.stringify(line)).not.toContain(CANARY)
    for (const [path, accept] of [
      ['/metrics', 'text/plain'],
      ['/metrics', 'application/openmetrics-text'],
      ['/status', '*/*'],
      ['/health', '*/*'],
      ['/readyz', '*/*'],
    ] as const) {
      const text = await (await fetch(`${app.adminUrl}${path}`, { headers: { Accept: accept } })).text()
      expect(text.length).toBeGreaterThan(0)
      expect(text).not.toContain(CANARY)
    }
  })

  it('and stands in no trace', async () => {
    const requests = app.log.filter(({ msg }) => msg === 'request').length
    const roots = () => collector.spans().filter(({ kind }) => kind === 2).length
    await waitFor('the spans', () => roots() === requests)
    // Text is as it is in protobuf: nothing has to be decoded to find it.
    for (const { body } of collector.deliveries) expect(body.includes(CANARY)).toBe(false)
    expect(collector.deliveries.some(({ body }) => body.includes('/api/chat'))).toBe(true)
  })
})
