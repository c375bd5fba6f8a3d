import { describe, expect, test } from 'vitest'
import { judgeSpeed, parseBillions, type Measured } from '../../../src/bench/speed.ts'

const measured = (changes: Partial<Measured>): Measured => ({
  tokensPerSecond: 50,
  platform: 'nvidia',
  processor: 'gpu',
  billions: 7,
  ...changes,
})

describe('judgeSpeed', () => {
  test.each<[Measured['platform'], number, string]>([
    ['nvidia', 60, 'healthy'],
    ['nvidia', 40, 'healthy'],
    ['nvidia', 39.9, 'under_used'],
    ['nvidia', 10, 'under_used'],
    ['nvidia', 9.9, 'no_gpu'],
    ['amd', 40, 'healthy'],
    ['amd', 9, 'no_gpu'],
    ['gpu', 25, 'under_used'],
    ['metal', 14, 'healthy'],
    ['metal', 7, 'healthy'],
    ['metal', 6.9, 'under_used'],
    ['metal', 0.1, 'under_used'],
    ['cpu', 60, 'cpu'],
  ])('%s, 7B, %d tokens/s: %s', (platform, tokensPerSecond, level) => {
    expect(judgeSpeed(measured({ platform, tokensPerSecond })).level).toBe(level)
  })

  test.each<[number | undefined, number, string]>([
    [70, 4, 'healthy'],
    [70, 3.9, 'under_used'],
    [70, 0.9, 'no_gpu'],
    [14, 20, 'healthy'],
    [14, 4.9, 'no_gpu'],
    // A small model is not as many times faster as it is smaller.
    [1, 120, 'healthy'],
    [1, 119, 'under_used'],
    [0.27, 29, 'no_gpu'],
    [405, 4, 'healthy'],
    [undefined, 40, 'healthy'],
    [undefined, 39, 'under_used'],
  ])('%s billion parameters on NVIDIA, %d tokens/s: %s', (billions, tokensPerSecond, level) => {
    expect(judgeSpeed(measured({ billions, tokensPerSecond })).level).toBe(level)
  })

  test('on the CPU it is no speed of a GPU, however fast', () => {
    const verdict = judgeSpeed(measured({ processor: 'cpu', tokensPerSecond: 500 }))
    expect(verdict).toEqual({ level: 'cpu', text: "500 tokens/s on the CPU: no GPU's speed" })
  })

  test('says what would be healthy', () => {
    expect(judgeSpeed(measured({ tokensPerSecond: 25 })).text).toBe(
      '25 tokens/s: the GPU is under-used (40 or more is healthy for 7 billion parameters on NVIDIA)',
    )
    expect(judgeSpeed(measured({ billions: undefined })).text).toContain('a 7B model (its size is not known)')
  })
})

describe('parseBillions', () => {
  test.each([
    ['7B', 7],
    ['7.6B', 7.6],
    ['268.10M', 0.2681],
    ['1.2T', 1200],
    ['500K', 0.0005],
    ['0B', undefined],
    ['big', undefined],
    ['8x7B', undefined],
    [undefined, undefined],
  ])('%s: %s', (text, billions) => {
    const found = parseBillions(text)
    if (billions === undefined) expect(found).toBeUndefined()
    else expect(found).toBeCloseTo(billions, 9)
  })
})
