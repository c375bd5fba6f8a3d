/** One query of a panel. */
export interface Query {
  readonly expr: string
  /** Names what differs between the series. */
  readonly legend: string
  /** The value now; else the values over time. */
  readonly instant?: boolean
  readonly format?: 'time_series' | 'table' | 'heatmap'
  readonly exemplars?: boolean
  /** The smallest step, where a query over long windows need not be asked more often. */
  readonly step?: string
}

export function over(expr: string, legend: string): Query {
  return { expr, legend }
}

export function now(expr: string, legend: string): Query {
  return { expr, legend, instant: true }
}

/** The value now, a row for each series. */
export function row(expr: string): Query {
  return { expr, legend: '', instant: true, format: 'table' }
}

export function withExemplars(query: Query): Query {
  return { ...query, exemplars: true }
}
