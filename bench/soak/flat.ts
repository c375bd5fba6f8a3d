// Whether what is held stays the same.
import type { Held } from './product.ts'

/** After a round, when nothing is under way. */
export interface Measure extends Held {
  /** Of the product's own metrics, without the buckets. */
  readonly series: number
  /** Different values of all labels of these. */
  readonly labels: number
}

/**
 * By how much the last third of the rounds may be above the first: less than this. MiB, and numbers of things. A fault
 * that keeps one thing in a hundred exchanges is far above it after some rounds.
 */
const LESS_THAN: Readonly<Record<keyof Measure, number>> = {
  heapMb: 2,
  buffersMb: 2,
  rssMb: 32,
  fds: 3, // its own questions to the upstream keep a connection or two
  emitters: 60,
  timers: 30,
  series: 200, // of the many statuses that an endpoint can have, some come up late
  labels: 10,
}

export interface Growth {
  readonly name: keyof Measure
  /** Medians of the first third and of the last. */
  readonly from: number
  readonly to: number
  readonly lessThan: number
  readonly flat: boolean
}

/** How what is held grew after the warm-up, of at least two rounds behind it. */
export function judgeGrowth(rounds: readonly Measure[], warmUp: number): Growth[] {
  const steady = rounds.slice(warmUp)
  if (steady.length < 2) throw new Error(`${rounds.length} rounds are too few to judge: it takes ${warmUp + 2}`)
  const third = Math.ceil(steady.length / 3)
  const names = Object.keys(LESS_THAN) as (keyof Measure)[]
  return names.map((name) => {
    const values = steady.map((round) => round[name])
    const from = median(values.slice(0, third))
    const to = median(values.slice(-third))
    const lessThan = LESS_THAN[name]
    return { name, from, to, lessThan, flat: to - from < lessThan }
  })
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2
}
