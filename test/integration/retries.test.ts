import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp } from '../helpers/app.ts'
import { openBlackhole } from '../helpers/blackhole.ts'
import { configFile } from '../helpers/config-file.ts'
import { startLate, watchTries } from '../helpers/late-upstream.ts'
import { freePort } from '../helpers/ports.ts'
import { openRaw, parseMessage, type RawClient, type Recorder } from '../helpers/raw.ts'
import {
  answer,
  answerEach,
  chunk,
  hasHead,
  holds,
  parseRequests,
  post,
  settled,
  startPair,
} from '../helpers/upstream.ts'

/** As often as can be, and soon: all ten take 2 s at least. */
const PATIENT = { OLLASCOPE_CONNECT_RETRIES: '10', OLLASCOPE_RETRY_DELAY: '4ms' }
const TWICE = { OLLASCOPE_CONNECT_RETRIES: '2', OLLASCOPE_RETRY_DELAY: '1ms' }
const SHOW = post('/api/show', '{"model":"m"}')
const MIB = 1024 * 1024

const isWhole = (bytes: Buffer) => bytes.includes('\r\n\r\n') && parseMessage(bytes).complete
const statusOf = async (client: RawClient) => parseMessage(await client.until(isWhole)).startLine.slice(9, 12)
const sent = ({ received }: Recorder) => parseRequests(received())

const answerAll = answerEach(() => answer('{}'))

describe('an upstream that begins to listen behind the first tries', () => {
  const large = `{"model":"m","prompt":"${'x'.repeat(2 * MIB)}"}`
  const chunked = [
    'POST /api/show HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nTE: trailers\r\n\r\n',
    `${chunk('{"model":')}${chunk('"m"}')}0\r\nX-Sum: 1\r\n\r\n`,
  ].join('')
  const cases: [title: string, bytes: string, body: string, ending: string][] = [
    ['a request without a body', 'GET /api/tags HTTP/1.1\r\nHost: x\r\n\r\n', '', '\r\n\r\n'],
    ['a little body', SHOW, '{"model":"m"}', '{"model":"m"}'],
    ['chunks with trailers', chunked, '{"model":"m"}', '0\r\nX-Sum: 1\r\n\r\n'],
    ['a body of 2 MiB', post('/api/generate', large), large, '"}'],
  ]

  it.each(cases)('gets it exactly once, whole: %s', async (_title, bytes, body, ending) => {
    const late = await startLate(PATIENT, ({ socket, until }) => {
      void until((got) => got.includes(ending) && parseRequests(got).length > 0).then(() => {
        socket.write(answer('{}'))
      })
    })
    const client = openRaw(late.app.proxyPort, bytes)
    await late.tries.over(2)
    await late.appear()
    expect(await statusOf(client)).toBe('200')
    expect(late.connections).toHaveLength(1)
    const [connection] = late.connections
    const requests = connection === undefined ? [] : sent(connection)
    expect(requests).toHaveLength(1)
    expect(requests[0]?.body.toString()).toBe(body)
    expect(connection?.received().toString().endsWith(ending)).toBe(true)
    const [receipt] = await settled(late.app, 1)
    expect(receipt).toMatchObject({ status: 200, request_bytes: body.length })
    const retries = late.tries.begun() - 1
    expect(retries).toBeGreaterThanOrEqual(2)
    expect(receipt?.retries).toBe(retries)
    const { value, sum } = await late.app.samples()
    expect(value('ollascope_connect_retries_total', { result: 'failure' })).toBe(retries - 1)
    expect(value('ollascope_connect_retries_total', { result: 'success' })).toBe(1)
    expect(sum('ollascope_stale_connection_retries_total')).toBe(0)
  })

  it('asks for the body itself where the client waits to be asked', async () => {
    const late = await startLate(PATIENT, (connection) => {
      connection.socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      answerAll(connection)
    })
    const client = openRaw(
      late.app.proxyPort,
      'POST /api/generate HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 13\r\n\r\n',
    )
    await late.tries.over(2)
    expect(client.received()).toHaveLength(0)
    await late.appear()
    await client.until(hasHead)
    client.socket.write('{"model":"m"}')
    const bytes = await client.until((got) => got.includes('200 OK') && isWhole(got))
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    const requests = late.connections.flatMap(sent)
    expect(requests.map(({ body }) => body.toString())).toEqual(['{"model":"m"}'])
    expect(requests[0]?.rawHeaders).toContain('Expect')
    expect(await settled(late.app, 1)).toMatchObject([{ status: 200 }])
  })
})

describe('an upstream that stays away', () => {
  it.each([0, 1, 3])('with %i retries is told as 502', async (count) => {
    const tries = watchTries()
    const env = { OLLASCOPE_CONNECT_RETRIES: String(count), OLLASCOPE_RETRY_DELAY: '1ms' }
    const app = await startApp(await freePort(), env)
    onTestFinished(() => app.close())
    expect(await statusOf(openRaw(app.proxyPort, SHOW))).toBe('502')
    expect(tries.begun()).toBe(count + 1)
    const [receipt] = await settled(app, 1)
    expect(receipt).toMatchObject({ status: 502, outcome: 'error', error_type: 'connect' })
    expect(receipt?.retries).toBe(count === 0 ? undefined : count)
    const { value } = await app.samples()
    expect(value('ollascope_connect_retries_total', { result: 'failure' })).toBe(count)
    expect(value('ollascope_connect_retries_total', { result: 'success' })).toBe(0)
  })

  it('without an answer is tried again at the connect limit', async () => {
    const tries = watchTries()
    const blackhole = await openBlackhole()
    onTestFinished(() => blackhole.close())
    const app = await startApp(blackhole.port, { ...TWICE, OLLASCOPE_CONNECT_TIMEOUT: '100ms' })
    onTestFinished(() => app.close())
    expect(await statusOf(openRaw(app.proxyPort, SHOW))).toBe('504')
    expect(tries.begun()).toBe(3)
    expect(blackhole.swallows()).toBe(true)
    expect(await settled(app, 1)).toMatchObject([{ status: 504, error_type: 'connect_timeout', retries: 2 }])
  })

  it('since its name has no address is tried again, and told as that', async () => {
    const tries = watchTries()
    const app = await startApp(1, { ...TWICE, OLLASCOPE_UPSTREAM: 'http://nonexistent.invalid:1' })
    onTestFinished(() => app.close())
    const message = parseMessage(await openRaw(app.proxyPort, SHOW).until(isWhole))
    expect(message.startLine).toBe('HTTP/1.1 502 Bad Gateway')
    expect(message.body.toString()).toContain('cannot be resolved')
    expect(tries.begun()).toBe(3)
    expect(await settled(app, 1)).toMatchObject([{ status: 502, outcome: 'error', error_type: 'dns', retries: 2 }])
  })

  it('is told as 504 where the whole time is over while it waits for the next try', async () => {
    const tries = watchTries()
    const app = await startApp(await freePort(), {
      OLLASCOPE_CONNECT_RETRIES: '1',
      OLLASCOPE_RETRY_DELAY: '10m',
      OLLASCOPE_REQUEST_TIMEOUT: '200ms',
    })
    onTestFinished(() => app.close())
    expect(await statusOf(openRaw(app.proxyPort, SHOW))).toBe('504')
    expect(tries.begun()).toBe(1)
    expect(await settled(app, 1)).toMatchObject([{ status: 504, error_type: 'upstream_timeout' }])
  })
})

describe('an upstream that took the connection', () => {
  it.each([
    ['resets it', ({ socket }: Recorder) => socket.resetAndDestroy()],
    ['closes it', ({ socket }: Recorder) => socket.end()],
    ['answers garbage', ({ socket }: Recorder) => socket.end('SSH-2.0-x\r\n\r\n')],
  ])('and %s is asked once, whatever the method', async (_title, fail) => {
    const tries = watchTries()
    const { app, upstream } = await startPair(fail, PATIENT)
    for (const bytes of [SHOW, 'GET /api/tags HTTP/1.1\r\nHost: x\r\n\r\n']) {
      expect(await statusOf(openRaw(app.proxyPort, bytes))).toBe('502')
    }
    expect(tries.begun()).toBe(2)
    expect(upstream.connections).toHaveLength(2)
    for (const receipt of await settled(app, 2)) {
      expect(receipt).toMatchObject({ status: 502, outcome: 'error', error_type: 'upstream_reset' })
      expect(receipt).not.toHaveProperty('retries')
    }
  })
})

describe('a client that leaves while the proxy waits to connect again', () => {
  it.each([
    ['closes', (client: RawClient) => client.socket.destroy()],
    ['resets', (client: RawClient) => client.socket.resetAndDestroy()],
    ['half-closes', (client: RawClient) => client.socket.end()],
  ])('and %s is counted, and its request goes nowhere', async (_how, leave) => {
    const env = { OLLASCOPE_CONNECT_RETRIES: '10', OLLASCOPE_RETRY_DELAY: '50ms' }
    const late = await startLate(
      env,
      answerEach(() => answer('{}')),
    )
    const client = openRaw(late.app.proxyPort, SHOW)
    await late.tries.over(1)
    leave(client)
    expect(await settled(late.app, 1)).toMatchObject([{ outcome: 'client_abort', status: 499 }])
    const before = late.tries.begun()
    await late.appear()
    // Another request that waits as long, and longer than any that is left behind could.
    let others = 0
    for (const untilMs = performance.now() + 300; performance.now() < untilMs; others++) {
      const other = openRaw(late.app.proxyPort, 'GET /api/tags HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      await other.ended
    }
    expect(late.tries.begun()).toBe(before + others)
    expect(late.connections.some(holdsShow)).toBe(false)
    await settled(late.app, others + 1)
  })
})

function holdsShow({ received }: Recorder): boolean {
  return holds('/api/show')(received())
}

describe('the retries of a model', () => {
  const generate = (model: string, prompt = 'p') => post('/api/generate', JSON.stringify({ model, prompt }))

  it.each([
    ['more than others', 'connectRetries: 10\n    retryDelay: 4ms', {}, 'named', 'other'],
    ['fewer than others', 'connectRetries: 0', PATIENT, 'other', 'named:latest'],
  ])('are its own: %s', async (_title, yaml, env, patient, hasty) => {
    const late = await startLate({ ...configFile(`models:\n  named:\n    ${yaml}\n`), ...env }, answerAll)
    expect(await statusOf(openRaw(late.app.proxyPort, generate(hasty)))).toBe('502')
    expect(late.tries.begun()).toBe(1)
    const client = openRaw(late.app.proxyPort, generate(patient))
    await late.tries.over(3)
    await late.appear()
    expect(await statusOf(client)).toBe('200')
    expect(late.connections.flatMap(sent).map(({ body }) => body.toString())).toEqual([
      JSON.stringify({ model: patient, prompt: 'p' }),
    ])
    const [first, second] = await settled(late.app, 2)
    expect(first).toMatchObject({ model: hasty, status: 502, error_type: 'connect' })
    expect(first).not.toHaveProperty('retries')
    expect(second).toMatchObject({ model: patient, status: 200, retries: late.tries.begun() - 2 })
  })

  it('may differ in their delay alone', async () => {
    const config = configFile('models:\n  named:\n    retryDelay: 1ms\n')
    const env = { OLLASCOPE_CONNECT_RETRIES: '2', OLLASCOPE_RETRY_DELAY: '10m' }
    const app = await startApp(await freePort(), { ...config, ...env })
    onTestFinished(() => app.close())
    expect(await statusOf(openRaw(app.proxyPort, generate('named')))).toBe('502')
    expect(await settled(app, 1)).toMatchObject([{ status: 502, retries: 2 }])
  })

  it('are told by the body: one that waits to be asked for is asked for before the upstream is there', async () => {
    const config = configFile('models:\n  named:\n    connectRetries: 10\n    retryDelay: 4ms\n')
    const late = await startLate(config, answerAll)
    const body = JSON.stringify({ model: 'named', prompt: 'p' })
    const client = openRaw(
      late.app.proxyPort,
      `POST /api/generate HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
    )
    expect((await client.until(hasHead)).toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    expect(late.tries.begun()).toBe(1)
    client.socket.write(body)
    await late.tries.over(3)
    await late.appear()
    const bytes = await client.until((got) => got.includes('200 OK') && isWhole(got))
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    const requests = late.connections.flatMap(sent)
    expect(requests.map((one) => one.body.toString())).toEqual([body])
    expect(requests[0]?.rawHeaders).not.toContain('Expect')
    expect(await settled(late.app, 1)).toMatchObject([{ status: 200, model: 'named' }])
  })

  it('are those of all for a body that is too large to be held', async () => {
    const config = configFile('models:\n  named:\n    connectRetries: 0\n')
    const bytes = Buffer.from(generate('named', 'x'.repeat(9 * MIB)))
    const bodyOf = (all: Buffer) => all.subarray(all.indexOf('\r\n\r\n') + 4)
    const late = await startLate({ ...config, ...PATIENT }, ({ socket, until }) => {
      void until((got) => got.length >= bytes.length && bodyOf(got).length >= bodyOf(bytes).length).then(() =>
        socket.write(answer('{}')),
      )
    })
    const client = openRaw(late.app.proxyPort, bytes)
    await late.tries.over(3)
    await late.appear()
    expect(await statusOf(client)).toBe('200')
    expect(late.connections).toHaveLength(1)
    expect(bodyOf(late.connections[0]?.received() ?? bytes.subarray(0, 0)).equals(bodyOf(bytes))).toBe(true)
    expect(await settled(late.app, 1)).toMatchObject([{ status: 200, request_bytes: bodyOf(bytes).length }])
  })

  it('are those of all for a request that runs no model, which is not read first', async () => {
    const config = configFile('models:\n  named:\n    connectRetries: 0\n')
    const late = await startLate({ ...config, ...PATIENT }, (connection) => {
      connection.socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      answerAll(connection)
    })
    const body = '{"model":"named"}'
    const client = openRaw(
      late.app.proxyPort,
      `POST /api/show HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
    )
    await late.tries.over(3)
    expect(client.received()).toHaveLength(0)
    await late.appear()
    await client.until(hasHead)
    client.socket.write(body)
    await client.until((got) => got.includes('200 OK') && isWhole(got))
    expect(late.connections.flatMap(sent).map((one) => one.body.toString())).toEqual([body])
    expect(await settled(late.app, 1)).toMatchObject([{ status: 200 }])
  })

  it('begin when its body is whole: a client that stalls with it is told as 408', async () => {
    const config = configFile('models:\n  named:\n    connectRetries: 10\n    retryDelay: 4ms\n')
    const tries = watchTries()
    const app = await startApp(await freePort(), { ...config, OLLASCOPE_IDLE_TIMEOUT: '200ms' })
    onTestFinished(() => app.close())
    const client = openRaw(app.proxyPort, 'POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"model"')
    expect(await statusOf(client)).toBe('408')
    expect(tries.begun()).toBe(1)
    expect(await settled(app, 1)).toMatchObject([{ status: 408, error_type: 'upload_timeout', request_bytes: 8 }])
  })

  it('do not shorten the time that the body may take, however long connecting took', async () => {
    const config = configFile('models:\n  named:\n    connectRetries: 1\n    retryDelay: 1ms\n')
    const tries = watchTries()
    const blackhole = await openBlackhole()
    onTestFinished(() => blackhole.close())
    const limits = { OLLASCOPE_CONNECT_TIMEOUT: '2500ms', OLLASCOPE_IDLE_TIMEOUT: '2s' }
    const app = await startApp(blackhole.port, { ...config, ...limits })
    onTestFinished(() => app.close())
    const body = JSON.stringify({ model: 'named' })
    const head = `POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`
    const client = openRaw(app.proxyPort, head)
    await tries.over(1)
    setTimeout(() => client.socket.write(body), 500)
    expect(await statusOf(client)).toBe('504')
    expect(await settled(app, 1)).toMatchObject([{ status: 504, error_type: 'connect_timeout', retries: 1 }])
  })
})
