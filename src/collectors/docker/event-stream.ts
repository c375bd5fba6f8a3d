import type { DockerApi } from './api.ts'
import { sinceOf } from './event-line.ts'
import { createEventReader, type EventReader, type EventReaderOptions } from './event-reader.ts'

const MIN_WAIT_MS = 1000
const MAX_WAIT_MS = 30_000

export interface EventStreamOptions extends EventReaderOptions {
  readonly api: DockerApi
  readonly random: () => number
  readonly wait: (ms: number, signal: AbortSignal) => Promise<unknown>
  readonly note: (topic: string, message: string | undefined) => void
}

/** Follows the events of all containers until it and the API are closed, each one told once and in order. */
export function followEvents(options: EventStreamOptions): { close: () => void } {
  const closing = new AbortController()
  void followUntil(closing.signal, options)
  return { close: () => closing.abort() }
}

async function followUntil(closing: AbortSignal, options: EventStreamOptions): Promise<void> {
  const reader = createEventReader(options)
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
function waitMs(failures: number, random: () => number): number {
  const limit = Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** failures)
  return MIN_WAIT_MS + random() * (limit - MIN_WAIT_MS)
}

async function followOnce(
  reader: EventReader,
  reconnected: boolean,
  onBytes: () => void,
  { api, discover, note }: EventStreamOptions,
): Promise<void> {
  const attempt = new AbortController()
  try {
    // Podman sends nothing before the first event, not even a head: it is not waited for.
    const opening = api.events(sinceOf(reader.position()), attempt.signal)
    const [stream] = await Promise.all([opening, reconnected ? discover() : undefined])
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
