import { duration } from './parsers.ts'
import type { Problem } from './problem.ts'

export const METRICS = ['ttft', 'request'] as const
export const QUANTILES = { p50: 0.5, p95: 0.95 } as const

/** How long a share of a model's requests may take at most. */
export interface LatencyTarget {
  /** `ttft`: until the first token; `request`: the whole exchange. */
  readonly metric: (typeof METRICS)[number]
  readonly quantile: (typeof QUANTILES)[keyof typeof QUANTILES]
  readonly seconds: number
}

/** A target of one model. */
export interface ModelTarget extends LatencyTarget {
  /** The full name. */
  readonly model: string
  /** '' where the model is of none. */
  readonly tier: string
}

/** A target's time into milliseconds. */
export const parseTarget = duration('1ms')

/** The targets in `{ttft: {p50, p95}, request: {p50, p95}}`; what has another shape is left to the schema. */
export function readTargets(value: unknown, path: readonly string[]) {
  const targets: LatencyTarget[] = []
  const problems: Problem[] = []
  for (const metric of METRICS) {
    for (const [name, quantile] of Object.entries(QUANTILES)) {
      const text = fieldOf(fieldOf(value, metric), name)
      if (typeof text !== 'string') continue
      const parsed = parseTarget(text)
      if ('value' in parsed) targets.push({ metric, quantile, seconds: parsed.value / 1000 })
      else problems.push({ path: [...path, metric, name], value: text, why: parsed.problem })
    }
  }
  return { targets, problems }
}

/** The model's own targets, and its tier's where it has none of its own; ordered. */
export function mergeTargets(tier: readonly LatencyTarget[], own: readonly LatencyTarget[]): LatencyTarget[] {
  const isOwn = (one: LatencyTarget) => own.some((o) => o.metric === one.metric && o.quantile === one.quantile)
  return [...tier.filter((one) => !isOwn(one)), ...own].sort(
    (a, b) => METRICS.indexOf(a.metric) - METRICS.indexOf(b.metric) || a.quantile - b.quantile,
  )
}

/** An own field of a map; undefined where it is none. */
export function fieldOf(value: unknown, name: string): unknown {
  return entriesOf(value).find(([key]) => key === name)?.[1]
}

/** The entries of a map, none where it is something else. */
export function entriesOf(value: unknown): [name: string, value: unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
}
