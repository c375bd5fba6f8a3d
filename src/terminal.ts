/** The process, as far as a command may touch it. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts on SIGINT and SIGTERM. */
  readonly stop: AbortSignal
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  readonly isTerminal: boolean
  readonly nodeVersion: string
  readonly machineName: string
  /** How many files and connections the process may have open; `undefined` where that is not known. */
  readonly maxOpenFiles: number | undefined
  /** Who is told of an error that nobody caught. The process is stopped then, and ends with 1. */
  readonly onUncaught: (listener: (error: unknown) => void) => void
}
