import { decodeRate } from '../ollama/derived.ts'
import type { Generation } from './generate.ts'

/** What came of one request. */
export type Attempt = { readonly generation: Generation } | { readonly error: string }

export interface Quantiles {
  readonly p50: number
  readonly p95: number
}

export interface Summary {
  readonly requests: number
  readonly succeeded: number
  /** By how often. */
  readonly errors: Readonly<Record<string, number>>
  /** Decoded by one request, the median of those that tell; `undefined` where none does. */
  readonly tokensPerSecond: number | undefined
  /** Of all requests together, over the time of the whole run. */
  readonly totalTokensPerSecond: number
  readonly ttftSeconds: Quantiles | undefined
  readonly requestSeconds: Quantiles | undefined
  /** The longest: the load of a model that was not in memory. */
  readonly loadSeconds: number | undefined
  readonly promptTokens: number | undefined
  readonly outputTokens: number
}

/** @param wallSeconds from the first request to the end of the last */
export function summarize(attempts: readonly Attempt[], wallSeconds: number): Summary {
  const done = attempts.flatMap((attempt) => ('generation' in attempt ? [attempt.generation] : []))
  const known = (read: (one: Generation) => number | undefined) => done.flatMap((one) => read(one) ?? [])
  const outputTokens = known(({ usage }) => usage.outputTokens).reduce((sum, count) => sum + count, 0)
  const loads = known(({ usage }) => usage.loadSeconds)
  return {
    requests: attempts.length,
    succeeded: done.length,
    errors: count(attempts.flatMap((attempt) => ('error' in attempt ? [attempt.error] : []))),
    tokensPerSecond: quantile(
      known(({ usage }) => decodeRate(usage)),
      0.5,
    ),
    totalTokensPerSecond: wallSeconds > 0 ? outputTokens / wallSeconds : 0,
    ttftSeconds: quantiles(known(({ ttftSeconds }) => ttftSeconds)),
    requestSeconds: quantiles(known(({ totalSeconds }) => totalSeconds)),
    loadSeconds: loads.length === 0 ? undefined : Math.max(...loads),
    promptTokens: quantile(
      known(({ usage }) => usage.inputTokens),
      0.5,
    ),
    outputTokens,
  }
}

function quantiles(values: readonly number[]): Quantiles | undefined {
  const [p50, p95] = [quantile(values, 0.5), quantile(values, 0.95)]
  return p50 === undefined || p95 === undefined ? undefined : { p50, p95 }
}

/** The smallest value that so large a share of the values does not exceed: one that was measured. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
}

function count(texts: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return Object.fromEntries(counts)
}
