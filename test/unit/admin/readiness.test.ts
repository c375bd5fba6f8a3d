import { describe, expect, it } from 'vitest'
import { judgeReadiness, type ReadinessFacts } from '../../../src/admin/readiness.ts'

const upstreamUrl = 'http://ollama:11434'
const good = { value: [], failure: undefined, seconds: 0.01 }
const bad = { value: [], failure: { reason: 'refused', message: 'connection refused' }, seconds: undefined }
const version = { value: '0.24.0', failure: undefined, seconds: 0.01 }

function judge(over: Partial<ReadinessFacts> = {}) {
  return judgeReadiness({
    upstream: { version, installed: good, loaded: good },
    upstreamUrl,
    draining: false,
    gpu: { expected: true, because: 'seen' },
    onCpu: [],
    requiresGpu: false,
    ...over,
  })
}

describe('judgeReadiness', () => {
  it('is ready where the installed models are known', () => {
    const ready = { ready: true, status: 'ready', reasons: [] }
    expect(judge()).toEqual(ready)
    // A blocked /api/ps is no sign of death.
    expect(judge({ upstream: { version, installed: good, loaded: bad } })).toEqual(ready)
    expect(judge({ upstream: { version: undefined, installed: good, loaded: undefined } })).toEqual(ready)
  })

  it('starts before the first answer', () => {
    const { ready, status, reasons } = judge({ upstream: { version, installed: undefined, loaded: good } })
    expect({ ready, status }).toEqual({ ready: false, status: 'starting' })
    expect(reasons.join()).toContain(upstreamUrl)
  })

  it('is unavailable after a failure, whatever was known before', () => {
    const { ready, status, reasons } = judge({ upstream: { version, installed: bad, loaded: good } })
    expect({ ready, status }).toEqual({ ready: false, status: 'unavailable' })
    expect(reasons).toEqual([`Ollama at ${upstreamUrl}: connection refused`])
  })

  it.each([good, bad, undefined])('is draining first of all', (installed) => {
    const { ready, status, reasons } = judge({ upstream: { version, installed, loaded: good }, draining: true })
    expect({ ready, status }).toEqual({ ready: false, status: 'draining' })
    expect(reasons).toHaveLength(1)
  })
})

describe('a fallback to the CPU', () => {
  const reasons = ['a:latest runs on the CPU, and a GPU is expected (seen)']

  it('is served all the same, and says so', () => {
    expect(judge({ onCpu: ['a:latest'] })).toEqual({ ready: true, status: 'degraded', reasons })
  })

  it('is no service where a GPU is required', () => {
    expect(judge({ onCpu: ['a:latest'], requiresGpu: true })).toEqual({ ready: false, status: 'degraded', reasons })
  })

  it('is none where no GPU is expected', () => {
    const gpu = { expected: false, because: 'never seen' } as const
    expect(judge({ onCpu: ['a:latest'], requiresGpu: true, gpu })).toEqual({
      ready: true,
      status: 'ready',
      reasons: [],
    })
  })
})
