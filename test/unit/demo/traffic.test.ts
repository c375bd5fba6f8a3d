import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'

import { createRandom, drawScene, trafficMix, type Scene } from '../../../src/demo/traffic-mix.ts'
import { createTraffic, pauseBeforeNext, type TrafficResult } from '../../../src/demo/traffic.ts'

// Nothing listens on port 1 of loopback.
const url = 'http://127.0.0.1:1'
const scene = { name: 'one', weight: 1, method: 'GET', path: '/' } as const

function result(outcome: TrafficResult['outcome'], status?: number): TrafficResult {
  return { scene: 'one', outcome, status, bytes: 0, error: undefined }
}

describe('the mix', () => {
  it('is the same for the same seed, and another for another', () => {
    const draw = (seed: number) => {
      const random = createRandom(seed)
      return Array.from({ length: 50 }, () => drawScene(trafficMix, random()).name)
    }
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
  })

  it('draws by weight, and every scene sometimes', () => {
    const random = createRandom(1)
    const drawn = Map.groupBy(
      Array.from({ length: 20_000 }, () => drawScene(trafficMix, random())),
      ({ name }) => name,
    )
    const total = trafficMix.reduce((sum, { weight }) => sum + weight, 0)
    for (const { name, weight } of trafficMix) {
      const share = (drawn.get(name)?.length ?? 0) / 20_000
      expect(share / (weight / total)).toBeGreaterThan(0.7)
      expect(share / (weight / total)).toBeLessThan(1.3)
    }
    expect(new Set(trafficMix.map(({ name }) => name)).size).toBe(trafficMix.length)
  })

  it('has nothing to draw from nothing', () => {
    expect(() => drawScene([], 0.5)).toThrow('no scene')
  })
})

describe('pauseBeforeNext', () => {
  it('is 1/rate on average, and bounded', () => {
    const random = createRandom(3)
    const pauses = Array.from({ length: 20_000 }, () => pauseBeforeNext(4, 0, random()))
    const mean = pauses.reduce((sum, pause) => sum + pause, 0) / pauses.length
    expect(mean).toBeGreaterThan(240)
    expect(mean).toBeLessThan(260)
    expect(pauseBeforeNext(4, 0, 1 - 1e-12)).toBe(2500)
  })

  it('doubles with each failure in a row, up to 5 seconds', () => {
    expect([1, 2, 3, 4].map((failures) => pauseBeforeNext(2, failures, 0))).toEqual([1000, 2000, 4000, 5000])
    expect(pauseBeforeNext(2, 100, 0.5)).toBe(5000)
  })
})

describe('createTraffic', () => {
  describe('by a clock of its own', () => {
    beforeEach(() => void vi.useFakeTimers())
    afterEach(() => void vi.useRealTimers())

    it('sends no more at once than it may', async () => {
      const gate = Promise.withResolvers<TrafficResult>()
      const send = vi.fn(() => gate.promise)
      const onResult = vi.fn()
      const traffic = createTraffic({ url, rate: 10, concurrency: 3, scenes: [scene], send, onResult })
      traffic.start()
      traffic.start()
      await vi.advanceTimersByTimeAsync(60_000)
      expect(send).toHaveBeenCalledTimes(3)
      const stopped = traffic.stop()
      expect(onResult).not.toHaveBeenCalled()
      gate.resolve(result('answered', 200))
      await stopped
      expect(onResult).toHaveBeenCalledTimes(3)
      expect(vi.getTimerCount()).toBe(0)
    })

    it('asks seldom where nobody answers, and as before when somebody does again', async () => {
      let answer = result('failed')
      const send = vi.fn(() => Promise.resolve(answer))
      const traffic = createTraffic({ url, rate: 10, scenes: [scene], send })
      traffic.start()
      await vi.advanceTimersByTimeAsync(600_000)
      const whileDown = send.mock.calls.length
      expect(whileDown).toBeGreaterThan(115)
      expect(whileDown).toBeLessThan(135)
      answer = result('answered', 200)
      await vi.advanceTimersByTimeAsync(60_000)
      expect(send.mock.calls.length - whileDown).toBeGreaterThan(500)
      await traffic.stop()
    })

    it('does not hold back for an answer that broke off', async () => {
      const send = vi.fn(() => Promise.resolve(result('failed', 200)))
      const traffic = createTraffic({ url, rate: 10, scenes: [scene], send })
      traffic.start()
      await vi.advanceTimersByTimeAsync(60_000)
      expect(send.mock.calls.length).toBeGreaterThan(500)
      await traffic.stop()
    })
  })

  it('asks the same in the same order for the same seed, however busy its clients are', async () => {
    const play = async (seed: number, concurrency: number) => {
      const sent: string[] = []
      const enough = Promise.withResolvers<undefined>()
      const send = async ({ name }: Scene) => {
        sent.push(name)
        if (sent.length === 30) enough.resolve(undefined)
        await new Promise((resolve) => setImmediate(resolve))
        return result('answered', 200)
      }
      const traffic = createTraffic({ url, rate: 1000, seed, concurrency, send })
      traffic.start()
      await enough.promise
      await traffic.stop()
      return sent.slice(0, 30)
    }
    expect(await play(7, 1)).toEqual(await play(7, 8))
    expect(await play(7, 8)).not.toEqual(await play(8, 8))
  })

  it('tells those under way to leave when it stops', async () => {
    const asked = Promise.withResolvers<AbortSignal>()
    const traffic = createTraffic({
      url,
      rate: 1000,
      scenes: [scene],
      send: (_scene, { signal }) =>
        new Promise((resolve) => {
          asked.resolve(signal)
          signal.addEventListener('abort', () => resolve(result('left')))
        }),
    })
    traffic.start()
    const signal = await asked.promise
    await traffic.stop()
    expect(signal.aborted).toBe(true)
  })

  it('goes on when nobody answers, and starts again after a stop', async () => {
    const outcomes: TrafficResult[] = []
    let wake = Promise.withResolvers<undefined>()
    const traffic = createTraffic({
      url,
      rate: 1000,
      scenes: [scene],
      onResult: (one) => {
        outcomes.push(one)
        if (outcomes.length % 3 === 0) wake.resolve(undefined)
      },
    })
    onTestFinished(() => traffic.stop())
    traffic.start()
    await wake.promise
    await traffic.stop()
    wake = Promise.withResolvers()
    traffic.start()
    await wake.promise
    await traffic.stop()
    expect(outcomes[0]).toEqual({ scene: 'one', outcome: 'failed', status: undefined, bytes: 0, error: 'ECONNREFUSED' })
  })
})
