type MetricKind = 'counter' | 'gauge' | 'histogram'

/** One metric family of the catalogue. Names, types and labels are a contract with dashboards and alerts. */
export interface MetricDefinition<T extends MetricKind = MetricKind> {
  readonly name: string
  readonly type: T
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram, in the unit of its name. */
  readonly buckets?: readonly number[]
}

export function counter(name: string, help: string, labels: readonly string[] = []): MetricDefinition<'counter'> {
  return { name, type: 'counter', help, labels }
}

export function gauge(name: string, help: string, labels: readonly string[] = []): MetricDefinition<'gauge'> {
  return { name, type: 'gauge', help, labels }
}

export function histogram(
  name: string,
  help: string,
  labels: readonly string[],
  buckets: readonly number[],
): MetricDefinition<'histogram'> {
  return { name, type: 'histogram', help, labels, buckets }
}
