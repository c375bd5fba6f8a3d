/** Grafana's names. A source that is dead is loud, and looks like nothing else. */
export const COLOURS = {
  good: 'green',
  warn: 'orange',
  bad: 'red',
  noData: 'purple',
  quiet: 'blue',
  idle: 'text',
} as const
