import type { CollectorName } from '../config/collector-names.ts'
import type { MetricDefinition } from '../metrics/definition.ts'
import type { Labels } from '../metrics/series.ts'

/** One value of one family, in the unit of the family's name. One that is not finite is left out. */
export interface Measurement {
  readonly metric: MetricDefinition
  readonly labels: Labels
  readonly value: number
}

/** Reads one kind of source. It keeps no timers: the scheduler says when, and what of it is published. */
export interface Collector {
  readonly name: CollectorName
  /** The families that it measures. */
  readonly metrics: readonly MetricDefinition[]
  /**
   * Reads its source once, and gives all there is of it now: what is left out vanishes from the scrape.
   * Rejects with Absent where the source is not there, and with a CollectError where it is and cannot be read.
   * @param signal aborts when the run takes too long; the run may be abandoned then.
   */
  readonly collect: (signal: AbortSignal) => Promise<readonly Measurement[]>
  /** What is so whether the last run succeeded or not: counters, and what must outlive a failure. */
  readonly lasting?: () => readonly Measurement[]
  /** Milliseconds until the next run, where that is not the interval. */
  readonly nextDelayMs?: () => number
  /** Ends what it has open. */
  readonly close?: () => void
}

/** What a collector reads is not on this machine: it is disabled and looked for again later, which is no failure. */
export class Absent extends Error {
  override readonly name = 'Absent'
}

/** What a collector reads is there, and could not be read. */
export class CollectError extends Error {
  override readonly name = 'CollectError'
  /** One of a small set, since it becomes a label: `timeout`, `permission`, `unreadable`, ... */
  readonly reason: string

  /** @param message for a person: what happened, and what to do. */
  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** A value; nothing where there is none, since absent is not zero. */
export function measure(metric: MetricDefinition, value: number | undefined, labels: Labels = {}): Measurement[] {
  return value === undefined || !Number.isFinite(value) ? [] : [{ metric, labels, value }]
}
