import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createPoller, type Poller } from '../../../src/upstream/poller.ts'

interface Question {
  readonly path: string
  readonly signal: AbortSignal
  readonly answer: (json: unknown) => Promise<void>
  readonly fail: (reason: unknown) => Promise<void>
}

const INTERVAL = 10_000
const tags = (...names: string[]) => ({ models: names.map((name) => ({ name, digest: 'd' })) })

/** A poller whose questions wait for the test to answer them. */
function createAsked() {
  const questions: Question[] = []
  const listed: string[][] = []
  const loaded: (readonly string[] | undefined)[] = []
  let changes = 0
  let awaits = false
  const poller: Poller = createPoller({
    intervalMs: INTERVAL,
    getJson(path, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      const settled = () => vi.advanceTimersByTimeAsync(0)
      questions.push({
        path,
        signal,
        answer: (json) => (resolve(json), settled().then(() => undefined)),
        fail: (reason) => (reject(reason), settled().then(() => undefined)),
      })
      return promise
    },
    onLoaded(models, changed) {
      loaded.push(models?.map(({ name }) => name))
      if (changed) changes++
    },
    awaitsLoad: () => awaits,
    onInstalled: (models) => listed.push(models.map(({ name }) => name)),
  })
  const asked = (path: string) => questions.filter((question) => question.path === path)
  return {
    poller,
    listed,
    loaded,
    await: (value: boolean) => void (awaits = value),
    changes: () => changes,
    ps: () => asked('/api/ps'),
    tags: () => asked('/api/tags'),
    last: (path: '/api/ps' | '/api/tags') => asked(path).at(-1) ?? expect.fail(`no question for ${path}`),
    rounds: (count: number) => vi.advanceTimersByTimeAsync(count * INTERVAL),
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('createPoller', () => {
  it('asks nothing before it is started, and both at once then', () => {
    const { poller, ps, tags } = createAsked()
    expect([ps().length, tags().length]).toEqual([0, 0])
    expect(poller.state()).toEqual({ installed: undefined, loaded: undefined })
    poller.start()
    expect([ps().length, tags().length]).toEqual([1, 1])
    expect(poller.state()).toEqual({ installed: undefined, loaded: undefined })
    poller.stop()
  })

  it('tells what it was answered', async () => {
    const { poller, listed, last } = createAsked()
    poller.start()
    await last('/api/ps').answer({ models: [{ name: 'a', size: 5, size_vram: 5 }] })
    await last('/api/tags').answer(tags('a', 'b'))
    const { loaded, installed } = poller.state()
    expect(loaded).toMatchObject({ value: [{ name: 'a', sizeBytes: 5 }], failure: undefined })
    expect(installed).toMatchObject({ value: [{ name: 'a' }, { name: 'b' }], failure: undefined })
    expect(listed).toEqual([['a', 'b']])
    poller.stop()
  })

  it('has one attempt for each question in flight', async () => {
    const { poller, ps, tags: asked, last, rounds } = createAsked()
    poller.start()
    await rounds(4)
    expect([ps().length, asked().length]).toEqual([1, 1])
    await last('/api/ps').answer({ models: [] })
    await rounds(1)
    expect([ps().length, asked().length]).toEqual([2, 1])
    poller.stop()
  })

  it('a slow /api/ps does not hold up /api/tags', async () => {
    const { poller, ps, tags: asked, last, rounds } = createAsked()
    poller.start()
    await last('/api/tags').answer(tags('a'))
    await rounds(3)
    expect([ps().length, asked().length]).toEqual([1, 2])
    await last('/api/tags').answer(tags('b'))
    expect(poller.state()).toMatchObject({ installed: { value: [{ name: 'b' }] } })
    expect(poller.state().loaded).toBeUndefined()
    poller.stop()
  })

  it('asks for /api/tags seldom while it is answered', async () => {
    const { poller, ps, tags: asked, last, rounds } = createAsked()
    poller.start()
    const counts: number[] = []
    for (let round = 0; round < 7; round++) {
      await last('/api/ps').answer({ models: [] })
      if (asked().length > (counts.at(-1) ?? 0)) await last('/api/tags').answer(tags('a'))
      counts.push(asked().length)
      await rounds(1)
    }
    expect(counts).toEqual([1, 1, 1, 2, 2, 2, 3])
    expect(ps()).toHaveLength(8)
    poller.stop()
  })

  it('asks for /api/tags each second while it is not answered', async () => {
    const { poller, ps, tags: asked, last } = createAsked()
    poller.start()
    for (let second = 0; second < 5; second++) {
      await last('/api/tags').fail(new Error('gone'))
      expect(asked()).toHaveLength(second + 1)
      await vi.advanceTimersByTimeAsync(1000)
    }
    expect(asked()).toHaveLength(6)
    expect(ps()).toHaveLength(1)
    poller.stop()
  })

  it('keeps both answers, whichever comes first', async () => {
    for (const order of [['/api/ps', '/api/tags'] as const, ['/api/tags', '/api/ps'] as const]) {
      const { poller, last } = createAsked()
      poller.start()
      for (const path of order) await last(path).answer(tags('a'))
      expect(poller.state(), order.join()).toMatchObject({
        installed: { value: [{ name: 'a' }] },
        loaded: { value: [{ name: 'a' }] },
      })
      poller.stop()
    }
  })

  it.each([
    ['an error', new Error('connection refused'), 'connection refused'],
    ['something else', 'odd', 'odd'],
  ])('keeps the last answer where the next is %s', async (_what, reason, failure) => {
    const { poller, listed, last, rounds } = createAsked()
    poller.start()
    await last('/api/ps').answer({ models: [{ name: 'a' }] })
    await last('/api/tags').answer(tags('a'))
    await rounds(3)
    await last('/api/ps').fail(reason)
    await last('/api/tags').fail(reason)
    expect(poller.state()).toMatchObject({
      loaded: { value: [{ name: 'a' }], failure },
      installed: { value: [{ name: 'a' }], failure },
    })
    expect(listed).toEqual([['a']])
    await rounds(1)
    await last('/api/ps').answer({ models: [] })
    await last('/api/tags').answer(tags())
    expect(poller.state()).toEqual({
      loaded: { value: [], failure: undefined },
      installed: { value: [], failure: undefined },
    })
    poller.stop()
  })

  it('says where an answer is not one of Ollama’s', async () => {
    const { poller, listed, last } = createAsked()
    poller.start()
    await last('/api/ps').answer([])
    await last('/api/tags').answer('<html>')
    expect(poller.state()).toEqual({
      loaded: { value: undefined, failure: "the answer to /api/ps is not Ollama's" },
      installed: { value: undefined, failure: "the answer to /api/tags is not Ollama's" },
    })
    expect(listed).toEqual([])
    poller.stop()
  })

  it('ends with what is in flight', async () => {
    const { poller, ps, last, rounds } = createAsked()
    poller.start()
    expect(last('/api/ps').signal.aborted).toBe(false)
    poller.stop()
    expect(last('/api/ps').signal.aborted).toBe(true)
    expect(last('/api/tags').signal.aborted).toBe(true)
    await rounds(9)
    expect(ps()).toHaveLength(1)
  })
})

describe('a change of the loaded models', () => {
  it('is told, and an answer that says the same is not', async () => {
    const { poller, ps, last, rounds, changes } = createAsked()
    const loaded = (...names: string[]) => ({ models: names.map((name) => ({ name, digest: 'd', size: 1 })) })
    poller.start()
    await last('/api/ps').answer(loaded('a'))
    expect(changes()).toBe(1)
    await rounds(1)
    await last('/api/ps').answer(loaded('a'))
    expect(changes()).toBe(1)
    await rounds(1)
    await last('/api/ps').answer(loaded('a', 'b'))
    expect(changes()).toBe(2)
    await rounds(1)
    await last('/api/ps').fail(new Error('gone'))
    expect(changes()).toBe(2)
    expect(ps()).toHaveLength(4)
    poller.stop()
  })
})

describe('what somebody waits for', () => {
  it('is asked for soon, once for many who wake it', async () => {
    const { poller, ps, last } = createAsked()
    poller.start()
    poller.wake()
    await last('/api/ps').answer({ models: [] })
    for (let i = 0; i < 50; i++) poller.wake()
    await vi.advanceTimersByTimeAsync(99)
    poller.wake() // puts nothing off
    expect(ps()).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(ps()).toHaveLength(2)
    poller.wake() // the question is out: nothing to do
    await vi.advanceTimersByTimeAsync(5000)
    expect(ps()).toHaveLength(2)
    poller.stop()
  })

  it('is asked for each second until it is there', async () => {
    const asked = createAsked()
    asked.await(true)
    asked.poller.start()
    for (let second = 1; second <= 5; second++) {
      await asked.last('/api/ps').answer({ models: [] })
      await vi.advanceTimersByTimeAsync(1000)
      expect(asked.ps()).toHaveLength(second + 1)
    }
    asked.await(false)
    await asked.last('/api/ps').answer({ models: [{ name: 'a' }] })
    await vi.advanceTimersByTimeAsync(INTERVAL - 1)
    expect(asked.ps()).toHaveLength(6)
    expect(asked.loaded).toEqual([[], [], [], [], [], ['a']])
    asked.poller.stop()
  })

  it('is told as unknown where the question fails', async () => {
    const { poller, loaded, last, changes } = createAsked()
    poller.start()
    await last('/api/ps').answer({ models: [{ name: 'a' }] })
    await vi.advanceTimersByTimeAsync(INTERVAL)
    await last('/api/ps').fail(new Error('gone'))
    expect(loaded).toEqual([['a'], undefined])
    expect(changes()).toBe(1)
    poller.stop()
  })

  it('wakes nothing that was stopped', async () => {
    const { poller, ps, last } = createAsked()
    poller.start()
    await last('/api/ps').answer({ models: [] })
    poller.stop()
    poller.wake()
    await vi.advanceTimersByTimeAsync(5000)
    expect(ps()).toHaveLength(1)
  })
})
