import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createLive } from '../../../src/admin/live.ts'
import { isFields } from '../../helpers/json.ts'
import { listenTo, type ServerSentEvent } from '../../helpers/events.ts'
import { openRaw, type RawClient } from '../../helpers/raw.ts'
import { waitFor } from '../../helpers/wait.ts'

const TICK_MS = 1000
const PATIENCE = 30
/** More than a socket takes whose other side does not read. */
const HUGE = 'x'.repeat(24 * 1024 * 1024)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  return () => vi.useRealTimers()
})
const tick = () => vi.advanceTimersByTime(TICK_MS)
const idOf = ({ data }: ServerSentEvent) => (isFields(data) ? data.request_id : undefined)
const kept = (id: number) => ({ receipt: { request_id: `r${id}` }, writtenMs: 1_800_000_000_000 + id })

/** A server that answers everything by events; its documents are numbered. */
async function serve() {
  const responses: ServerResponse[] = []
  const errors: unknown[] = []
  let made = 0
  const state: { broken?: Error; padding: string } = { padding: '' }
  const live = createLive({
    status: () => {
      if (state.broken !== undefined) throw state.broken
      return { made: ++made, padding: state.padding, receipts: ['all'] }
    },
    onError: (error) => errors.push(error),
  })
  const server = createServer((req, res) => {
    responses.push(res)
    live.listen(req, res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return { live, responses, errors, state, made: () => made, port, url: `http://127.0.0.1:${port}/` }
}

/** One that asks, and does not read the large document that it gets. */
async function openDeaf(server: Awaited<ReturnType<typeof serve>>): Promise<[RawClient, ServerResponse]> {
  const before = server.responses.length
  server.state.padding = HUGE
  const client = openRaw(server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  onTestFinished(() => void client.socket.destroy())
  client.socket.pause()
  const res = await waitFor('it to be heard', () => server.responses[before])
  server.state.padding = ''
  return [client, res]
}

describe('those who listen', () => {
  test('get the whole document first, and then receipts and a document without them', async () => {
    const { live, url } = await serve()
    const { next, retry } = await listenTo(url)
    expect(await next()).toEqual({ name: 'status', data: { made: 1, padding: '', receipts: ['all'] } })
    expect(retry()).toBe('2000')
    live.note(kept(1))
    live.note(kept(2))
    tick()
    expect(await next()).toEqual({ name: 'receipt', data: { time: '2027-01-15T08:00:00.001Z', request_id: 'r1' } })
    expect(idOf(await next())).toBe('r2')
    expect(await next()).toEqual({ name: 'status', data: { made: 2, padding: '' } })
    tick()
    expect(await next()).toEqual({ name: 'status', data: { made: 3, padding: '' } })
  })

  test('share one document a second, and one timer', async () => {
    const start = vi.spyOn(globalThis, 'setInterval')
    const stop = vi.spyOn(globalThis, 'clearInterval')
    const server = await serve()
    const all = [await listenTo(server.url), await listenTo(server.url), await listenTo(server.url)]
    for (const { next } of all) await next()
    for (const made of [4, 5]) {
      tick()
      for (const { next } of all) expect((await next()).data).toMatchObject({ made })
    }
    expect(start).toHaveBeenCalledTimes(1)
    const timer: unknown = start.mock.results[0]?.value
    for (const [index, { leave }] of all.entries()) {
      expect(stop).not.toHaveBeenCalledWith(timer)
      leave()
      await waitFor('it to be gone', () => server.responses[index]?.destroyed)
    }
    expect(stop).toHaveBeenCalledWith(timer)
    tick()
    expect(server.made()).toBe(5)
  })

  test('get no receipt twice that their first document had', async () => {
    const { live, url } = await serve()
    const early = await listenTo(url)
    live.note(kept(1))
    const late = await listenTo(url)
    live.note(kept(2))
    tick()
    for (const { next } of [early, late]) {
      expect((await next('status')).data).toHaveProperty('receipts')
      expect((await next('status')).data).not.toHaveProperty('receipts')
    }
    live.note(kept(3))
    tick()
    for (const { next } of [early, late]) await next('status')
    expect(early.told.map(idOf).filter(Boolean)).toEqual(['r1', 'r2', 'r3'])
    expect(late.told.map(idOf).filter(Boolean)).toEqual(['r2', 'r3'])
  })

  test('get the whole document again where more ended in a second than is told one by one', async () => {
    const { live, url } = await serve()
    const { next, told } = await listenTo(url)
    await next()
    for (let id = 0; id < 1000; id++) live.note(kept(id))
    tick()
    expect((await next('status')).data).not.toHaveProperty('receipts')
    expect(told.map(idOf).filter(Boolean)).toEqual(Array.from({ length: 1000 }, (_none, id) => `r${id}`))
    for (let id = 0; id < 1001; id++) live.note(kept(id))
    tick()
    expect((await next()).data).toHaveProperty('receipts')
    live.note(kept(7))
    tick()
    expect(idOf(await next())).toBe('r7')
  })
})

describe('where nobody listens', () => {
  test('nothing is made, kept or timed', async () => {
    const start = vi.spyOn(globalThis, 'setInterval')
    const { live, made, url, responses } = await serve()
    live.note(kept(1))
    expect([made(), start.mock.calls.length]).toEqual([0, 0])
    const first = await listenTo(url)
    live.note(kept(2))
    first.leave()
    await waitFor('it to be gone', () => responses[0]?.destroyed)
    for (let id = 0; id < 2000; id++) live.note(kept(id))
    const second = await listenTo(url)
    tick()
    await second.next()
    const { name, data } = await second.next()
    expect(name).toBe('status')
    expect(data).not.toHaveProperty('receipts')
  })

  test('HEAD gets the head, and is no listener', async () => {
    const start = vi.spyOn(globalThis, 'setInterval')
    const { url } = await serve()
    const response = await fetch(url, { method: 'HEAD' })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(start).not.toHaveBeenCalled()
  })
})

describe('one that does not read', () => {
  test('costs no memory, and is cut in the end, while others are told', async () => {
    const server = await serve()
    const [client, deaf] = await openDeaf(server)
    const other = await listenTo(server.url)
    await other.next()
    expect(deaf.writableNeedDrain).toBe(true)
    const waiting = deaf.writableLength
    for (let ticks = 1; ticks < PATIENCE; ticks++) {
      server.live.note(kept(ticks))
      tick()
      if (ticks % 10 === 0) expect(idOf(await other.next('receipt'))).toBeDefined()
    }
    expect(deaf.destroyed).toBe(false)
    expect(deaf.writableLength).toBeLessThanOrEqual(waiting)
    tick()
    expect(deaf.destroyed).toBe(true)
    client.socket.resume()
    await client.ended
  })

  test('gets the whole document when it reads again, and goes on', async () => {
    const server = await serve()
    const [client, res] = await openDeaf(server)
    for (let ticks = 1; ticks < PATIENCE; ticks++) {
      server.live.note(kept(ticks))
      tick()
    }
    const tail = tailOf(client)
    client.socket.resume()
    await waitFor('room', () => !res.writableNeedDrain)
    tick()
    await waitFor('the whole document', () => tail().endsWith('"receipts":["all"]}\n\n\r\n'))
    await waitFor('room', () => !res.writableNeedDrain)
    expect(server.made()).toBe(1 + PATIENCE)
    server.live.note(kept(99))
    tick()
    await waitFor('a document without receipts', () => tail().endsWith('"padding":""}\n\n\r\n'))
  })
})

describe('an error', () => {
  test('of the document ends the streams and nothing else', async () => {
    const { url, state, errors, live } = await serve()
    const { next, ended } = await listenTo(url)
    await next()
    state.broken = new Error('broken')
    tick()
    expect(await ended()).toBe(true)
    expect(errors).toEqual([state.broken])
    delete state.broken
    live.note(kept(1))
    const again = await listenTo(url)
    tick()
    await again.next()
    expect((await again.next()).name).toBe('status')
  })
})

/** The last bytes that came, without keeping them all. */
function tailOf({ socket }: RawClient): () => string {
  let tail = ''
  socket.on('data', (bytes: Buffer) => (tail = (tail + bytes.subarray(-100).toString()).slice(-100)))
  return () => tail
}
