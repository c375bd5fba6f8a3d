import pino, { type Logger } from 'pino'
import pretty from 'pino-pretty'

export type { Logger }

export interface LogSink {
  readonly logger: Logger
  /** Writes what is buffered, or gives up after `timeoutMs`: a reader that never reads must not hold up the end. */
  readonly flush: (timeoutMs: number) => Promise<void>
}

export interface LogOptions {
  readonly level: string
  readonly format: 'json' | 'pretty'
  /** File descriptor; 1 is stdout. */
  readonly fd: number
  readonly onDrop: () => void
}

/** What may wait for a slow reader of stdout. Beyond it lines are dropped, and counted: no stream ever waits for a log. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024

/** JSON lines with `time` (ISO 8601), `level` in words and `msg`. */
export function createLogger(options: LogOptions): LogSink {
  // With a minLength of 0 its flush() would not wait for what is on its way.
  const destination = pino.destination({ dest: options.fd, sync: false, minLength: 1, maxLength: MAX_BUFFERED_BYTES })
  destination.on('drop', options.onDrop)
  destination.on('error', options.onDrop) // the reader is gone
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const logger =
    options.format === 'pretty' ? pino(settings, pretty({ destination, colorize: true })) : pino(settings, destination)
  return {
    logger,
    flush: (timeoutMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, timeoutMs)
        destination.flush(() => {
          clearTimeout(timer)
          resolve()
        })
      }),
  }
}
