import type { Verdict } from '../ollama/outcome.ts'
import { longUpload, noAnswer, notTaken, stalledUpload, tookTooLong, type ProxyError } from './errors.ts'
import { limitOf, type TimeLimits, type Turn } from './turn.ts'

/** Where an exchange stands in time. Milliseconds. */
export interface Waiting {
  readonly turn: Turn
  /** Since anything moved. */
  readonly sinceMs: number
  readonly ageMs: number
  /** The head of an answer left. */
  readonly answered: boolean
}

/** How an exchange that is overdue ends. */
export type Ruling =
  /** No connection was made: it may be tried again. */
  | { readonly kind: 'reconnect' }
  /** An answer of the proxy's own. */
  | { readonly kind: 'refuse'; readonly error: ProxyError }
  /** The client sees that the answer is not whole, behind what there is of it. */
  | { readonly kind: 'cut'; readonly verdict: Verdict }
  /** The client's connection ends at once: it takes nothing. */
  | { readonly kind: 'drop'; readonly verdict: Verdict }

const IDLE: Verdict = { outcome: 'timeout', errorType: 'idle_timeout' }
const CLIENT_ABORT: Verdict = { outcome: 'client_abort', errorType: 'client_abort' }

/** Whose fault it is that nothing moves; `undefined` while there is time. `where` is the upstream's URL. */
export function overdue(waiting: Waiting, limits: TimeLimits, where: string): Ruling | undefined {
  const { turn, sinceMs, ageMs, answered } = waiting
  const { requestMs, idleMs, firstByteMs } = limits
  if (sinceMs >= limitOf(turn, limits)) {
    switch (turn) {
      case 'connect':
        return { kind: 'reconnect' }
      case 'upload':
        return { kind: 'refuse', error: stalledUpload(idleMs) }
      case 'taking':
        return { kind: 'refuse', error: notTaken(where, idleMs) }
      case 'first-byte':
        return { kind: 'refuse', error: noAnswer(where, firstByteMs) }
      case 'response':
        return { kind: 'cut', verdict: IDLE }
      case 'nothing':
        break
      case 'reading':
        return { kind: 'drop', verdict: CLIENT_ABORT }
    }
  }
  if (requestMs === undefined || ageMs < requestMs) return undefined
  const error = turn === 'upload' ? longUpload(requestMs) : tookTooLong(requestMs)
  if (!answered) return { kind: 'refuse', error }
  return { kind: turn === 'reading' ? 'drop' : 'cut', verdict: error.verdict }
}
