import { describe, expect, it } from 'vitest'
import { nativeExtractor } from '../../../src/ollama/native-usage.ts'
import { extract } from './extract.ts'

const done = {
  done: true,
  done_reason: 'stop',
  total_duration: 5e9,
  load_duration: 1e9,
  prompt_eval_count: 11,
  prompt_eval_cached_count: 4,
  prompt_eval_duration: 2e9,
  eval_count: 22,
  eval_duration: 3e9,
}

describe('nativeExtractor', () => {
  it('reads the last object', () => {
    const { usage, ...facts } = extract(nativeExtractor, [{ response: 'x', done: false }, done])
    expect(facts).toMatchObject({ finished: true, reason: 'stop', hasContent: true, errorText: undefined })
    expect(usage).toEqual({
      totalSeconds: 5,
      loadSeconds: 1,
      inputTokens: 11,
      cachedInputTokens: 4,
      promptEvalSeconds: 2,
      outputTokens: 22,
      evalSeconds: 3,
    })
  })

  it('reads numbers only of what is done', () => {
    for (const value of [false, 'true', 1, null]) {
      expect(extract(nativeExtractor, [{ ...done, done: value }])).toMatchObject({
        finished: false,
        reason: undefined,
        usage: {},
      })
    }
  })

  it('reads an absent field as absent, not as 0', () => {
    expect(extract(nativeExtractor, [{ done: true }])).toMatchObject({ finished: true, reason: undefined, usage: {} })
    expect(extract(nativeExtractor, [{ done: true, eval_count: 0 }]).usage).toEqual({ outputTokens: 0 })
  })

  it.each([-1, 1.5, '7', null, true, {}, [7], 2 ** 53, Number.MAX_VALUE])('takes %j for no count', (eval_count) => {
    expect(extract(nativeExtractor, [{ done: true, eval_count, prompt_eval_count: eval_count }]).usage).toEqual({})
  })

  it.each([-1, '7', null, true, {}, 1e18, Number.MAX_VALUE])('takes %j for no duration', (value) => {
    const durations = { total_duration: value, load_duration: value, prompt_eval_duration: value, eval_duration: value }
    expect(extract(nativeExtractor, [{ done: true, ...durations }]).usage).toEqual({})
  })

  it.each([
    { response: '' },
    { response: null },
    { response: 7 },
    { message: 'x' },
    { message: { content: '' } },
    { content: 'x' },
  ])('finds no content in %j', (record) => expect(extract(nativeExtractor, [record]).hasContent).toBe(false))

  it.each([7, null, true])('takes %j for no reason', (done_reason) => {
    expect(extract(nativeExtractor, [{ done: true, done_reason }])).toMatchObject({ finished: true, reason: undefined })
  })

  it('is what a complete answer ends with, and no marker', () => {
    expect(nativeExtractor).toMatchObject({ saysFinished: true, doneMarker: false })
  })
})
