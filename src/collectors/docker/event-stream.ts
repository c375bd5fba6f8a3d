import { LineReader } from '../../ollama/lines.ts'
import type { DockerApi } from './api.ts'
import { parseEventLine, sinceOf, type EventLine } from './event-line.ts'

/** More than the 256 events that a daemon keeps, and sends again. */
const MAX_SEEN = 1024
const DISCOVER_MS = 10_000
const MIN_WAIT_MS = 1000
const MAX_WAIT_MS = 30_000

export interface EventStreamOptions {
  readonly api: DockerApi
  /** Nanoseconds since 1970: where the stream starts. */
  readonly since: string
  /** The event at `since` itself was told by an earlier process. */
  readonly sinceIsTold: boolean
  readonly random: () => number
  readonly wait: (ms: number, signal: AbortSignal) => Promise<unknown>
  /** Looks for the containers again, since some may have been started, or events may have been lost. */
  readonly discover: (signal: AbortSignal) => Promise<unknown>
  readonly tell: (event: EventLine) => void
  readonly note: (topic: string, message: string | undefined) => void
}

/** Follows the events of all containers until it and the API are closed, each one told once and in order. */
export function followEvents(options: EventStreamOptions): { close: () => void } {
  const closing = new AbortController()
  const reader = createReader(options)
  void followUntil(closing.signal, reader, options)
  return { close: () => closing.abort() }
}

async function followUntil(closing: AbortSignal, reader: Reader, options: EventStreamOptions): Promise<void> {
  const isClosed = () => closing.aborted
  let failures = 0
  for (let attempt = 0; !isClosed(); attempt++) {
    try {
      await followOnce(reader, attempt > 0, () => (failures = 0), options)
    } catch (error) {
      if (isClosed()) return
      options.note('events', `Docker's events cannot be followed, so OOM kills may be missed: ${messageOf(error)}`)
    }
    failures += 1
    await options.wait(waitMs(failures, options.random), closing).catch(() => undefined)
  }
}

/** Milliseconds until the next attempt: from one second on, spread up to twice as far with each failure. */
export function waitMs(failures: number, random: () => number): number {
  const limit = Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** failures)
  return MIN_WAIT_MS + random() * (limit - MIN_WAIT_MS)
}

async function followOnce(
  reader: Reader,
  reconnected: boolean,
  onBytes: () => void,
  { api, discover, note }: EventStreamOptions,
): Promise<void> {
  const attempt = new AbortController()
  try {
    // Podman sends nothing before the first event, not even a head: it is not waited for.
    const opening = api.events(sinceOf(reader.position()), attempt.signal)
    const [stream] = await Promise.all([opening, reconnected ? discover(AbortSignal.timeout(DISCOVER_MS)) : undefined])
    note('events', undefined)
    for await (const bytes of stream) {
      onBytes()
      if (Buffer.isBuffer(bytes)) await reader.push(bytes)
    }
  } finally {
    attempt.abort()
    reader.cut()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

interface Reader {
  /** The time of the last event that was handled. */
  readonly position: () => string
  /** Takes the next bytes of the stream, and handles the events that end in them. */
  readonly push: (bytes: Buffer) => Promise<void>
  /** The stream broke off: the rest of a line is none. */
  readonly cut: () => void
}

function createReader({ since, sinceIsTold, discover, tell }: EventStreamOptions): Reader {
  const seen = new Set<string>()
  let position = since
  let events: EventLine[] = []
  const createLines = () =>
    new LineReader({
      line(bytes, start, end) {
        const event = parseEventLine(bytes.toString('utf8', start, end))
        if (event !== undefined) events.push(event)
      },
      // No event is as long as that.
      longLine: () => undefined,
      longLineEnd: () => undefined,
    })
  let lines = createLines()

  const isNew = ({ id, action, timeNano }: EventLine) => {
    if (sinceIsTold && BigInt(timeNano) <= BigInt(since)) return false
    return !seen.has(`${id} ${action} ${timeNano}`)
  }
  const mark = ({ id, action, timeNano }: EventLine) => {
    position = timeNano
    seen.add(`${id} ${action} ${timeNano}`)
    for (const oldest of seen) if (seen.size > MAX_SEEN) seen.delete(oldest)
  }
  return {
    position: () => position,
    async push(bytes) {
      lines.push(bytes)
      const arrived = events
      events = []
      // A container that starts may be one that nobody knows yet. One look serves all that came at once.
      let looked = false
      for (const event of arrived) {
        if (!isNew(event)) continue
        if (event.action === 'start' && !looked) {
          await discover(AbortSignal.timeout(DISCOVER_MS))
          looked = true
        }
        mark(event)
        tell(event)
      }
    },
    cut() {
      lines = createLines()
      events = []
    },
  }
}
