/** What is said of a metric beside its definition. */
export interface Doc {
  /** Where the number comes from. */
  readonly source: string
  /** A query that is worth asking. */
  readonly query: string
}

export const rate = (name: string) => `rate(${name}[5m])`
export const p95 = (name: string, by: string) =>
  `histogram_quantile(0.95, sum by (le, ${by}) (${rate(`${name}_bucket`)}))`
