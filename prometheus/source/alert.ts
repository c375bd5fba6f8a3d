/** Who is told: `critical` pages, `warning` makes a ticket, `info` only shows, `none` is for machines. */
type Severity = 'critical' | 'warning' | 'info' | 'none'

export interface Alert {
  readonly name: string
  readonly expr: string
  /** How long it has to be so; left out, the first time counts. */
  readonly for?: string
  /** How long it goes on after it was so last. */
  readonly keepFiringFor?: string
  readonly severity: Severity
  /** Labels beside the severity, where several rules have one name. */
  readonly labels?: Readonly<Record<string, string>>
  readonly summary: string
  /** Names what it is about, and the value. */
  readonly description: string
  /** The uid of the dashboard that shows it. */
  readonly dashboard: 'ollama-overview' | 'ollama-models' | 'ollama-gpu-host' | 'ollama-slo'
}
