import { describe, expect, test } from 'vitest'
import type { Generation } from '../../../src/bench/generate.ts'
import { makePrompt } from '../../../src/bench/prompt.ts'
import { quantile, summarize } from '../../../src/bench/summary.ts'

const done = (
  ttftSeconds: number | undefined,
  usage: Generation['usage'],
  totalSeconds = 2,
): { generation: Generation } => ({
  generation: { ttftSeconds, totalSeconds, usage },
})

describe('summarize', () => {
  test('takes the median rate, the quantiles, the longest load, and counts errors', () => {
    const summary = summarize(
      [
        done(0.1, { outputTokens: 100, evalSeconds: 2, loadSeconds: 0.001, inputTokens: 9 }),
        { error: 'gone' },
        done(3, { outputTokens: 100, evalSeconds: 4, loadSeconds: 2.5, inputTokens: 11 }, 9),
        done(0.2, { outputTokens: 100, evalSeconds: 1, loadSeconds: 0.001, inputTokens: 10 }),
        { error: 'gone' },
      ],
      10,
    )
    expect(summary).toEqual({
      requests: 5,
      succeeded: 3,
      errors: { gone: 2 },
      tokensPerSecond: 50,
      totalTokensPerSecond: 30,
      ttftSeconds: { p50: 0.2, p95: 3 },
      requestSeconds: { p50: 2, p95: 9 },
      loadSeconds: 2.5,
      promptTokens: 10,
      outputTokens: 300,
    })
  })

  test('what no answer tells is unknown, not 0: one token is no rate', () => {
    const summary = summarize([done(undefined, { outputTokens: 1, evalSeconds: 0.001 })], 1)
    expect(summary).toMatchObject({ tokensPerSecond: undefined, ttftSeconds: undefined, loadSeconds: undefined })
  })

  test('of nothing', () => {
    expect(summarize([], 0)).toMatchObject({
      requests: 0,
      succeeded: 0,
      totalTokensPerSecond: 0,
      requestSeconds: undefined,
    })
  })
})

describe('quantile', () => {
  test.each([
    [[5], 0.95, 5],
    [[3, 1, 2], 0.5, 2],
    [[4, 1, 3, 2], 0.5, 2],
    [Array.from({ length: 20 }, (_, index) => index + 1), 0.95, 19],
    [Array.from({ length: 100 }, (_, index) => 100 - index), 0.95, 95],
    [[], 0.5, undefined],
  ])('of %j, %d: %s', (values, share, expected) => {
    expect(quantile(values, share)).toBe(expected)
  })
})

describe('makePrompt', () => {
  test('has about so many words, and begins unlike any other', () => {
    expect(makePrompt(1, 1000).split(' ').length).toBeGreaterThan(990)
    expect(makePrompt(1, 1000).split(' ').length).toBeLessThanOrEqual(1000)
    expect(makePrompt(1, 1).length).toBeGreaterThan(10)
    expect(makePrompt(1, 50).slice(0, 9)).not.toBe(makePrompt(2, 50).slice(0, 9))
  })
})
