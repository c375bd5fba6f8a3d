import { describe, expect, it } from 'vitest'
import {
  contextLengthOf,
  contextUsed,
  decodeRate,
  knownPrefill,
  slotWaitSeconds,
  suspectsTruncation,
} from '../../../src/ollama/derived.ts'
import type { Usage } from '../../../src/ollama/facts.ts'
import { exchangeOf, requestOf } from '../../helpers/exchange.ts'

describe('the wait for a slot', () => {
  it('is what the total leaves', () => {
    const usage = { totalSeconds: 10, loadSeconds: 1, promptEvalSeconds: 2, evalSeconds: 3 }
    expect(slotWaitSeconds(usage)).toBe(4)
  })

  it('takes a part that is absent for 0, as the server leaves zeros out', () => {
    expect(slotWaitSeconds({ totalSeconds: 5, promptEvalSeconds: 2 })).toBe(3)
  })

  it.each([
    ['no total', { loadSeconds: 1, promptEvalSeconds: 2 }],
    ['no prefill: an embedding', { totalSeconds: 5, loadSeconds: 1 }],
    ['parts that are more than the whole', { totalSeconds: 1, promptEvalSeconds: 2 }],
    ['nothing', {}],
  ])('is unknown with %s', (_title, usage) => {
    expect(slotWaitSeconds(usage)).toBeUndefined()
  })

  it('was over two seconds where the recorder had taken the only slot', () => {
    // slot-waited of the older Ollama, by hand from its last line
    const usage = {
      totalSeconds: 2.762055355,
      loadSeconds: 0.211696724,
      promptEvalSeconds: 0.095005712,
      evalSeconds: 0.402977464,
    }
    expect(slotWaitSeconds(usage)).toBeCloseTo(2.052375455, 9)
  })
})

describe('the context used', () => {
  it.each([
    [{ inputTokens: 15, outputTokens: 24 }, 39],
    [{ inputTokens: 15 }, 15],
    [{ outputTokens: 24 }, 24],
    [{}, undefined],
  ])('of %j is %s', (usage, used) => {
    expect(contextUsed(usage)).toBe(used)
  })
})

describe('the decode rate', () => {
  it.each([
    [{ outputTokens: 24, evalSeconds: 2 }, 12],
    [{ outputTokens: 1, evalSeconds: 0.000001 }, undefined],
    [{ outputTokens: 24, evalSeconds: 0 }, undefined],
    [{ outputTokens: 24 }, undefined],
    [{ evalSeconds: 2 }, undefined],
  ])('of %j is %s', (usage, rate) => {
    expect(decodeRate(usage)).toBe(rate)
  })
})

const exchange = (usage: Usage, details: Parameters<typeof exchangeOf>[0] = {}) => exchangeOf({ usage, ...details })

describe('a known prefill', () => {
  const usage = { inputTokens: 100, promptEvalSeconds: 2, loadSeconds: 3 }

  it('is that of a request that loaded its model', () => {
    expect(knownPrefill(exchange(usage, { coldStart: true }))).toEqual({ tokens: 100, seconds: 2 })
  })

  it('is what was not cached, where the server tells', () => {
    const told = { ...usage, loadSeconds: 0.001, cachedInputTokens: 60 }
    expect(knownPrefill(exchange(told))).toEqual({ tokens: 40, seconds: 2 })
    expect(knownPrefill(exchange({ ...told, cachedInputTokens: 0 }))).toEqual({ tokens: 100, seconds: 2 })
  })

  it.each([
    ['the model was loaded before', usage, false],
    ['nothing was loaded after all', { ...usage, loadSeconds: 0.21 }, true],
    ['the server told no load', { inputTokens: 100, promptEvalSeconds: 2 }, true],
    ['the server told no time', { inputTokens: 100, loadSeconds: 3 }, true],
    ['it took no time', { ...usage, promptEvalSeconds: 0 }, true],
    ['no tokens were told', { promptEvalSeconds: 2, loadSeconds: 3 }, true],
    ['all was cached', { ...usage, cachedInputTokens: 100 }, true],
    ['more was cached than there was', { ...usage, cachedInputTokens: 101 }, true],
  ])('is not there where %s', (_title, told, coldStart) => {
    expect(knownPrefill(exchange(told, { coldStart }))).toBeUndefined()
  })
})

describe('the context length of a request', () => {
  const asking = (numCtx: number | undefined, loadSeconds: number | undefined) =>
    exchange({ loadSeconds }, { request: requestOf('m', { numCtx }) })

  it.each([
    ['nothing asked for', undefined, 3, 4096, 4096],
    ['nothing known', undefined, 3, undefined, undefined],
    ['asked for, and nothing listed', 128, 3, undefined, 128],
    ['asked for what is listed', 4096, 3, 4096, 4096],
    ['asked for less, and loaded again', 128, 3, 4096, 128],
    ['asked for more, and loaded again: that, or what the model can', 8192, 3, 4096, undefined],
    ['asked for more than the model can, and nothing loaded', 8192, 0.1, 4096, 4096],
    ['no load told', 128, undefined, 4096, 128],
  ])('%s', (_title, numCtx, loadSeconds, listed, expected) => {
    expect(contextLengthOf(asking(numCtx, loadSeconds), listed)).toBe(expected)
  })
})

describe('a suspected truncation', () => {
  it.each([
    ['a full context', { inputTokens: 128, outputTokens: 8 }, 300, true],
    ['half a context of a request far larger', { inputTokens: 67, outputTokens: 8 }, 4730, true],
    ['half a context of a request of its size', { inputTokens: 67, outputTokens: 8 }, 400, false],
    ['a small prompt in a large request', { inputTokens: 63, outputTokens: 8 }, 4730, false],
    ['an embedding: many inputs, each with a context', { inputTokens: 500 }, 4730, false],
    ['no input told', { outputTokens: 8 }, 4730, false],
  ])('%s', (_title, usage, requestBytes, expected) => {
    expect(suspectsTruncation(exchange(usage, { requestBytes }), 128)).toBe(expected)
  })

  it('is none where images make the request large', () => {
    const request = requestOf('m', { hasImages: true })
    expect(
      suspectsTruncation(exchange({ inputTokens: 67, outputTokens: 8 }, { request, requestBytes: 9e6 }), 128),
    ).toBe(false)
  })
})
