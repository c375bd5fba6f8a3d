import { describe, expect, it } from 'vitest'
import { judgeReadiness } from '../../../src/admin/readiness.ts'

const url = 'http://ollama:11434'
const good = { value: [], failure: undefined }
const bad = { value: [], failure: 'connection refused' }

describe('judgeReadiness', () => {
  it('is ready where the installed models are known', () => {
    const ready = { ready: true, status: 'ready', reasons: [] }
    expect(judgeReadiness({ installed: good, loaded: good }, url, false)).toEqual(ready)
    // A blocked /api/ps is no sign of death.
    expect(judgeReadiness({ installed: good, loaded: bad }, url, false)).toEqual(ready)
    expect(judgeReadiness({ installed: good, loaded: undefined }, url, false)).toEqual(ready)
  })

  it('starts before the first answer', () => {
    const { ready, status, reasons } = judgeReadiness({ installed: undefined, loaded: good }, url, false)
    expect({ ready, status }).toEqual({ ready: false, status: 'starting' })
    expect(reasons.join()).toContain(url)
  })

  it('is unavailable after a failure, whatever was known before', () => {
    const { ready, status, reasons } = judgeReadiness({ installed: bad, loaded: good }, url, false)
    expect({ ready, status }).toEqual({ ready: false, status: 'unavailable' })
    expect(reasons).toEqual([`Ollama at ${url}: connection refused`])
  })

  it.each([good, bad, undefined])('is draining first of all', (installed) => {
    const { ready, status, reasons } = judgeReadiness({ installed, loaded: good }, url, true)
    expect({ ready, status }).toEqual({ ready: false, status: 'draining' })
    expect(reasons).toHaveLength(1)
  })
})
