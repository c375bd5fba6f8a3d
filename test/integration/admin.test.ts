import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage, serveRaw } from '../helpers/raw.ts'
import { readSamples } from '../helpers/samples.ts'
import { serveStandIn, type RunningStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

const TOKEN = 'a-token-of-the-operators'
const OPEN = ['/healthz', '/readyz', '/ready']
const GUARDED = ['/metrics', '/health', '/health/ollama', '/status']
const TEXT = 'text/plain; version=0.0.4; charset=utf-8'
const OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

let standIn: RunningStandIn
let app: RunningApp
let guarded: RunningApp
let alone: RunningApp

beforeAll(async () => {
  standIn = await serveStandIn()
  const gone = await serveRaw((socket) => socket.destroy())
  await gone.close() // its port refuses from now on
  app = await startApp(standIn.port)
  guarded = await startApp(standIn.port, { OLLASCOPE_ADMIN_TOKEN: TOKEN })
  alone = await startApp(gone.port, { OLLAMA_MODEL: 'my-model' })
  await waitFor('Ollama to be heard of', async () => (await fetch(`${app.adminUrl}/readyz`)).ok)
  await waitFor('Ollama to be heard of', async () => (await fetch(`${guarded.adminUrl}/readyz`)).ok)
  await waitFor('a refused connection', async () => (await statusOf(alone)).status === 'unavailable')
})
afterAll(async () => {
  for (const one of [app, guarded, alone]) await one.close()
  await standIn.close()
})

const get = (of: RunningApp, path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(`${of.adminUrl}${path}`, { method, headers })
const statusOf = async (of: RunningApp) => (await (await get(of, '/status')).json()) as Record<string, unknown>
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** The answer as it came, since fetch takes the compression off. */
async function raw(of: RunningApp, path: string, headers: string, method = 'GET') {
  const { ended } = openRaw(
    of.adminPort,
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`,
  )
  const message = parseMessage((await ended).bytes, method === 'HEAD')
  return { ...message, header: (name: string) => message.headers.find(([key]) => key.toLowerCase() === name)?.[1] }
}

describe('/metrics', () => {
  it('is text, or OpenMetrics where that is asked for, again and again', async () => {
    for (const [accept, type] of [
      ['*/*', TEXT],
      [`${OPENMETRICS};q=0.6,text/plain;q=0.5`, OPENMETRICS],
      ['text/plain', TEXT],
      ['application/openmetrics-text', OPENMETRICS],
    ] as const) {
      const response = await get(app, '/metrics', { accept })
      expect(response.headers.get('content-type')).toBe(type)
      const text = await response.text()
      expect(text.endsWith('# EOF\n')).toBe(type === OPENMETRICS)
      expect(readSamples(text).names).toContain('ollama_errors_total')
    }
  })

  it('is compressed only where that is asked for', async () => {
    const plain = await raw(app, '/metrics', '')
    expect(plain.header('content-encoding')).toBeUndefined()
    expect(plain.header('vary')).toBe('Accept-Encoding')
    expect((await raw(app, '/metrics', 'Accept-Encoding: gzip;q=0, br\r\n')).header('content-encoding')).toBeUndefined()
    const packed = await raw(app, '/metrics', 'Accept-Encoding: deflate, gzip\r\n')
    expect(packed.header('content-encoding')).toBe('gzip')
    expect(packed.header('content-type')).toBe(TEXT)
    expect(packed.complete).toBe(true)
    expect(packed.body.length).toBeLessThan(plain.body.length / 3)
    expect(readSamples(gunzipSync(packed.body).toString()).names).toEqual(readSamples(plain.body.toString()).names)
  })

  it('does not count what the admin listener is asked', async () => {
    expect((await app.samples()).sum('ollama_requests_total')).toBe(0)
    expect((await app.samples()).value('ollama_active_requests')).toBe(0)
  })
})

describe('with an upstream', () => {
  it('is ready', async () => {
    for (const path of ['/readyz', '/ready']) {
      const response = await get(app, path)
      expect([response.status, await response.json()]).toEqual([200, { status: 'ready', reasons: [] }])
    }
  })

  it('is healthy, and names a model', async () => {
    for (const path of ['/health', '/health/ollama']) {
      const response = await get(app, path)
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({ status: 'healthy' })
    }
  })

  it('tells its status', async () => {
    const upstream = { url: standIn.url, tags_failure: null, ps_failure: null }
    const isThere = async () => ((await statusOf(app)).upstream as { ps_failure: unknown }).ps_failure === null
    await waitFor('an answer to /api/ps', isThere)
    expect(await statusOf(app)).toMatchObject({ version: '0.0.0-test', status: 'ready', upstream, in_flight: [] })
  })
})

describe('without an upstream', () => {
  it('lives all the same', async () => {
    const response = await get(alone, '/healthz')
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
    expect((await get(alone, '/metrics')).status).toBe(200)
  })

  it('is not ready, and says why', async () => {
    for (const path of ['/readyz', '/ready']) {
      const response = await get(alone, path)
      expect(response.status).toBe(503)
      const reasons: unknown = [expect.stringContaining('connection refused')]
      expect(await response.json()).toMatchObject({ status: 'unavailable', reasons })
    }
  })

  it('is unhealthy, and names the configured model', async () => {
    for (const path of ['/health', '/health/ollama']) {
      const response = await get(alone, path)
      expect(response.status).toBe(503)
      expect(await response.json()).toMatchObject({
        status: 'unhealthy',
        ollama_model: 'my-model',
        reasons: [expect.any(String)],
      })
    }
  })

  it('tells its status', async () => {
    const response = await get(alone, '/status')
    expect(response.status).toBe(200)
    const failure = '/api/tags: connection refused'
    expect(await response.json()).toMatchObject({
      status: 'unavailable',
      upstream: { tags_failure: failure },
      models: [],
    })
  })
})

describe('with a token', () => {
  it.each(OPEN)('%s needs none', async (path) => expect((await get(guarded, path)).status).toBe(200))

  it.each([...GUARDED, '/nope'])('%s needs it', async (path) => {
    const found = path === '/nope' ? 404 : 200
    for (const authorization of ['', 'Bearer', 'Bearer ', `Bearer ${TOKEN}x`, 'Bearer x', `Basic ${TOKEN}`, TOKEN]) {
      const response = await get(guarded, path, authorization === '' ? {} : { authorization })
      expect(response.status, authorization).toBe(401)
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="ollascope"')
      expect(await response.text()).not.toContain(TOKEN)
    }
    expect((await get(guarded, path, bearer(TOKEN))).status).toBe(found)
    expect((await get(guarded, path, { authorization: `bearer  ${TOKEN}` })).status).toBe(found)
  })

  it('is not taken from the query', async () => {
    expect((await get(guarded, `/metrics?token=${TOKEN}&access_token=${TOKEN}`)).status).toBe(401)
  })
})

describe('what is not there', () => {
  it.each([
    ['POST', '/'],
    ['POST', '/events'],
    ['DELETE', '/status'],
    ['GET', '/api/tags'],
    ['GET', '/metrics/x'],
    ['POST', '/metrics'],
    ['DELETE', '/healthz'],
    ['GET', '/%zz'],
  ])('%s %s is answered with JSON', async (method, path) => {
    const response = await get(app, path, {}, method)
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    const { error } = (await response.json()) as { error: string }
    expect(error).toMatch(/^ollascope: /)
  })
})

describe('every answer', () => {
  it.each([...OPEN, ...GUARDED, '/nope'])('of %s keeps quiet about its making, and is not stored', async (path) => {
    const { headers } = await get(app, path)
    expect(headers.get('x-powered-by')).toBeNull()
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })

  it.each([...OPEN, ...GUARDED])('of HEAD %s is that of GET without a body', async (path) => {
    const head = await raw(app, path, '', 'HEAD')
    expect(head.startLine).toBe('HTTP/1.1 200 OK')
    const response = await get(app, path)
    expect(head.header('content-type')).toBe(response.headers.get('content-type'))
    await response.text()
  })
})

describe('a page that was led here by its name', () => {
  const ask = async (path: string, host: string, port = app.adminPort, fields = '') => {
    const head = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`
    return parseMessage((await openRaw(port, head).ended).bytes)
  }

  it.each([...OPEN, ...GUARDED, '/nothing'])('gets nothing of %s', async (path) => {
    const { startLine, body } = await ask(path, 'evil.example:9435')
    expect(startLine).toBe('HTTP/1.1 403 Forbidden')
    expect(body.toString()).toContain('ollascope: this Host is not served here')
  })

  it.each(['localhost:9435', '127.0.0.1', '[::1]:9435', 'host.docker.internal:9435', 'test-machine'])(
    'is told apart from %s',
    async (host) => {
      expect((await ask('/healthz', host)).startLine).toBe('HTTP/1.1 200 OK')
    },
  )

  it('has no token, by which a Prometheus that asks for the same name is told apart', async () => {
    const { adminPort } = guarded
    const authorization = `Authorization: Bearer ${TOKEN}\r\n`
    for (const path of GUARDED) {
      expect((await ask(path, 'ollascope:9435', adminPort)).startLine).toBe('HTTP/1.1 401 Unauthorized')
      expect((await ask(path, 'ollascope:9435', adminPort, authorization)).startLine).toBe('HTTP/1.1 200 OK')
    }
    for (const path of OPEN)
      expect((await ask(path, 'ollascope:9435', adminPort)).startLine).toBe('HTTP/1.1 403 Forbidden')
  })
})
