import { describe, expect, test } from 'vitest'
import { cellsOf, promptOf } from '../../../scripts/stress/plan.ts'
import { formatJson, formatMarkdown, type Report } from '../../../scripts/stress/report.ts'
import { percentile, percentiles, summarize, verdictOf, type Measured } from '../../../scripts/stress/statistics.ts'

const good = (seconds: number, firstToken = seconds / 2): Measured => ({
  outcome: 'ok',
  seconds,
  firstToken,
  tokens: 10,
  tokensPerSecond: 20,
})
const timedOut: Measured = { outcome: 'timeout', seconds: 9, error: 'no end within the timeout' }
const failed: Measured = { outcome: 'error', seconds: 0, error: 'refused' }
const many = (count: number, one: Measured) => Array.from({ length: count }, () => one)

describe('percentile', () => {
  const hundred = Array.from({ length: 100 }, (_unused, index) => 100 - index)

  test('is the smallest value that so many do not exceed', () => {
    expect(percentiles(hundred)).toEqual({ p50: 50, p95: 95, p99: 99 })
    expect([0, 1, 100].map((percent) => percentile(hundred, percent))).toEqual([1, 1, 100])
    // By number, not by text; and the list stays as it was.
    expect(percentile([10, 9, 100], 50)).toBe(10)
    expect(hundred[0]).toBe(100)
  })

  test('of one value it is that, of none there is none', () => {
    expect(percentiles([7])).toEqual({ p50: 7, p95: 7, p99: 7 })
    expect(percentile([], 50)).toBeUndefined()
  })
})

describe('the matrix', () => {
  test('is every combination, a model’s together', () => {
    const matrix = { models: ['a', 'b'], promptTokens: [1, 2], outputTokens: [3], concurrency: [4, 5] }
    const cells = cellsOf(matrix)
    expect(cells).toHaveLength(8)
    expect(new Set(cells.map((cell) => JSON.stringify(cell))).size).toBe(8)
    expect(cells.map(({ model }) => model).join('')).toBe('aaaabbbb')
    expect(cellsOf({ ...matrix, models: [] })).toEqual([])
  })

  test('prompts have their size, and each begins otherwise', () => {
    const words = (tokens: number) => promptOf(tokens, 3).split(' ').length
    expect([1, 10, 1000].map(words)).toEqual([1, 8, 800])
    const prompts = Array.from({ length: 50 }, (_unused, number) => promptOf(64, number))
    expect(new Set(prompts.map((prompt) => prompt.split(' ')[0])).size).toBe(50)
    expect(promptOf(64, 7)).toBe(promptOf(64, 7))
  })
})

describe('a summary', () => {
  test('counts each once, and measures the good ones alone', () => {
    const summary = summarize([good(1), good(3), timedOut, failed], 4)
    expect(summary).toMatchObject({ requests: 4, ok: 2, timeouts: 1, errors: 1, timeoutRatio: 0.25, errorRatio: 0.25 })
    expect(summary.request).toEqual({ p50: 1, p95: 3, p99: 3 })
    expect(summary.firstToken.p50).toBe(0.5)
    expect(summary.totalTokensPerSecond).toBe(5)
    expect(summary.reasons).toEqual(['no end within the timeout', 'refused'])
  })

  test('of nothing is no number that is none', () => {
    const summary = summarize([], 0)
    expect(summary).toMatchObject({ requests: 0, timeoutRatio: 0, totalTokensPerSecond: 0 })
    expect(verdictOf(summary)).toEqual(['no request was sent'])
  })

  test('2 % may time out, and not one more', () => {
    const verdict = (bad: number, one: Measured) =>
      verdictOf(summarize([...many(bad, one), ...many(100 - bad, good(1))], 1))
    expect(verdict(2, timedOut)).toEqual([])
    expect(verdict(3, timedOut)).toEqual(['3.0 % timed out (limit 2.0 %)'])
    expect(verdict(2, failed)).toEqual([])
    expect(verdict(3, failed)).toEqual(['3.0 % failed (limit 2.0 %)'])
  })
})

describe('a report', () => {
  const cell = { model: 'a|b', promptTokens: 8, outputTokens: 24, concurrency: 5 }
  const reportOf = (measured: readonly Measured[], labels = {}): Report => {
    const total = summarize(measured, 2)
    return { url: 'http://x', startedAt: 'now', labels, timeoutSeconds: 120, cells: [{ cell, ...total }], total }
  }

  test('in Markdown has a row a combination, and targets with room', () => {
    const text = formatMarkdown(reportOf([good(1), good(2)], { tier: 'batch', region: 'eu' }))
    expect(text).toContain('of http://x, at now, tier batch, region eu, timeout 120 s')
    expect(text).toContain('**Passed**: 2 requests, 2 good, 0 timeouts, 0 errors.')
    expect(text).toContain(
      '| a\\|b | 8 | 24 | 5 | 2 of 2 | 0 | 0 | 0.50 s / 1.00 s / 1.00 s | 1.00 s / 2.00 s / 2.00 s | 20.0 | 10.0 |',
    )
    expect(text).toContain('  batch:\n    ttft: { p50: 600ms, p95: 1200ms }\n    request: { p50: 1200ms, p95: 2400ms }')
  })

  test('says why it failed, and proposes no targets where nothing was measured', () => {
    const text = formatMarkdown(reportOf([failed, timedOut]))
    expect(text).toContain('**Failed: 50.0 % timed out (limit 2.0 %); 50.0 % failed (limit 2.0 %)**')
    expect(text).toContain('- refused')
    expect(text).toContain('| - / - / - |')
    expect(text).not.toContain('yaml')
  })

  test('in JSON has the same, and its verdict', () => {
    const report = reportOf([failed])
    expect(JSON.parse(formatJson(report))).toMatchObject({
      labels: {},
      cells: [{ cell, errors: 1 }],
      problems: ['100.0 % failed (limit 2.0 %)'],
    })
  })
})
