import type { Cell } from './plan.ts'

/** What became of one request. Times in seconds. */
export interface Measured {
  readonly outcome: 'ok' | 'timeout' | 'error'
  readonly seconds: number
  /** Until the first token; undefined where there was none. */
  readonly firstToken?: number | undefined
  readonly tokens?: number | undefined
  /** By Ollama's own count and clock. */
  readonly tokensPerSecond?: number | undefined
  readonly error?: string | undefined
}

export interface Percentiles {
  readonly p50: number | undefined
  readonly p95: number | undefined
  readonly p99: number | undefined
}

export interface Summary {
  readonly requests: number
  readonly ok: number
  readonly timeouts: number
  readonly errors: number
  /** Of all requests. */
  readonly timeoutRatio: number
  readonly errorRatio: number
  readonly firstToken: Percentiles
  readonly request: Percentiles
  /** Of one stream. */
  readonly tokensPerSecond: Percentiles
  /** Of all streams together. */
  readonly totalTokensPerSecond: number
  /** The first of each kind. */
  readonly reasons: readonly string[]
}

export interface CellResult extends Summary {
  readonly cell: Cell
}

/** The smallest value that so many of 100 do not exceed (nearest rank); undefined of none. */
export function percentile(values: readonly number[], percent: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]
}

export function percentiles(values: readonly number[]): Percentiles {
  return { p50: percentile(values, 50), p95: percentile(values, 95), p99: percentile(values, 99) }
}

/** @param seconds how long all of them took, side by side */
export function summarize(measured: readonly Measured[], seconds: number): Summary {
  const good = measured.filter(({ outcome }) => outcome === 'ok')
  const count = (wanted: Measured['outcome']) => measured.filter(({ outcome }) => outcome === wanted).length
  const known = (pick: (one: Measured) => number | undefined) => good.map(pick).filter((value) => value !== undefined)
  const tokens = known((one) => one.tokens).reduce((sum, value) => sum + value, 0)
  const ratio = (part: number) => (measured.length === 0 ? 0 : part / measured.length)
  return {
    requests: measured.length,
    ok: good.length,
    timeouts: count('timeout'),
    errors: count('error'),
    timeoutRatio: ratio(count('timeout')),
    errorRatio: ratio(count('error')),
    firstToken: percentiles(known((one) => one.firstToken)),
    request: percentiles(known((one) => one.seconds)),
    tokensPerSecond: percentiles(known((one) => one.tokensPerSecond)),
    totalTokensPerSecond: seconds > 0 ? tokens / seconds : 0,
    reasons: [...new Set(measured.flatMap(({ error }) => error ?? []))].slice(0, 5),
  }
}

/** More than this of the requests may not time out, nor fail. */
const LIMIT = 0.02

/** What is wrong, a line each; nothing where all is well. */
export function verdictOf(total: Summary): string[] {
  const percent = (ratio: number) => `${(ratio * 100).toFixed(1)} %`
  return [
    ...(total.requests === 0 ? ['no request was sent'] : []),
    ...(total.timeoutRatio > LIMIT ? [`${percent(total.timeoutRatio)} timed out (limit ${percent(LIMIT)})`] : []),
    ...(total.errorRatio > LIMIT ? [`${percent(total.errorRatio)} failed (limit ${percent(LIMIT)})`] : []),
  ]
}
