/** Upper bounds in seconds of the buckets into which the time between two chunks falls; the last bucket has none. */
export const GAP_BOUNDS = [0.0025, 0.005, 0.01, 0.015, 0.025, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5]

/** The times between the chunks of one stream, from its first token on: as many numbers as there are buckets, however long it is. */
export interface Gaps {
  readonly counts: number[]
  /** Seconds. */
  sum: number
}

export function createGaps(): Gaps {
  return { counts: new Array<number>(GAP_BOUNDS.length + 1).fill(0), sum: 0 }
}

export function addGap(gaps: Gaps, seconds: number): void {
  let bucket = 0
  while (bucket < GAP_BOUNDS.length && seconds > (GAP_BOUNDS[bucket] ?? 0)) bucket++
  gaps.counts[bucket] = (gaps.counts[bucket] ?? 0) + 1
  gaps.sum += seconds
}
