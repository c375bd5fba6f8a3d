import { describe, expect, it } from 'vitest'
import { overdue, type Waiting } from '../../../src/proxy/overdue.ts'
import { limitOf, lookEveryMs, turnOf, type TimeLimits, type Turn } from '../../../src/proxy/turn.ts'

const WHERE = 'http://ollama:11434'
const LIMITS: TimeLimits = { connectMs: 100, firstByteMs: 3000, idleMs: 400, requestMs: undefined }
const WHOLE: TimeLimits = { ...LIMITS, requestMs: 5000 }
const TURNS: readonly Turn[] = ['connect', 'upload', 'taking', 'first-byte', 'response', 'nothing', 'reading']

function waiting(turn: Turn, sinceMs: number, more: Partial<Waiting> = {}): Waiting {
  return { turn, sinceMs, ageMs: sinceMs, answered: turn === 'response' || turn === 'reading', ...more }
}

const short = (waits: Waiting, limits: TimeLimits) => {
  const ruling = overdue(waits, limits, WHERE)
  if (ruling === undefined || ruling.kind === 'reconnect') return ruling?.kind
  const verdict = ruling.kind === 'refuse' ? ruling.error.verdict : ruling.verdict
  const status = ruling.kind === 'refuse' ? [ruling.error.status] : []
  return [ruling.kind, ...status, verdict.outcome, verdict.errorType]
}

describe('an exchange in which nothing moves', () => {
  it.each<[Turn, number, unknown]>([
    ['connect', 100, 'reconnect'],
    ['upload', 400, ['refuse', 408, 'timeout', 'upload_timeout']],
    ['taking', 400, ['refuse', 504, 'timeout', 'upstream_timeout']],
    ['first-byte', 3000, ['refuse', 504, 'timeout', 'upstream_timeout']],
    ['response', 400, ['cut', 'timeout', 'idle_timeout']],
    ['reading', 400, ['drop', 'client_abort', 'client_abort']],
  ])('(%s) has %i ms, and then it is ruled', (turn, limitMs, ruling) => {
    expect(limitOf(turn, LIMITS)).toBe(limitMs)
    expect(short(waiting(turn, limitMs - 1), LIMITS)).toBeUndefined()
    expect(short(waiting(turn, limitMs), LIMITS)).toEqual(ruling)
    expect(short(waiting(turn, 0, { ageMs: 1e9 }), LIMITS)).toBeUndefined()
  })

  it('has all the time in the world where nothing has a limit', () => {
    expect(short(waiting('nothing', 1e12), LIMITS)).toBeUndefined()
  })

  it.each<[Turn, string]>([
    ['first-byte', `${WHERE} did not answer within 3 s`],
    ['taking', `${WHERE} took nothing of the upload for 400 ms`],
    ['upload', 'came for 400 ms'],
  ])('(%s) is told how long it had', (turn, words) => {
    const ruling = overdue(waiting(turn, 1e6), LIMITS, WHERE)
    expect(ruling?.kind === 'refuse' && ruling.error.message).toContain(words)
  })
})

describe('an exchange whose whole time is over', () => {
  const REFUSED = ['refuse', 504, 'timeout', 'upstream_timeout']

  it.each<[Turn, boolean, unknown]>([
    ['connect', false, REFUSED],
    ['upload', false, ['refuse', 408, 'timeout', 'upload_timeout']],
    ['taking', false, REFUSED],
    ['first-byte', false, REFUSED],
    ['nothing', false, REFUSED],
    ['response', true, ['cut', 'timeout', 'upstream_timeout']],
    ['nothing', true, ['cut', 'timeout', 'upstream_timeout']],
    ['reading', true, ['drop', 'timeout', 'upstream_timeout']],
  ])('(%s, answered: %s) is ruled though something moves', (turn, answered, ruling) => {
    expect(short(waiting(turn, 0, { ageMs: 4999, answered }), WHOLE)).toBeUndefined()
    expect(short(waiting(turn, 0, { ageMs: 5000, answered }), WHOLE)).toEqual(ruling)
  })

  it('is ruled by the shorter limit where that is over as well', () => {
    expect(short(waiting('response', 400, { ageMs: 5000 }), WHOLE)).toEqual(['cut', 'timeout', 'idle_timeout'])
  })

  it.each(TURNS)('is never over where there is no such limit: %s', (turn) => {
    expect(short(waiting(turn, 0, { ageMs: 1e12 }), LIMITS)).toBeUndefined()
  })
})

describe('whose turn it is', () => {
  const client = { over: false, mayRead: true }
  const upload = { holding: false, ended: false, blocked: false }
  const dial = { connecting: false, request: {} }
  const download = { blocked: false, complete: false }

  it.each<[title: string, turn: Turn, parts: Parameters<typeof turnOf>]>([
    [
      'a body that is read first',
      'upload',
      [client, { ...upload, holding: true }, { ...dial, request: undefined }, undefined],
    ],
    ['a connection that is made', 'connect', [client, upload, { ...dial, connecting: true }, undefined]],
    ['the wait for the next try', 'nothing', [client, upload, { ...dial, request: undefined }, undefined]],
    ['a body that is sent', 'upload', [client, upload, dial, undefined]],
    ['a body that is not taken', 'taking', [client, { ...upload, blocked: true }, dial, undefined]],
    ['a request that was sent', 'first-byte', [client, { ...upload, ended: true }, dial, undefined]],
    [
      'a request that was sent, and is not taken',
      'first-byte',
      [client, { ...upload, ended: true, blocked: true }, dial, undefined],
    ],
    ['an answer', 'response', [client, { ...upload, ended: true }, dial, download]],
    ['an answer while the body is sent', 'response', [client, upload, dial, download]],
    ['an answer that is not read', 'reading', [client, upload, dial, { ...download, blocked: true }]],
    [
      'an answer that is not its turn',
      'nothing',
      [{ ...client, mayRead: false }, upload, dial, { ...download, blocked: true }],
    ],
    ['an answer that came, and is not sent', 'nothing', [client, upload, dial, { ...download, complete: true }]],
    ['an answer that is over', 'reading', [{ ...client, over: true }, upload, dial, { ...download, complete: true }]],
    [
      'an error that is over',
      'reading',
      [{ ...client, over: true }, upload, { ...dial, request: undefined }, undefined],
    ],
    ['an error that is not its turn', 'nothing', [{ over: true, mayRead: false }, upload, dial, undefined]],
  ])('in %s: %s', (_title, turn, parts) => {
    expect(turnOf(...parts)).toBe(turn)
  })
})

it('is looked at ten times in the shortest limit, between 5 ms and a second', () => {
  expect([1, 49, 60, 200, 5000, 10_000, 1e9].map(lookEveryMs)).toEqual([5, 5, 6, 20, 500, 1000, 1000])
})
