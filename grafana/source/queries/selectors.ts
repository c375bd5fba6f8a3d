const TARGET = ['job=~"$job"', 'instance=~"$instance"']
/** Outcomes that spend the error budget, and those that count at all (docs/METRICS.md). */
export const BAD = 'outcome=~"rejected|timeout|truncated|error"'
export const COUNTED = 'outcome!~"caller_error|denied|client_abort"'

export function ofTarget(metric: string, ...more: readonly string[]): string {
  return `${metric}{${[...TARGET, ...more].join(',')}}`
}

export function ofModel(metric: string, ...more: readonly string[]): string {
  return ofTarget(metric, 'model=~"$model"', ...more)
}

/** What Prometheus records itself has no label but those it is by. */
export function ofRecorded(metric: string): string {
  return `${metric}{instance=~"$instance"}`
}

export function ofContainer(metric: string, ...more: readonly string[]): string {
  return ofTarget(metric, 'name=~"$container"', ...more)
}

/** Alerts; one without an instance, such as one for what is absent, belongs to all. */
export function firing(...more: readonly string[]): string {
  return `ALERTS{${['alertstate="firing"', 'instance=~"$instance|"', ...more].join(',')}}`
}

export function rate(series: string, window = '$__rate_interval'): string {
  return `rate(${series}[${window}])`
}

export function increase(series: string, window = '$__rate_interval'): string {
  return `increase(${series}[${window}])`
}

export function sumBy(labels: string, series: string): string {
  return `sum by (${labels}) (${series})`
}

/** A quantile of a histogram over all labels but these. */
export function quantile(q: number, labels: string, buckets: string, window = '$__rate_interval'): string {
  const by = labels === '' ? 'le' : `le, ${labels}`
  return `histogram_quantile(${q}, ${sumBy(by, rate(buckets, window))})`
}

/** How fast models write, of the requests that tell both: OpenAI's formats have tokens and no times. */
export function decodeRate(labels: string, tokens: string, seconds: string): string {
  const timed = `${rate(tokens)} and on (instance, model, endpoint) ${rate(seconds)} > 0`
  return `${sumBy(labels, timed)} / (${sumBy(labels, rate(seconds))} > 0)`
}

/** A part of a whole. Without anything there is no value; without any part it is 0, although the part has no series. */
export function share(labels: string, part: string, whole: string): string {
  return partOf(labels, sumBy(labels, part), sumBy(labels, whole))
}

export function partOf(labels: string, part: string, whole: string): string {
  return `(${part} or on (${labels}) 0 * ${whole}) / (${whole} > 0)`
}
