/** The process, as far as a command may touch it. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts on SIGINT and SIGTERM. */
  readonly stop: AbortSignal
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  readonly isTerminal: boolean
  readonly nodeVersion: string
}
