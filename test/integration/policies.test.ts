import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { answer, chunk, parseRequests, settled, startPair, type Upstream } from '../helpers/upstream.ts'

type Restricted = 'read-only' | 'inference-only'

/** What each policy serves, as its description says. A name in a path may be encoded, as far as it is no path then. */
const INFERENCE: readonly RegExp[] = [
  /^(?:GET|HEAD|OPTIONS) \/$/,
  /^(?:GET|HEAD|OPTIONS) \/api\/(?:version|tags|ps)$/,
  /^(?:POST|OPTIONS) \/api\/(?:show|generate|chat|embed|embeddings)$/,
  /^(?:GET|HEAD|OPTIONS) \/v1\/models$/,
  /^(?:GET|HEAD|OPTIONS) \/v1\/models\/(?:[\w.:-]|%20|%3f)*(?:[\w:-]|%20|%3f)$/,
  /^(?:POST|OPTIONS) \/v1\/(?:chat\/completions|completions|responses|messages|embeddings|audio\/transcriptions)$/,
]
const SERVED: Readonly<Record<Restricted, readonly RegExp[]>> = {
  'inference-only': INFERENCE,
  'read-only': [
    ...INFERENCE,
    /^(?:GET|HEAD|OPTIONS) \/api\/(?:status|experimental\/model-recommendations)$/,
    /^(?:POST|OPTIONS) \/api\/(?:me|experimental\/web_search|experimental\/web_fetch)$/,
    /^HEAD \/api\/blobs\/(?:[\w:]|%20|%3f)+$/,
  ],
}

/** Whether a policy serves a request. The query and the authority of the request line do not matter. */
function serves(policy: Restricted, { method, target, fields }: Ask): boolean {
  if (fields.some((field) => /override|method/i.test(field))) return false
  const [before = ''] = target.split('?', 1)
  const path = before.replace(/^https?:\/\/[\w.:@]+(?=\/)/i, '')
  return SERVED[policy].some((rule) => rule.test(`${method} ${path}`))
}

const ROUTES: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/'],
  ['GET', '/api/version'],
  ['GET', '/api/tags'],
  ['GET', '/api/ps'],
  ['GET', '/api/status'],
  ['GET', '/api/experimental/model-recommendations'],
  ['POST', '/api/generate'],
  ['POST', '/api/chat'],
  ['POST', '/api/embed'],
  ['POST', '/api/embeddings'],
  ['POST', '/api/show'],
  ['POST', '/api/pull'],
  ['POST', '/api/push'],
  ['POST', '/api/create'],
  ['POST', '/api/copy'],
  ['DELETE', '/api/delete'],
  ['HEAD', `/api/blobs/sha256:${'0a'.repeat(32)}`],
  ['POST', `/api/blobs/sha256:${'0a'.repeat(32)}`],
  ['POST', '/api/me'],
  ['POST', '/api/signout'],
  ['DELETE', '/api/user/keys/abc'],
  ['POST', '/api/experimental/web_search'],
  ['POST', '/api/experimental/web_fetch'],
  ['POST', '/v1/chat/completions'],
  ['POST', '/v1/completions'],
  ['POST', '/v1/responses'],
  ['POST', '/v1/messages'],
  ['POST', '/v1/embeddings'],
  ['GET', '/v1/models'],
  ['GET', '/v1/models/llama3.2:1b'],
  ['DELETE', '/v1/models/llama3.2:1b'],
  ['POST', '/v1/audio/transcriptions'],
  ['GET', '/metrics'],
  ['GET', '/debug/pprof/'],
]

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'delete', 'Post']

const encode = (text: string) => Array.from(text, (letter) => `%${letter.charCodeAt(0).toString(16)}`).join('')

/** Ways to write a path that somebody could take for it. */
const SPELLINGS: readonly ((path: string) => string)[] = [
  (path) => path,
  (path) => path.toUpperCase(),
  (path) => path.replace(/[a-z]/, (letter) => letter.toUpperCase()),
  (path) => `/${path}`,
  (path) => path.replaceAll('/', '//'),
  (path) => `/.${path}`,
  (path) => `/x/..${path}`,
  (path) => `/api/tags/../..${path}`,
  (path) => `${path}/.`,
  (path) => `${path}/../tags`,
  (path) => `${path}/x/..`,
  (path) => `/%2e${path}`,
  (path) => `/x/%2e%2E${path}`,
  (path) => path.replace(/[a-z]/, encode),
  (path) => path.replace(/\w+/g, encode),
  (path) => path.replace(/[a-z]/, (letter) => `%25${encode(letter).slice(1)}`),
  (path) => path.replace(/(?<=\w)\//g, '%2f'),
  (path) => path.replaceAll('/', '%2F'),
  (path) => path.replace(/(?<=\w)\//g, '%252f'),
  (path) => path.replace(/(?<=\w)\//g, '\\'),
  (path) => path.replace(/(?<=\w)\//g, '%5c'),
  (path) => `${path}/`,
  (path) => `${path}%2f`,
  (path) => `${path}%20`,
  (path) => `${path}%00`,
  (path) => `${path};x`,
  (path) => `${path};x=/api/tags`,
  (path) => `${path}\\`,
  (path) => `${path}%3fx`,
  (path) => `${path}#x`,
  (path) => `${path}?`,
  (path) => `${path}?x=/api/tags&_method=GET`,
  (path) => `/api/tags?${path}`,
  (path) => `/api/tags#${path}`,
  (path) => `/v1/models/..${path}`,
  (path) => `/v1/models/x${path}`,
  (path) => `/v1/models/..${path.replaceAll('/', '%2f')}`,
  (path) => `http://127.0.0.1:11434${path}`,
  (path) => `HTTPS://evil.example${path}?x`,
  (path) => `http://localhost/${path}`,
  (path) => `http://localhost/api/tags/..${path}`,
  (path) => `//localhost${path}`,
]

interface Ask {
  readonly method: string
  readonly target: string
  readonly fields: readonly string[]
}

const ASKS: readonly Ask[] = ROUTES.flatMap(([method, path]) => [
  ...SPELLINGS.map((spell) => ({ method, target: spell(path), fields: [] })),
  ...METHODS.map((other) => ({ method: other, target: path, fields: [] })),
  ...['X-HTTP-Method-Override: GET', 'x-http-method: GET', 'X-METHOD-OVERRIDE:'].map((field) => ({
    method,
    target: path,
    fields: [field],
  })),
])

function written({ method, target, fields }: Ask, id: string): string {
  const body = ['GET', 'HEAD', 'OPTIONS', 'TRACE'].includes(method) ? [] : ['Content-Length: 2']
  const lines = ['Host: x', ...fields, `X-Request-ID: ${id}`, 'Connection: close', ...body]
  return `${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body.length > 0 ? '{}' : ''}`
}

const serve: Parameters<typeof startPair>[0] = ({ socket }) =>
  socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n')

/** Method and target of all that the upstream was asked, with the ids. */
function seen(upstream: Upstream): string[] {
  return upstream.connections
    .flatMap((connection) => parseRequests(connection.received()))
    .map(
      ({ method, target, rawHeaders }) => `${rawHeaders[rawHeaders.indexOf('X-Request-ID') + 1]} ${method} ${target}`,
    )
}

async function statusOf(app: RunningApp, request: string): Promise<number> {
  const { bytes } = await openRaw(app.proxyPort, request).ended
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(bytes.toString('latin1'))?.[1])
}

/** Each request on a connection of its own, in turn; how each was answered. */
async function askAll(app: RunningApp, asks: readonly Ask[]): Promise<number[]> {
  const statuses: number[] = []
  for (const [index, one] of asks.entries()) statuses.push(await statusOf(app, written(one, `r-${index}`)))
  return statuses
}

function named(statuses: readonly number[], wanted: (status: number) => boolean): string[] {
  return ASKS.flatMap(({ method, target }, index) =>
    wanted(statuses[index] ?? 0) ? [`r-${index} ${method} ${target}`] : [],
  )
}

describe.each(['read-only', 'inference-only'] as const)('%s', (policy) => {
  it('serves what it says, and of anything else the upstream sees no byte', { timeout: 120_000 }, async () => {
    const { app, upstream } = await startPair(serve, { OLLASCOPE_POLICY: policy })
    const statuses = await askAll(app, ASKS)
    const allowed = ASKS.flatMap((one, index) =>
      serves(policy, one) ? [`r-${index} ${one.method} ${one.target}`] : [],
    )
    expect(allowed.length).toBeGreaterThan(ROUTES.length)
    expect(named(statuses, (status) => status === 204)).toEqual(allowed)
    expect(seen(upstream)).toEqual(allowed)
    // What is no HTTP is told as that; all else is forbidden.
    expect(new Set(statuses)).toEqual(new Set([204, 400, 403]))
    expect(named(statuses, (status) => status === 400).filter((ask) => / [A-Z]+ (?:\/|http)[!-~]*$/.test(ask))).toEqual(
      [],
    )
    const receipts = await settled(app, ASKS.length)
    const forbidden = receipts.filter(({ status }) => status === 403)
    expect(forbidden).toHaveLength(statuses.filter((status) => status === 403).length)
    for (const one of forbidden) expect(one).toMatchObject({ outcome: 'denied', error_type: 'forbidden' })
  })

  it('knows no other scheme, so that none leads to what is denied', async () => {
    const { app, upstream } = await startPair(serve, { OLLASCOPE_POLICY: policy })
    const targets = ['ftp://localhost', 'ws://localhost', 'x://localhost', 'http://'].map(
      (prefix) => `${prefix}/api/delete`,
    )
    for (const target of targets) {
      expect(await statusOf(app, written({ method: 'DELETE', target, fields: [] }, 'id'))).toBe(403)
    }
    expect(upstream.connections).toHaveLength(0)
    await settled(app, targets.length)
  })

  it.each([
    [
      '/v1/models/x',
      'DELETE',
      { message: expect.any(String) as string, type: 'permission_error', param: null, code: null },
    ],
    ['/v1/messages', 'PUT', { type: 'permission_error', message: expect.any(String) as string }],
    ['/api/delete', 'DELETE', expect.stringContaining(`OLLASCOPE_POLICY=${policy};`) as string],
  ])('tells why %s is denied', async (target, method, error) => {
    const { app, upstream } = await startPair(serve, { OLLASCOPE_POLICY: policy })
    const { bytes } = await openRaw(app.proxyPort, written({ method, target, fields: [] }, 'id')).ended
    const message = parseMessage(bytes)
    expect(message.startLine).toBe('HTTP/1.1 403 Forbidden')
    expect(JSON.parse(message.body.toString())).toMatchObject({ error })
    expect(upstream.connections).toHaveLength(0)
    expect(await settled(app, 1)).toMatchObject([{ request_id: 'id', method, status: 403 }])
  })

  it.each([
    ['a body that waits', 'Expect: 100-continue\r\nContent-Length: 5\r\n\r\n'],
    ['chunks', `Transfer-Encoding: chunked\r\n\r\n${chunk('{}')}0\r\n\r\n`],
    ['an upgrade', 'Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
  ])('denies before %s', async (_, rest) => {
    const { app, upstream } = await startPair(serve, { OLLASCOPE_POLICY: policy })
    const client = openRaw(app.proxyPort, `POST /api/create HTTP/1.1\r\nHost: x\r\n${rest}`)
    await client.until((bytes) => bytes.includes('wider policy"}'))
    client.socket.end()
    expect((await client.ended).bytes.toString()).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/)
    expect(upstream.connections).toHaveLength(0)
    expect(await settled(app, 1)).toMatchObject([{ endpoint: '/api/create', status: 403, outcome: 'denied' }])
  })

  it('denies what is pipelined behind a request that it serves', async () => {
    const { app, upstream } = await startPair(serve, { OLLASCOPE_POLICY: policy })
    const good = 'GET /api/tags HTTP/1.1\r\nHost: x\r\nX-Request-ID: good\r\n\r\n'
    const { bytes } = await openRaw(
      app.proxyPort,
      good + written({ method: 'DELETE', target: '/api/delete', fields: [] }, 'bad'),
    ).ended
    expect(bytes.toString().match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(['204', '403'])
    expect(seen(upstream)).toEqual(['good GET /api/tags'])
    await settled(app, 2)
  })
})

it('a denied upload behind a slow answer waits for its turn, and does not end the answer before it', async () => {
  const { app, upstream } = await startPair(undefined, { OLLASCOPE_POLICY: 'inference-only' })
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const good = 'GET /api/tags HTTP/1.1\r\nHost: x\r\n\r\n'
  const client = openRaw(app.proxyPort, `${good}POST /api/create HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{`)
  const connection = await upstream.next()
  vi.advanceTimersByTime(60_000)
  connection.socket.write(answer('{}'))
  await client.until((bytes) => bytes.includes('wider policy"}'))
  client.socket.end()
  const { bytes } = await client.ended
  expect(bytes.toString().match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(['200', '403'])
  vi.useRealTimers()
  expect(await settled(app, 2)).toMatchObject([{ outcome: 'success' }, { outcome: 'denied' }])
})

it('full leaves it all to the upstream, as it was written', { timeout: 120_000 }, async () => {
  const { app, upstream } = await startPair(serve)
  const statuses = await askAll(app, ASKS)
  expect(new Set(statuses)).toEqual(new Set([204, 400]))
  const passed = named(statuses, (status) => status === 204)
  expect(passed.length).toBeGreaterThan(ASKS.length * 0.9)
  expect(seen(upstream)).toEqual(passed)
  await settled(app, ASKS.length)
})
