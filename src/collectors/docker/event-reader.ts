import { LineReader } from '../../ollama/lines.ts'
import { parseEventLine, type EventLine } from './event-line.ts'

/** More than the 256 events that a daemon keeps, and sends again. */
const MAX_SEEN = 1024

export interface EventReaderOptions {
  /** Nanoseconds since 1970: where the first stream starts. */
  readonly since: string
  /** The event at `since` itself was told by an earlier process. */
  readonly sinceIsTold: boolean
  /** Looks for the containers again: some may have been started, or events may have been lost. */
  readonly discover: () => Promise<unknown>
  /** Takes the events in order, each once. */
  readonly tell: (event: EventLine) => void
}

/** Makes events of the bytes of one stream after another. */
export interface EventReader {
  /** The time of the last event that was handled. */
  readonly position: () => string
  /** Takes the next bytes of the stream, and handles the events that end in them. */
  readonly push: (bytes: Buffer) => Promise<void>
  /** The stream broke off: the rest of a line is none. */
  readonly cut: () => void
}

export function createEventReader({ since, sinceIsTold, discover, tell }: EventReaderOptions): EventReader {
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
    for (const oldest of seen) {
      if (seen.size <= MAX_SEEN) break
      seen.delete(oldest)
    }
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
          await discover()
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
