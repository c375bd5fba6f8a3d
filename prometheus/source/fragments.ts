/**
 * How many events a counter saw in a window, by these labels. `increase()` does not see the first event of a series that
 * begins with it: of one that was not there when the window began, while its process was, all that it counted is new. It
 * also reckons to the ends of the window, which gives fractions.
 */
export function events(counter: string, window: string, by: string): string {
  const isNew = `max_over_time(${counter}[${window}]) unless ${counter} offset ${window}`
  const isWatched = `on (instance) ollama_active_requests offset ${window}`
  return `round(sum by (${by}) (
  (${isNew} and ${isWatched}) > increase(${counter}[${window}])
  or
  increase(${counter}[${window}])
))`
}

/** The same of a counter that begins at 0. */
export function presetEvents(counter: string, window: string, by: string): string {
  return `round(sum by (${by}) (increase(${counter}[${window}])))`
}

/**
 * How much a count of the kernel's rose in ten minutes, or while nobody looked, up to an hour. It can fall, where a
 * collector begins that does not know all of the past: `increase()` would take that for a reset, and what is left for new.
 */
export function rise(count: string): string {
  const now = `last_over_time(${count}[1m])`
  return [
    `${now} - min_over_time(${count}[10m]) > 0`,
    'or',
    `${now} - last_over_time(${count}[1h] offset 10m) > 0`,
  ].join('\n')
}

/** Indents the lines of an inner expression. */
export function indent(expr: string): string {
  return expr.replaceAll(/^/gm, '  ')
}

/** A quantile of a histogram by these labels. */
export function quantile(q: number, histogram: string, window: string, by: string): string {
  return `histogram_quantile(${q}, sum by (${by}, le) (rate(${histogram}_bucket[${window}])))`
}
