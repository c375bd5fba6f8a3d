import { describe, expect, it } from 'vitest'
import { matchEndpoint } from '../../../src/ollama/endpoints.ts'
import { inferencePhase, phaseOf, showsFirstToken, type Standing } from '../../../src/ollama/phase.ts'
import { EMPTY_REQUEST } from '../../../src/ollama/request.ts'

const waiting: Standing = { asked: true, answered: false, showsFirstToken: true, loaded: true, behindAnother: false }

describe('the phase of a request that runs a model', () => {
  it.each([
    ['decoding', { answered: true, loaded: undefined, asked: false }],
    ['unknown', { asked: false, loaded: false }],
    ['loading', { loaded: false }],
    ['loading', { loaded: false, behindAnother: true }],
    ['queued', { behindAnother: true }],
    ['queued', { behindAnother: true, loaded: undefined }],
    ['prefill', {}],
    ['unknown', { loaded: undefined }],
    ['unknown', { showsFirstToken: false }],
  ] as const)('is %s with %j', (phase, details) => {
    expect(inferencePhase({ ...waiting, ...details })).toBe(phase)
    expect(phaseOf(true, { ...waiting, ...details })).toBe(phase)
  })
})

it.each([true, false])('any other request waits or streams: %s', (answered) => {
  expect(phaseOf(false, { ...waiting, answered })).toBe(answered ? 'streaming' : 'waiting')
})

describe('the first token shows', () => {
  it.each([
    ['/api/chat', undefined, false, true],
    ['/api/chat', false, false, false],
    ['/api/chat', true, true, false],
    ['/v1/chat/completions', undefined, false, false],
    ['/v1/chat/completions', true, false, true],
    ['/api/embed', undefined, false, true],
  ])('of %s with stream %s and tools %s: %s', (path, stream, hasTools, shows) => {
    expect(showsFirstToken(matchEndpoint(path), { ...EMPTY_REQUEST, stream, hasTools })).toBe(shows)
  })
})
