import { describe, expect, it } from 'vitest'
import { countStalled, upstreamSilenceSeconds, type Progress } from '../../../src/proxy/silence.ts'

const NOW = 100_000
const streaming: Progress = { awaitsUpstream: true, lastMs: 30_000, streaming: true }
const waiting: Progress = { ...streaming, streaming: false }

describe('a stalled stream', () => {
  it('has begun, and had nothing for so long', () => {
    expect(countStalled([streaming, streaming], NOW, 60_000)).toBe(2)
    expect(countStalled([{ ...streaming, lastMs: 40_001 }], NOW, 60_000)).toBe(0)
    expect(countStalled([{ ...streaming, lastMs: 40_000 }], NOW, 60_000)).toBe(1)
  })

  it('is no request that only waits, and none whose client does not read', () => {
    expect(countStalled([waiting, { ...streaming, awaitsUpstream: false }], NOW, 60_000)).toBe(0)
  })
})

describe('the silence of the upstream', () => {
  it('is none while nobody waits', () => {
    expect(upstreamSilenceSeconds([], NOW, 0)).toBe(0)
    expect(upstreamSilenceSeconds([{ ...waiting, awaitsUpstream: false }], NOW, 0)).toBe(0)
  })

  it('lasts since the oldest request that waits, where nothing was heard after it', () => {
    expect(upstreamSilenceSeconds([waiting, { ...waiting, lastMs: 90_000 }], NOW, 10_000)).toBe(70)
  })

  it('ends with any sign of life: a long prefill alone is none', () => {
    expect(upstreamSilenceSeconds([waiting], NOW, 99_000)).toBe(1)
  })
})
