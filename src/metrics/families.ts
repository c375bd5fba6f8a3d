import type { MetricDefinition } from './definition.ts'
import { labelSetOf, MAX_SERIES, SeriesMap, type Labels } from './series.ts'

/** One metric family, as the exposition takes it: the lines of a series are made when their turn comes. */
export interface Family {
  readonly definition: MetricDefinition
  /** @param exemplars whether the format knows them. */
  series(exemplars: boolean): Iterable<string>
}

/** A request that shows what a bucket holds. */
export interface Exemplar {
  readonly traceId: string
  /** Seconds since 1970. */
  readonly timestamp: number
}

/** Many observations at once: how many fell in each bucket, the last of which has no bound, and their sum. */
export interface Tally {
  readonly counts: readonly number[]
  readonly sum: number
}

export class Counter implements Family {
  readonly definition: MetricDefinition
  readonly #series: SeriesMap<{ readonly labels: string; value: number }>

  constructor(definition: MetricDefinition, onOverflow: () => void) {
    this.definition = definition
    this.#series = new SeriesMap(definition.labels, (labels) => ({ labels, value: 0 }), onOverflow)
  }

  /** @param by finite and not negative; 0 makes the series known before its first event. */
  inc(labels: Labels = {}, by = 1): void {
    this.#series.get(labels).value += by
  }

  *series(): Iterable<string> {
    for (const { labels, value } of this.#series)
      yield `${this.definition.name}${braces(labels)} ${formatNumber(value)}\n`
  }
}

export interface Sample {
  readonly labels: Labels
  readonly value: number
}

/** What is so now: asked for at each scrape, and gone from it when it is no more. Also counters that others count. */
export class Reading implements Family {
  readonly definition: MetricDefinition
  readonly #read: () => readonly Sample[]

  constructor(definition: MetricDefinition, read: () => readonly Sample[]) {
    this.definition = definition
    this.#read = read
  }

  *series(): Iterable<string> {
    const { name, labels } = this.definition
    for (const sample of this.#read().slice(0, MAX_SERIES)) {
      const set = labelSetOf(labels, (label) => sample.labels[label] ?? '')
      yield `${name}${braces(set)} ${formatNumber(sample.value)}\n`
    }
  }
}

interface HistogramSeries {
  readonly labels: string
  readonly counts: number[]
  sum: number
  exemplars: string[] | undefined
}

export class Histogram implements Family {
  readonly definition: MetricDefinition
  readonly #bounds: readonly number[]
  readonly #series: SeriesMap<HistogramSeries>

  constructor(definition: MetricDefinition, onOverflow: () => void) {
    this.definition = definition
    this.#bounds = definition.buckets ?? []
    const buckets = this.#bounds.length + 1
    const create = (labels: string) => ({ labels, counts: zeros(buckets), sum: 0, exemplars: undefined })
    this.#series = new SeriesMap<HistogramSeries>(definition.labels, create, onOverflow)
  }

  observe(labels: Labels, value: number, exemplar?: Exemplar): void {
    const series = this.#series.get(labels)
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket++
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sum += value
    if (exemplar === undefined) return
    series.exemplars ??= []
    series.exemplars[bucket] = ` # {trace_id="${exemplar.traceId}"} ${formatNumber(value)} ${exemplar.timestamp}`
  }

  /** @param tally over the same bounds as this histogram's. */
  add(labels: Labels, tally: Tally): void {
    const series = this.#series.get(labels)
    tally.counts.forEach((count, bucket) => (series.counts[bucket] = (series.counts[bucket] ?? 0) + count))
    series.sum += tally.sum
  }

  *series(exemplars: boolean): Iterable<string> {
    const { name } = this.definition
    for (const { labels, counts, sum, exemplars: known } of this.#series) {
      const before = labels === '' ? '' : `${labels},`
      let total = 0
      let text = ''
      counts.forEach((count, bucket) => {
        total += count
        const le = bucket === this.#bounds.length ? '+Inf' : String(this.#bounds[bucket])
        text += `${name}_bucket{${before}le="${le}"} ${total}${exemplars ? (known?.[bucket] ?? '') : ''}\n`
      })
      const set = braces(labels)
      yield `${text}${name}_sum${set} ${formatNumber(sum)}\n${name}_count${set} ${total}\n`
    }
  }
}

function zeros(length: number): number[] {
  return Array.from({ length }, () => 0)
}

function braces(labelSet: string): string {
  return labelSet === '' ? '' : `{${labelSet}}`
}

export function formatNumber(value: number): string {
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}
