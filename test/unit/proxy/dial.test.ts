import { EventEmitter } from 'node:events'
import type { ClientRequest } from 'node:http'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Dial, isIdempotent, type DialFailure, type RetryLimits } from '../../../src/proxy/dial.ts'

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

class FakeRequest extends EventEmitter {
  readonly socket = Object.assign(new EventEmitter(), {
    connecting: true,
    bytesRead: 1000,
    setDefaultEncoding: () => undefined,
  })
  readonly reusedSocket: boolean
  destroyed = false

  constructor(reusedSocket: boolean) {
    super()
    this.reusedSocket = reusedSocket
    this.socket.connecting = !reusedSocket
  }

  assign(): this {
    this.emit('socket', this.socket)
    return this
  }

  connect(): this {
    this.assign()
    if (this.reusedSocket) return this
    this.socket.connecting = false
    this.socket.emit('connect')
    return this
  }

  fail(code: string): void {
    this.emit('error', Object.assign(new Error(code), { code }))
    this.emit('close')
  }

  answer(): void {
    this.socket.bytesRead++
    this.emit('response')
  }

  destroy(): void {
    this.destroyed = true
  }
}

/** A dial whose requests the test plays. @param reused how many of them, the first ones, go over a kept connection */
function createPlayed(limits: Partial<RetryLimits> = {}, reused = 0, maySendAgain = true) {
  const requests: FakeRequest[] = []
  const fresh: boolean[] = []
  const told: string[] = []
  const waiting: ((limits: RetryLimits) => void)[] = []
  let heldUp = false
  const dial = new Dial({
    open(isFresh) {
      fresh.push(isFresh)
      const request = new FakeRequest(requests.length < reused)
      requests.push(request)
      return request as unknown as ClientRequest
    },
    onConnected: () => told.push('connected'),
    onResponse: () => told.push('response'),
    onInformation: () => told.push('information'),
    onFailed: ({ code = '' }: DialFailure) => told.push(code),
    onConnectFailed(again) {
      if (heldUp) waiting.push(again)
      else again({ connect: 0, delayMs: 1000, ...limits })
    },
    maySendAgain: () => maySendAgain,
  })
  dial.start()
  return {
    dial,
    requests,
    fresh,
    told,
    waiting,
    holdUp: () => (heldUp = true),
    last: () => requests.at(-1) ?? new FakeRequest(false),
  }
}

/** Fails every try, and gives how long it was waited before each further one. */
function delaysOf(limits: RetryLimits): number[] {
  const { requests, last } = createPlayed(limits)
  const delays: number[] = []
  for (let tries = 1; tries <= limits.connect; tries++) {
    last().assign().fail('ECONNREFUSED')
    let waited = 0
    for (; requests.length === tries && waited <= 100_000; waited++) vi.advanceTimersByTime(1)
    delays.push(waited)
  }
  return delays
}

describe('a connection that fails', () => {
  it.each([
    ['half of it at the least', 0, [50, 100, 200, 400, 800]],
    ['all of it at the most', 1, [100, 200, 400, 800, 1600]],
    ['something between', 0.5, [75, 150, 300, 600, 1200]],
  ])('is tried again after a delay that doubles: %s', (_title, random, delays) => {
    vi.spyOn(Math, 'random').mockReturnValue(random)
    expect(delaysOf({ connect: 5, delayMs: 100 })).toEqual(delays)
  })

  it('is never waited for longer than a minute', () => {
    vi.spyOn(Math, 'random').mockReturnValue(1)
    expect(delaysOf({ connect: 4, delayMs: 20_000 })).toEqual([20_000, 40_000, 60_000, 60_000])
  })

  it('is told once, with what the last try said, when all tries are used up', () => {
    const { requests, fresh, told, dial } = createPlayed({ connect: 2 })
    for (const code of ['ECONNREFUSED', 'ECONNREFUSED', 'EHOSTUNREACH']) {
      requests.at(-1)?.assign().fail(code)
      vi.runAllTimers()
    }
    expect(fresh).toEqual([false, true, true])
    expect(told).toEqual(['EHOSTUNREACH'])
    expect(dial.retries).toEqual({ connect: ['failure', 'failure'], stale: undefined })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('without retries is told at once, and counts none', () => {
    const { told, last, dial } = createPlayed()
    last().assign().fail('ENOTFOUND')
    expect(told).toEqual(['ENOTFOUND'])
    expect(dial.retries).toEqual({ connect: [], stale: undefined })
  })

  it('and is made in the end counts as one success', () => {
    const { told, last, dial } = createPlayed({ connect: 5 })
    last().assign().fail('ECONNREFUSED')
    vi.runAllTimers()
    last().assign().fail('ECONNREFUSED')
    vi.runAllTimers()
    last().connect().answer()
    expect(told).toEqual(['connected', 'response'])
    expect(dial.retries).toEqual({ connect: ['failure', 'success'], stale: undefined })
  })

  it('is not tried again once it was made', () => {
    const { requests, told, last } = createPlayed({ connect: 5 })
    last().connect().fail('ECONNRESET')
    vi.runAllTimers()
    expect(requests).toHaveLength(1)
    expect(told).toEqual(['connected', 'ECONNRESET'])
  })

  it('by an end without an error is a failure too', () => {
    const { told, last } = createPlayed()
    last().connect().emit('close')
    expect(told).toEqual(['connected', 'ECONNRESET'])
  })

  it('while it may be tried is one that connects, then one that waits', () => {
    const { dial, last } = createPlayed({ connect: 1 })
    expect(dial.connecting).toBe(true)
    last().assign().fail('ECONNREFUSED')
    expect(dial.connecting).toBe(false)
    expect(dial.request).toBeUndefined()
    vi.runAllTimers()
    expect(dial.connecting).toBe(true)
    expect(dial.request).toBe(last())
    last().connect()
    expect(dial.connecting).toBe(false)
  })
})

describe('a connection that takes too long', () => {
  it('is given up, and tried again', () => {
    const { dial, requests, told, last } = createPlayed({ connect: 1 })
    const [first] = requests
    first?.assign()
    dial.giveUpConnecting()
    expect(first?.destroyed).toBe(true)
    first?.fail('ECONNRESET') // what its end looks like
    first?.connect() // it came too late
    expect(told).toEqual([])
    vi.runAllTimers()
    expect(requests).toHaveLength(2)
    last().assign()
    dial.giveUpConnecting()
    expect(told).toEqual(['ETIMEDOUT'])
    expect(dial.retries.connect).toEqual(['failure'])
  })

  it('is not given up when it is there', () => {
    const { dial, told, last } = createPlayed({ connect: 1 })
    last().connect()
    dial.giveUpConnecting()
    expect(last().destroyed).toBe(false)
    expect(told).toEqual(['connected'])
  })
})

describe('a kept connection that was stale', () => {
  it('is replaced by a new one, once', () => {
    const { requests, fresh, told, last, dial } = createPlayed({}, 1)
    last().connect().fail('ECONNRESET')
    expect(fresh).toEqual([false, true])
    last().connect().answer()
    expect(told).toEqual(['connected', 'connected', 'response'])
    expect(dial.retries).toEqual({ connect: [], stale: 'success' })
    expect(requests).toHaveLength(2)
  })

  it.each([1, 2])('is told where the next one fails as well (%i were kept)', (reused) => {
    const { requests, told, last, dial } = createPlayed({ connect: 3 }, reused)
    last().connect().fail('ECONNRESET')
    last().connect().fail('EPIPE')
    vi.runAllTimers()
    expect(requests).toHaveLength(2)
    expect(told).toEqual(['connected', 'connected', 'EPIPE'])
    expect(dial.retries).toEqual({ connect: [], stale: 'failure' })
  })

  it('is told where the request may not be sent again', () => {
    const { requests, told, last, dial } = createPlayed({}, 1, false)
    last().connect().fail('ECONNRESET')
    expect(requests).toHaveLength(1)
    expect(told).toEqual(['connected', 'ECONNRESET'])
    expect(dial.retries.stale).toBeUndefined()
  })

  it('is told where a byte came over it', () => {
    const { requests, told, last } = createPlayed({}, 1)
    last().connect().socket.bytesRead++
    last().fail('ECONNRESET')
    expect(requests).toHaveLength(1)
    expect(told).toEqual(['connected', 'ECONNRESET'])
  })

  it('was never stale where it was new', () => {
    const { requests, last } = createPlayed()
    last().connect().fail('ECONNRESET')
    expect(requests).toHaveLength(1)
  })

  it('may need tries of connecting of its own', () => {
    const { told, last, dial } = createPlayed({ connect: 1 }, 1)
    last().connect().fail('ECONNRESET')
    last().assign().fail('ECONNREFUSED')
    vi.runAllTimers()
    last().connect().answer()
    expect(told).toEqual(['connected', 'connected', 'response'])
    expect(dial.retries).toEqual({ connect: ['success'], stale: 'success' })
  })
})

describe('a dial that nobody wants any more', () => {
  it('does not try again, and tells nothing', () => {
    const { dial, requests, told, last } = createPlayed({ connect: 5 })
    last().assign().fail('ECONNREFUSED')
    dial.destroy()
    vi.runAllTimers()
    expect(requests).toHaveLength(1)
    expect(told).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('does not try again where it is told only then how often it may', () => {
    const { dial, requests, told, last, waiting, holdUp } = createPlayed()
    holdUp()
    last().assign().fail('ECONNREFUSED')
    dial.destroy()
    for (const again of waiting) again({ connect: 5, delayMs: 0 })
    vi.runAllTimers()
    expect(waiting).toHaveLength(1)
    expect(requests).toHaveLength(1)
    expect(told).toEqual([])
  })

  it.each([
    ['that connects', (request: FakeRequest) => request.assign()],
    ['that is connected', (request: FakeRequest) => request.connect()],
  ])('ends the request %s', (_title, begin) => {
    const { dial, told, last } = createPlayed({ connect: 5 })
    begin(last())
    const before = told.length
    dial.destroy()
    expect(last().destroyed).toBe(true)
    last().connect()
    last().fail('ECONNRESET')
    vi.runAllTimers()
    expect(told).toHaveLength(before)
    expect(dial.connecting).toBe(false)
  })
})

it('nothing is told behind a response', () => {
  const { told, last } = createPlayed({ connect: 5 })
  last().connect().answer()
  last().fail('ECONNRESET')
  vi.runAllTimers()
  expect(told).toEqual(['connected', 'response'])
})

it.each([
  [true, ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']],
  [false, ['POST', 'PATCH', 'CONNECT', 'COPY', '', 'get']],
])('may arrive twice: %s', (may, methods) => {
  expect(methods.map(isIdempotent)).toEqual(methods.map(() => may))
})
