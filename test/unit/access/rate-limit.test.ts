import { describe, expect, it } from 'vitest'
import { createRateLimit } from '../../../src/access/rate-limit.ts'
import { createRandom } from '../../helpers/random.ts'

const MINUTE = 60_000

function createLimit(perMinute: number) {
  const clock = { ms: 5_000 }
  return { clock, secondsToWait: createRateLimit(perMinute, () => clock.ms) }
}

describe('the rate limit', () => {
  it('admits as many as it says, and the next one a minute after the first', () => {
    const { clock, secondsToWait } = createLimit(3)
    const answers = Array.from({ length: 5 }, () => {
      const seconds = secondsToWait('a')
      clock.ms += 2_000
      return seconds
    })
    expect(answers).toEqual([undefined, undefined, undefined, 54, 52])
    clock.ms = 5_000 + MINUTE - 1
    expect(secondsToWait('a')).toBe(1)
    clock.ms = 5_000 + MINUTE
    expect(secondsToWait('a')).toBeUndefined()
    expect(secondsToWait('a')).toBe(2)
  })

  it('holds for each client', () => {
    const { secondsToWait } = createLimit(1)
    expect(['a', 'b', 'a', 'b', ''].map(secondsToWait)).toEqual([undefined, undefined, 60, 60, undefined])
  })

  it('does not count what it denies', () => {
    const { clock, secondsToWait } = createLimit(2)
    secondsToWait('a')
    secondsToWait('a')
    for (let i = 0; i < 599; i++) {
      clock.ms += 100
      expect(secondsToWait('a')).toBeGreaterThan(0)
    }
    clock.ms += 100
    expect([secondsToWait('a'), secondsToWait('a')]).toEqual([undefined, undefined])
    expect(secondsToWait('a')).toBe(60)
  })

  it.each([1, 2, 7, 60, 100])('of %i is kept in every minute, and no stricter by more than a second', (perMinute) => {
    const random = createRandom(perMinute)
    const { clock, secondsToWait } = createLimit(perMinute)
    const admitted = new Map<string, number[]>()
    const since = (client: string, ms: number) => (admitted.get(client) ?? []).filter((at) => at > clock.ms - ms).length
    let denials = 0
    for (let i = 0; i < 5_000; i++) {
      if (random.chance(10 / perMinute))
        clock.ms += random.pick([0, 0.25, 1, 3, 40, 400, 700, 999, 1_000, 1_001, random.below(4_000)])
      if (random.chance(0.002)) clock.ms += random.pick([MINUTE - 1, MINUTE, MINUTE + 1])
      const client = random.pick(['a', 'b'])
      let seconds = secondsToWait(client)
      if (seconds !== undefined) {
        denials++
        expect(since(client, MINUTE + 1_000)).toBeGreaterThanOrEqual(perMinute)
        expect(seconds).toBeGreaterThanOrEqual(1)
        expect(seconds).toBeLessThanOrEqual(60)
        if (random.chance(0.7)) continue
        // A second less is too early, and the seconds that it says are enough.
        clock.ms += (seconds - 1) * 1000
        expect(secondsToWait(client)).toBe(1)
        clock.ms += 1000
        seconds = secondsToWait(client)
        expect(seconds).toBeUndefined()
      }
      admitted.set(client, [...(admitted.get(client) ?? []).slice(-perMinute), clock.ms])
      expect(since(client, MINUTE)).toBeLessThanOrEqual(perMinute)
    }
    expect(denials).toBeGreaterThan(100)
  })

  it('keeps 10,000 clients, and forgets the one that was not seen for longest', () => {
    const { secondsToWait } = createLimit(1)
    for (let i = 0; i < 10_000; i++) expect(secondsToWait(`client-${i}`)).toBeUndefined()
    expect(secondsToWait('client-0')).toBe(60) // seen again: the second one is the oldest now
    expect(secondsToWait('one-more')).toBeUndefined()
    expect(secondsToWait('client-0')).toBe(60)
    expect(secondsToWait('client-2')).toBe(60)
    expect(secondsToWait('client-9999')).toBe(60)
    expect(secondsToWait('client-1')).toBeUndefined()
    expect(secondsToWait('client-3')).toBeUndefined() // it had to make room for the one before
  })
})
