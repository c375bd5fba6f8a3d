import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { listenTo, type Listening } from '../helpers/events.ts'
import { isFields } from '../helpers/json.ts'
import { playRecorded } from '../helpers/load.ts'
import { describeWith } from '../helpers/needs.ts'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { createGate, startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'
import { startNginx } from '../e2e/nginx/start-nginx.ts'

const LISTENERS = 16

async function start(env: Record<string, string> = {}): Promise<RunningApp> {
  const standIn = await startStandIn()
  const app = await startApp(standIn.port, env)
  onTestFinished(app.close)
  return app
}

const eventsOf = ({ adminUrl }: RunningApp) => `${adminUrl}/events`
const statusOf = async ({ adminUrl }: RunningApp) =>
  (await (await fetch(`${adminUrl}/status`)).json()) as Record<string, unknown>
const receiptsOf = ({ told }: Listening) => told.filter(({ name }) => name === 'receipt').map(({ data }) => data)

async function ask(app: RunningApp, id: string): Promise<void> {
  const response = await fetch(`${app.proxyUrl}/api/version`, { headers: { 'X-Request-ID': id } })
  await response.text()
}

describeWith(['nginx'], '/events behind nginx', () => {
  it.each(['buffering', 'plain'] as const)('comes as it is told, where nginx is %s', async (way) => {
    const app = await start({ OLLASCOPE_ADMIN_TOKEN: 'a-token' })
    const { ports } = await startNginx({ proxy: app.adminPort, ollama: app.proxyPort }, onTestFinished)
    const { next } = await listenTo(`http://127.0.0.1:${ports[way]}/events`, { authorization: 'Bearer a-token' })
    expect((await next()).data).toHaveProperty('receipts')
    expect((await next()).data).not.toHaveProperty('receipts')
  })
})

describe('/events', () => {
  it('is a stream of events that nothing on the way may keep', async () => {
    const app = await start()
    const { response, next, retry } = await listenTo(eventsOf(app), { 'accept-encoding': 'gzip, br' })
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    })
    expect(response.headers.get('content-encoding')).toBeNull()
    await next()
    expect(Number(retry())).toBeGreaterThan(0)
  })

  it('begins with the document of /status, which comes again without receipts', async () => {
    const app = await start()
    await ask(app, 'before')
    await app.receipts(1)
    const { next } = await listenTo(eventsOf(app))
    const first = await next()
    expect(first).toMatchObject({ name: 'status', data: { receipts: [{ request_id: 'before' }] } })
    expect(Object.keys(first.data ?? {})).toEqual(Object.keys(await statusOf(app)))
    const second = await next()
    expect([second.name, Object.keys(second.data ?? {})]).toEqual([
      'status',
      Object.keys(first.data ?? {}).filter((key) => key !== 'receipts'),
    ])
  })

  it('tells each request that ended once, in order, as /status and the log do', async () => {
    const app = await start()
    const listening = await listenTo(eventsOf(app))
    await listening.next()
    const ids = ['a', 'b', 'c', 'd', 'e']
    for (const id of ids) await ask(app, id)
    while (receiptsOf(listening).length < ids.length) await listening.next()
    await listening.next('status')
    await listening.next('status')
    const told = receiptsOf(listening)
    expect(told).toEqual(((await statusOf(app)).receipts as unknown[]).toReversed())
    expect(told.map((receipt) => isFields(receipt) && receipt.request_id)).toEqual(ids)
    for (const [index, line] of (await app.receipts(ids.length)).entries()) {
      expect({ ...line, time: '' }).toEqual({ ...(told[index] as object), time: '', level: 'info', msg: 'request' })
    }
  })

  it('takes so many at once, and tells the next one so', async () => {
    const app = await start()
    const all: Listening[] = []
    for (let count = 0; count < LISTENERS; count++) all.push(await listenTo(eventsOf(app)))
    for (const { response } of all) expect(response.status).toBe(200)
    const refused = await fetch(eventsOf(app))
    expect(refused.status).toBe(503)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refused.json()).toEqual({
      error: 'ollascope: 16 others listen to /events already; ask /status',
    })
    expect((await fetch(eventsOf(app), { method: 'HEAD' })).status).toBe(503)
    all[3]?.leave()
    await waitFor('a place', async () => (await fetch(eventsOf(app), { method: 'HEAD' })).ok)
    expect((await listenTo(eventsOf(app))).response.status).toBe(200)
  })

  it('shows a drain to its end, and then ends', async () => {
    const { gate, open } = createGate(3)
    const standIn = await startStandIn({ speed: 0, gate })
    const app = await startApp(standIn.port, { OLLASCOPE_DRAIN_TIMEOUT: '10m' })
    onTestFinished(open)
    const asked = playRecorded(app.proxyPort, 'generate-stream-warm')
    await waitFor('it to run', async () => ((await statusOf(app)).in_flight as unknown[]).length === 1)
    const { next, ended } = await listenTo(eventsOf(app))
    await next()
    const closed = app.close()
    let last = await next('status')
    while (isFields(last.data) && last.data.status !== 'draining') last = await next('status')
    expect(last.data).toMatchObject({ in_flight: [{ phase: 'decoding' }] })
    open()
    await asked
    await closed
    expect(await ended()).toBe(true)
  })

  it('keeps nothing from ending where its client does not read or speaks HTTP/1.0', async () => {
    const app = await start()
    const deaf = openRaw(app.adminPort, 'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n')
    deaf.socket.pause()
    const old = openRaw(app.adminPort, 'GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n')
    await old.until((bytes) => bytes.toString().split('event: status').length > 2)
    await app.close()
    const { headers, body } = parseMessage((await old.ended).bytes)
    expect(Object.fromEntries(headers)).not.toHaveProperty('Transfer-Encoding')
    expect(body.toString()).toMatch(/^retry: \d+\nevent: status\ndata: \{.*\}\n\nevent: status\n/)
    deaf.socket.resume()
    await deaf.ended
  })
})
