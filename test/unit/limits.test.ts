import { describe, expect, it } from 'vitest'
import type { Config } from '../../src/config.ts'
import { createLimits } from '../../src/limits.ts'

type Own = Config['models'] extends ReadonlyMap<string, infer T> ? T : never

const timeouts = { connectMs: 5000, firstByteMs: 1_800_000, idleMs: 600_000, requestMs: undefined }
const retries = { connect: 2, delayMs: 1000 }

function limitsFor(models: Record<string, Own>, requestMs?: number) {
  return createLimits({ timeouts: { ...timeouts, requestMs }, retries, models: new Map(Object.entries(models)) })
}

describe('the limits of a model', () => {
  it.each([undefined, 'other:latest', 'own'])('are those of all where it has none of its own: %s', (model) => {
    expect(limitsFor({ 'own:latest': { idleMs: 1 } }).of(model)).toEqual({ time: timeouts, retries })
  })

  it.each<[keyof Own, object]>([
    ['firstByteMs', { time: { ...timeouts, firstByteMs: 7 }, retries }],
    ['idleMs', { time: { ...timeouts, idleMs: 7 }, retries }],
    ['connectRetries', { time: timeouts, retries: { ...retries, connect: 7 } }],
    ['retryDelayMs', { time: timeouts, retries: { ...retries, delayMs: 7 } }],
  ])('replace one by one: %s', (key, expected) => {
    expect(limitsFor({ 'own:latest': { [key]: 7 } }).of('own:latest')).toEqual(expected)
  })

  it('may be nothing at all: no retries, no delay', () => {
    const { of } = limitsFor({ 'own:latest': { connectRetries: 0, retryDelayMs: 0 } })
    expect(of('own:latest').retries).toEqual({ connect: 0, delayMs: 0 })
  })
})

describe('retries by model', () => {
  it.each<[boolean, Own]>([
    [false, {}],
    [false, { idleMs: 7, firstByteMs: 7 }],
    [false, { connectRetries: 2, retryDelayMs: 1000 }],
    [true, { connectRetries: 0 }],
    [true, { connectRetries: 3 }],
    [true, { retryDelayMs: 7 }],
  ])('there are (%s) with %j', (there, own) => {
    expect(limitsFor({ 'own:latest': own, 'other:latest': {} }).retriesByModel).toBe(there)
  })
})

describe('the shortest time', () => {
  it('is looked for everywhere', () => {
    expect(limitsFor({}).shortestMs).toBe(5000)
    expect(limitsFor({}, 300).shortestMs).toBe(300)
    expect(limitsFor({ a: {}, b: { idleMs: 40 } }, 300).shortestMs).toBe(40)
    expect(limitsFor({ a: { firstByteMs: 30 }, b: { idleMs: 40 } }).shortestMs).toBe(30)
    expect(limitsFor({ a: { retryDelayMs: 1 } }).shortestMs).toBe(5000)
  })
})
