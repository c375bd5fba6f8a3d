import type { ClientRequest, IncomingMessage } from 'node:http'
import { PassThrough, Writable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Upload } from '../../../src/proxy/upload.ts'

const KIB = 1024

class FakeUpstream extends Writable {
  readonly got: Buffer[] = []
  readonly trailers: unknown[] = []
  flushes = 0
  ends = 0
  #take: (() => void) | undefined
  readonly #takes: boolean

  /** @param takes at once, or only when the test says so */
  constructor(takes = true) {
    super({ highWaterMark: 16 * KIB })
    this.#takes = takes
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.got.push(bytes)
    if (this.#takes) done()
    else this.#take = done
  }

  override _final(done: () => void): void {
    this.ends++
    done()
  }

  flushHeaders(): void {
    this.flushes++
  }

  addTrailers(pairs: unknown): void {
    this.trailers.push(pairs)
  }

  take(): void {
    const take = this.#take
    this.#take = undefined
    take?.()
  }

  get text(): string {
    return Buffer.concat(this.got).toString()
  }

  get request(): ClientRequest {
    return this as unknown as ClientRequest
  }
}

/** An upload whose client the test plays. */
function createPlayed(headers: Record<string, string> = { 'transfer-encoding': 'chunked' }) {
  const client = Object.assign(new PassThrough({ highWaterMark: 1024 * KIB }), { headers, rawTrailers: [] as string[] })
  const told = { bytes: 0, taken: 0, ends: 0 }
  const upload = new Upload(client as unknown as IncomingMessage, new Set(['x-secret']), {
    onBytes: ({ length }) => (told.bytes += length),
    onTaken: () => told.taken++,
    onEnd: () => told.ends++,
  })
  const done: boolean[] = []
  return {
    upload,
    client,
    told,
    done,
    hold: (maxBytes: number) => upload.hold(maxBytes, (whole) => done.push(whole)),
    sends: (text: string) => {
      client.write(text)
      return nextTurn()
    },
    ends: () => {
      client.end()
      return nextTurn()
    },
  }
}

describe('a body that is held', () => {
  it('is told when it is whole, and goes on as it came', async () => {
    const { upload, told, done, hold, sends, ends } = createPlayed()
    hold(100)
    expect(upload.holding).toBe(true)
    await sends('one')
    await sends('two')
    expect(done).toEqual([])
    await ends()
    expect(done).toEqual([true])
    expect(upload.holding).toBe(false)
    expect(Buffer.concat(upload.held).toString()).toBe('onetwo')
    const upstream = new FakeUpstream()
    upload.sendTo(upstream.request, false)
    await nextTurn()
    expect([upstream.text, upstream.ends]).toEqual(['onetwo', 1])
    expect(told).toEqual({ bytes: 6, taken: 0, ends: 1 })
  })

  it('is told to be too large, once, and goes on whole', async () => {
    const { upload, client, done, hold, sends, ends } = createPlayed()
    hold(5)
    await sends('12345')
    expect(done).toEqual([])
    await sends('6')
    expect(done).toEqual([false])
    expect(client.isPaused()).toBe(true)
    expect(upload.ended).toBe(false)
    await sends('789')
    const upstream = new FakeUpstream()
    upload.sendTo(upstream.request, false)
    await sends('0')
    await ends()
    expect([upstream.text, upstream.ends]).toEqual(['1234567890', 1])
    expect(done).toEqual([false])
  })

  it('may be held again for the next try', async () => {
    const { upload, done, hold, sends, ends } = createPlayed()
    hold(100)
    await sends('body')
    await ends()
    hold(100)
    expect(done).toEqual([true, true])
    expect(Buffer.concat(upload.held).toString()).toBe('body')
  })

  it('is none where there is no body', () => {
    const { upload, done, hold } = createPlayed({})
    hold(100)
    expect(done).toEqual([true])
    expect([upload.hasBody, upload.ended]).toEqual([false, true])
  })

  it('no longer waits for an Expect: the client was asked', () => {
    const { upload, hold } = createPlayed()
    expect([...upload.withheld]).toEqual(['x-secret'])
    hold(100)
    expect([...upload.withheld].sort()).toEqual(['expect', 'x-secret'])
  })
})

describe('a body that is sent', () => {
  it('leaves as it comes, and its end behind it', async () => {
    const { upload, sends, ends } = createPlayed()
    const upstream = new FakeUpstream()
    upload.sendTo(upstream.request, false)
    await sends('one')
    expect([upstream.text, upstream.ends, upload.ended]).toEqual(['one', 0, false])
    await sends('two')
    await ends()
    expect([upstream.text, upstream.ends, upload.ended]).toEqual(['onetwo', 1, true])
  })

  it('lets the head go alone where nothing of it is there', async () => {
    const { upload, sends } = createPlayed()
    const [alone, together] = [new FakeUpstream(), new FakeUpstream()]
    upload.sendTo(alone.request, false)
    await nextTurn()
    await nextTurn()
    expect(alone.flushes).toBe(1)
    const other = createPlayed()
    other.hold(100)
    await other.sends('here')
    other.upload.sendTo(together.request, false)
    await nextTurn()
    await nextTurn()
    expect(together.flushes).toBe(0)
    await sends('late')
    expect(alone.text).toBe('late')
  })

  it('is read no faster than it is taken', async () => {
    const { upload, client, told, sends } = createPlayed()
    const upstream = new FakeUpstream(false)
    upload.sendTo(upstream.request, false)
    await sends('x'.repeat(32 * KIB))
    expect(upload.blocked).toBe(true)
    expect(told.taken).toBe(0)
    await sends('y')
    expect(told.bytes).toBe(32 * KIB)
    upstream.take()
    await nextTurn()
    expect(upload.blocked).toBe(false)
    expect(client.isPaused()).toBe(false)
    expect(told).toMatchObject({ bytes: 32 * KIB + 1, taken: 1 })
  })

  it('takes its trailers along, but for those that stay behind', async () => {
    const { upload, client, ends } = createPlayed()
    const upstream = new FakeUpstream()
    upload.sendTo(upstream.request, false)
    client.rawTrailers.push('X-Sum', '1', 'X-Secret', '2')
    await ends()
    expect(upstream.trailers).toEqual([[['X-Sum', '1']]])
  })
})

describe('a body that is taken back', () => {
  /** Sends the parts, lets the upstream fail, and gives what a second one gets. */
  async function again(mayArriveTwice: boolean, keep: boolean, before: readonly string[], end: boolean) {
    const played = createPlayed()
    const [stale, fresh] = [new FakeUpstream(), new FakeUpstream()]
    played.upload.sendTo(stale.request, keep)
    for (const text of before) await played.sends(text)
    if (end) await played.ends()
    stale.destroy()
    if (!played.upload.takeBack(mayArriveTwice)) return undefined
    if (!end) await played.sends('between;')
    played.upload.sendTo(fresh.request, false)
    if (!end) {
      await played.sends('after')
      await played.ends()
    }
    await nextTurn()
    expect(fresh.ends).toBe(1)
    expect(played.told.bytes).toBe(fresh.text.length) // told once, however often it is sent
    expect(played.told.ends).toBe(1)
    return fresh.text
  }

  it.each([
    ['whole', ['one;', 'two;'], true, 'one;two;'],
    ['in part', ['one;', 'two;'], false, 'one;two;between;after'],
    ['not at all', [], false, 'between;after'],
    ['whole, and was empty', [], true, ''],
    ['as much as is kept', ['x'.repeat(64 * KIB)], true, 'x'.repeat(64 * KIB)],
  ])('was sent (%s) and may be sent twice', async (_title, before, end, text) => {
    expect(await again(true, true, before, end)).toBe(text)
  })

  it('may be sent again, whatever the method, where nothing of it was sent', async () => {
    expect(await again(false, false, [], false)).toBe('between;after')
  })

  it.each([
    ['has begun, and may not arrive twice', false, true, ['one'], false],
    ['was sent whole, and may not arrive twice', false, true, ['one'], true],
    ['was sent whole, was empty, and may not arrive twice', false, false, [], true],
    ['is too large to be kept', true, true, ['x'.repeat(64 * KIB), 'y'], false],
    ['was not kept', true, false, ['one'], false],
  ])('may not be sent again where it %s', async (_title, mayArriveTwice, keep, before, end) => {
    expect(await again(mayArriveTwice, keep, before, end)).toBeUndefined()
  })

  it('may not be sent again where some of it came when nobody took it', async () => {
    const { upload, sends } = createPlayed()
    const stale = new FakeUpstream()
    upload.sendTo(stale.request, true)
    await sends('one')
    stale.destroy()
    await sends('lost')
    expect(upload.takeBack(true)).toBe(false)
  })

  it.each([true, false])('is nothing where there is no body: %s', (may) => {
    expect(createPlayed({}).upload.takeBack(may)).toBe(may)
  })

  it('is held until the next one takes it, without reading on', async () => {
    const { upload, client, sends } = createPlayed()
    const stale = new FakeUpstream()
    upload.sendTo(stale.request, true)
    await sends('one')
    stale.destroy()
    upload.takeBack(true)
    await sends('two')
    expect(client.isPaused()).toBe(true)
    expect(Buffer.concat(upload.held).toString()).toBe('onetwo')
  })
})
