import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NOW_MS, watchDocker, type WatchedCollector } from '../helpers/docker-collector.ts'
import { eventLine, fakeContainer, fakeId, sendJson, startFakeDocker, type FakeDocker } from '../helpers/docker-fake.ts'
import { waitFor } from '../helpers/wait.ts'

const ID = fakeId(1)
/** Nanoseconds, with more digits than a number holds. */
const NOW = BigInt(NOW_MS) * 1_000_000n
const T1 = NOW + 1n
const T2 = NOW + 2_000_000_001n
const T3 = NOW + 3_000_000_003n

/** An unhandled error anywhere fails the run, so nothing looks for one here. */
async function follow(fake: FakeDocker, options = {}): Promise<WatchedCollector> {
  const watched = watchDocker(fake.host, options)
  await watched.collect()
  await fake.stream(0)
  return watched
}

/** A question in passing: what was asked before it has arrived by then. */
function visit(socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/_ping' }, (response) => response.resume().on('end', resolve))
      .on('error', reject)
      .end()
  })
}

describe('the events of a daemon', () => {
  let fake: FakeDocker

  beforeEach(async () => {
    fake = await startFakeDocker()
  })

  it('are told of watched containers, in order and with all digits of their time', async () => {
    const { eventsUntil } = await follow(fake)
    fake.emit('oom', ID, T1)
    fake.emit('oom', fakeId(7), T1)
    fake.emit('die', ID, T2)
    fake.emit('start', ID, T3)
    const names = { id: ID, name: 'ollama', image: 'ollama/ollama:0.5' }
    expect(await eventsUntil(3)).toEqual([
      { ...names, action: 'oom', timeNano: String(T1) },
      { ...names, action: 'die', timeNano: String(T2) },
      { ...names, action: 'start', timeNano: String(T3) },
    ])
  })

  it('are asked for from the first run on, of containers only', async () => {
    await follow(fake)
    const { query } = await fake.stream(0)
    expect(query.get('since')).toBe('1795240000.000000000')
    expect(JSON.parse(query.get('filters') ?? '')).toMatchObject({ type: ['container'] })
  })

  it('are followed no sooner than a run found the daemon, and only once', async () => {
    const watched = watchDocker(fake.host)
    fake.answer(/json/, (_request, response) => sendJson(response, 500, {}))
    await watched.collect().catch(() => undefined)
    expect(fake.streams).toHaveLength(0)
    fake.answer(undefined)
    await watched.collect()
    await fake.stream(0)
    await watched.collect()
    fake.emit('oom', ID, T1)
    await watched.eventsUntil(1)
    expect(fake.streams).toHaveLength(1)
  })

  it('are followed from where an earlier process was, whose last one is not told again', async () => {
    fake.emit('oom', ID, T1 - 1n)
    fake.emit('oom', ID, T1)
    fake.emit('oom', ID, T1 + 1n)
    const { eventsUntil } = await follow(fake, { since: String(T1) })
    expect((await fake.stream(0)).query.get('since')).toBe('1795240000.000000001')
    fake.emit('die', ID, T2)
    expect((await eventsUntil(2)).map(({ timeNano }) => BigInt(timeNano))).toEqual([T1 + 1n, T2])
  })

  it.each(['', '-1', 'yesterday', '1'.repeat(40)])('start at now where the earlier time is "%s"', async (since) => {
    await follow(fake, { since })
    expect((await fake.stream(0)).query.get('since')).toBe('1795240000.000000000')
  })

  it.each([
    ['ended', 'end'],
    ['was cut', 'cut'],
  ] as const)('are followed again after a stream that %s, each told once', async (_how, how) => {
    const { eventsUntil, waits, endWait, told } = await follow(fake)
    fake.emit('oom', ID, T1)
    fake.emit('oom', ID, T2)
    await eventsUntil(2)
    const stream = await fake.stream(0)
    stream[how]()
    fake.emit('die', ID, T3)
    fake.containers = [fakeContainer(1, { inspect: { State: { OOMKilled: true } } })]
    await endWait(0)
    expect((await eventsUntil(3)).map(({ action }) => action)).toEqual(['oom', 'oom', 'die'])
    expect((await fake.stream(1)).query.get('since')).toBe('1795240002.000000001')
    expect(waits).toEqual([1500])
    // What may have been missed is looked for before anything else is told.
    expect(told).toEqual(['found ollama', 'oom ollama', 'oom ollama', 'found ollama', 'die ollama'])
  })

  it('are made up for by a look where a daemon that was started again has lost them', async () => {
    const { eventsUntil, endWait, found } = await follow(fake)
    fake.emit('oom', ID, T1)
    await eventsUntil(1)
    fake.forget()
    ;(await fake.stream(0)).cut()
    fake.containers = [fakeContainer(1, { inspect: { State: { OOMKilled: true } } })]
    await endWait(0)
    const stream = await fake.stream(1)
    stream.write(eventLine('oom', ID, T2))
    await eventsUntil(2)
    expect(found.map(([container]) => container?.oomKilled)).toEqual([false, true])
  })

  it('are told once where the daemon sends them twice', async () => {
    const { eventsUntil, events } = await follow(fake)
    const stream = await fake.stream(0)
    stream.write(eventLine('oom', ID, T1).repeat(3))
    stream.write(eventLine('oom', ID, T1) + eventLine('die', ID, T1) + eventLine('oom', ID, T2))
    await eventsUntil(3)
    expect(events.map(({ action, timeNano }) => [action, BigInt(timeNano)])).toEqual([
      ['oom', T1],
      ['die', T1],
      ['oom', T2],
    ])
  })

  it('are told once to a listener that throws as well', async () => {
    const times: string[] = []
    const onEvent = ({ timeNano }: { timeNano: string }) => {
      times.push(timeNano)
      throw new Error('a mistake')
    }
    const { endWait } = await follow(fake, { onEvent })
    fake.emit('oom', ID, T1)
    await endWait(0)
    fake.emit('oom', ID, T2)
    await endWait(1)
    expect(times).toEqual([String(T1), String(T2)])
  })

  it('are known again for a thousand others', async () => {
    const { eventsUntil } = await follow(fake)
    const stream = await fake.stream(0)
    const others = Array.from({ length: 1000 }, (_, index) => eventLine('oom', ID, T2 + BigInt(index)))
    stream.write(eventLine('oom', ID, T1) + others.join('') + eventLine('oom', ID, T1))
    stream.write(others.join('') + eventLine('die', ID, T3))
    expect(await eventsUntil(1002)).toHaveLength(1002)
    // Nobody remembers for ever: a daemon sends again no more than 256.
    const more = Array.from({ length: 2000 }, (_, index) => eventLine('die', ID, T3 + BigInt(index)))
    stream.write(more.join('') + eventLine('oom', ID, T1))
    expect((await eventsUntil(3002)).at(-1)).toMatchObject({ action: 'oom', timeNano: String(T1) })
  })

  it('are read whatever the pieces are that they come in', async () => {
    const { eventsUntil } = await follow(fake)
    const stream = await fake.stream(0)
    const bytes = Buffer.from(eventLine('oom', ID, T1).replace('"y"', '"ü"') + eventLine('die', ID, T2))
    for (const byte of bytes) stream.write(Buffer.of(byte))
    expect(await eventsUntil(2)).toMatchObject([{ action: 'oom' }, { action: 'die' }])
  })

  it('are read after lines that are none', async () => {
    const { eventsUntil, events } = await follow(fake)
    const stream = await fake.stream(0)
    const garbage = ['', '{', 'null', '[]', '7', '"x"', '{"Type":"container"}', '\0\0', '{"Actor":{"ID":7}}']
    stream.write(`${garbage.join('\n')}\n`)
    stream.write(Buffer.of(0xff, 0xfe, 0x0a))
    stream.write(eventLine('oom', '../../x', T1))
    stream.write(eventLine('oom', ID, T1).replace('"container"', '"network"'))
    stream.write(`{"x":"${'y'.repeat(10 * 1024 * 1024)}"}\n`)
    stream.write(eventLine('oom', ID, T2))
    await eventsUntil(1)
    expect(events).toMatchObject([{ timeNano: String(T2) }])
  })

  it('do not take the beginning of a line from one stream and its end from the next', async () => {
    const { eventsUntil, endWait } = await follow(fake)
    const stream = await fake.stream(0)
    stream.write(eventLine('oom', ID, T1).slice(0, 50))
    stream.end()
    await endWait(0)
    const next = await fake.stream(1)
    next.write(eventLine('die', ID, T2))
    expect(await eventsUntil(1)).toMatchObject([{ action: 'die' }])
  })

  it('tell of a new container under the same name, which is found before', async () => {
    const { eventsUntil, told, found } = await follow(fake)
    fake.containers = [fakeContainer(2)]
    fake.emit('start', fakeId(2), T1)
    fake.emit('oom', fakeId(2), T2)
    expect(await eventsUntil(2)).toMatchObject([{ id: fakeId(2) }, { id: fakeId(2) }])
    expect(told).toEqual(['found ollama', 'found ollama', 'start ollama', 'oom ollama'])
    expect(found[1]).toMatchObject([{ id: fakeId(2) }])
  })

  it('cost one look, however many containers start at once', async () => {
    const { eventsUntil } = await follow(fake)
    const looks = () => fake.asked.filter((path) => path === '/containers/json').length
    const before = looks()
    const stream = await fake.stream(0)
    const starts = Array.from({ length: 100 }, (_, index) => eventLine('start', fakeId(100 + index), T1))
    stream.write(starts.join('') + eventLine('oom', ID, T2))
    await eventsUntil(1)
    expect(looks() - before).toBeLessThan(5) // one for each piece in which they arrive
  })

  it('are told of a container that a run no longer found', async () => {
    const { eventsUntil, collect, events } = await follow(fake)
    fake.containers = []
    await collect()
    fake.emit('oom', ID, T1)
    fake.emit('destroy', ID, T2)
    await eventsUntil(2)
    expect(events.map(({ action }) => action)).toEqual(['oom', 'destroy'])
  })

  it('are no longer told of a container that is there and no longer chosen', async () => {
    const { eventsUntil, collect } = await follow(fake)
    fake.containers = [...fake.containers, fakeContainer(2, { name: 'other', labels: { 'ollascope.watch': 'true' } })]
    await collect()
    fake.emit('oom', ID, T1)
    fake.emit('oom', fakeId(2), T2)
    expect(await eventsUntil(1)).toMatchObject([{ name: 'other' }])
  })

  it('are asked for again where the look for a started container failed', async () => {
    const { eventsUntil, endWait, notes, waits } = await follow(fake)
    fake.answer(/json$/, (_request, response) => sendJson(response, 500, { message: 'busy' }))
    fake.containers = [fakeContainer(2)]
    fake.emit('start', fakeId(2), T1)
    await endWait(0)
    await waitFor('the second wait', () => waits.length === 2)
    await waitFor('the end of all streams', () => fake.streams.every(({ isOpen }) => !isOpen()))
    fake.answer(undefined)
    await endWait(1)
    fake.emit('oom', fakeId(2), T2)
    expect(await eventsUntil(2)).toMatchObject([{ action: 'start' }, { action: 'oom' }])
    expect(notes).toEqual([expect.stringContaining('OOM kills may be missed')])
  })

  it('lead to one look at a time, and a run that waits for another ends in time', async () => {
    const { eventsUntil, collector, collect } = await follow(fake)
    let looks = 0
    const release = await new Promise<() => void>((resolve) => {
      fake.answer(/^\/containers\/json/, (_request, response) => {
        looks += 1
        resolve(() => sendJson(response, 200, []))
      })
      fake.emit('oom', ID, T1)
      fake.emit('start', ID, T2)
    })
    await eventsUntil(1)
    const run = new AbortController()
    const collecting = collector.collect(run.signal)
    for (let trip = 0; trip < 20; trip++) await visit(fake.socket)
    run.abort()
    await expect(collecting).rejects.toMatchObject({ reason: 'timeout' })
    expect(looks).toBe(1)
    fake.answer(undefined)
    release()
    await eventsUntil(2)
    expect(await collect()).toHaveProperty(['container_last_seen ollama'])
  })

  it('that a socket proxy forbids are missed, which is said once, and the rest goes on', async () => {
    fake.answer(/^\/events/, (_request, response) => void response.writeHead(403).end('forbidden'))
    const { collect, waits, endWait, notes } = watchDocker(fake.host)
    await collect()
    await endWait(0)
    await endWait(1)
    expect(await collect()).toHaveProperty(['container_last_seen ollama'])
    expect(notes).toEqual([expect.stringContaining('EVENTS=1')])
    expect(waits.slice(0, 2)).toEqual([1500, 2500])
    await waitFor('the third wait', () => waits.length === 3)
    fake.answer(undefined)
    await endWait(2)
    const stream = await fake.stream(0)
    fake.answer(/^\/events/, (_request, response) => void response.writeHead(403).end('forbidden'))
    stream.end()
    await endWait(3)
    await waitFor('the fifth wait', () => waits.length === 5)
    expect(notes).toHaveLength(2) // it was allowed meanwhile
  })

  it('are waited for longer and longer, up to half a minute', async () => {
    const { waits, endWait } = await follow(fake)
    fake.answer(/^\/events/, (request) => void request.socket.destroy())
    ;(await fake.stream(0)).cut()
    for (let failure = 0; failure < 6; failure++) await endWait(failure)
    await waitFor('the seventh wait', () => waits.length === 7)
    expect(waits).toEqual([1500, 2500, 4500, 8500, 15500, 15500, 15500])
    fake.answer(undefined)
    await endWait(6)
    const stream = await fake.stream(1)
    stream.write('\n')
    stream.end()
    expect(await waitFor('the next wait', () => waits[7])).toBe(1500)
  })

  it('need no answer before the first of them, as with Podman, which calls some of them otherwise', async () => {
    fake.answer(/^\/events/, (request, response) => {
      const { searchParams: query } = new URL(request.url ?? '', 'http://podman')
      const write = (bytes: string | Buffer) => void response.write(bytes)
      fake.streams.push({ query, write, end: () => undefined, cut: () => undefined, isOpen: () => true })
    })
    const { collect, eventsUntil } = watchDocker(fake.host)
    await collect()
    const stream = await fake.stream(0)
    expect(await collect()).toHaveProperty(['container_last_seen ollama'])
    const died = eventLine('died', ID, T1).replace(/,"timeNano":\d+}/, '}')
    stream.write(died + eventLine('remove', ID, T2))
    expect(await eventsUntil(2)).toMatchObject([
      { action: 'die', timeNano: '1795240000000000000' },
      { action: 'destroy', timeNano: String(T2) },
    ])
  })

  describe('that are closed', () => {
    afterEach(() => {
      expect(fake.streams.filter(({ isOpen }) => isOpen())).toEqual([])
    })

    it('end while they are followed', async () => {
      const { collector } = await follow(fake)
      const stream = await fake.stream(0)
      collector.close?.()
      await waitFor('its end', () => !stream.isOpen())
    })

    it('end while they are waited for', async () => {
      const { collector, waits } = await follow(fake)
      ;(await fake.stream(0)).cut()
      await waitFor('the wait', () => waits.length === 1)
      collector.close?.()
      await expect(collector.collect(AbortSignal.timeout(20_000))).rejects.toThrow('closed')
      expect(fake.streams).toHaveLength(1)
    })

    it('end while they are asked for', async () => {
      let isOpen = () => false
      fake.answer(/^\/events/, (_request, response) => (isOpen = () => !response.destroyed))
      const { collector, collect, waits } = watchDocker(fake.host)
      await collect()
      await waitFor('the request', isOpen)
      collector.close?.()
      await waitFor('its end', () => !isOpen())
      expect(waits).toEqual([])
    })
  })
})
