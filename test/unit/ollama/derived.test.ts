import { describe, expect, it } from 'vitest'
import { contextUsed, decodeRate, slotWaitSeconds } from '../../../src/ollama/derived.ts'

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
