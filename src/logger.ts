import { setTimeout } from 'node:timers/promises'
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

/** Lines leave together, after 100 ms at the latest: a system call for each would be most of what a receipt costs. */
const BATCH = { minLength: 16 * 1024 - 1, periodicFlush: 100 }

/** JSON lines with `time` (ISO 8601), `level` in words and `msg`. */
export function createLogger(options: LogOptions): LogSink {
  const destination = pino.destination({ dest: options.fd, ...BATCH, sync: false, maxLength: MAX_BUFFERED_BYTES })
  destination.on('drop', options.onDrop)
  destination.on('error', () => {
    // The reader is gone. From here on pino would drop lines without a word.
    options.onDrop()
    destination.write = () => {
      options.onDrop()
      return true
    }
  })
  // At the exit pino would write what is left and wait for ever for a reader that does not read, or is gone. What had to
  // leave was flushed before; of a crash the last lines may be lost.
  destination.flushSync = () => undefined
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
    async flush(timeoutMs) {
      const late = new AbortController()
      // Where a write is on its way, the first tells when that one is done, and only the second takes what came since.
      const flushed = flushOnce(destination).then(() => flushOnce(destination))
      await Promise.race([flushed, setTimeout(timeoutMs, undefined, { signal: late.signal, ref: false })])
      late.abort()
    },
  }
}

function flushOnce(destination: ReturnType<typeof pino.destination>): Promise<void> {
  return new Promise((resolve) => destination.flush(() => resolve()))
}
