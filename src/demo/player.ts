import type { Socket } from 'node:net'

import type { Recording } from './recordings.ts'
import type { Plan } from './wire.ts'

/** The clock and the waits, so that a test can hold them. */
export interface Timers {
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** Resolves after `ms` milliseconds, or as soon as the signal aborts; leaves no timer behind. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
}

export interface Tempo {
  /** How many times faster than recorded; Infinity does not wait at all. */
  readonly speed: number
  readonly timers: Timers
  /** Asked before each chunk; the chunk is written when it resolves. */
  readonly gate?: ((recording: Recording, chunkIndex: number) => Promise<void>) | undefined
}

export const realTimers: Timers = {
  now: () => performance.now(),
  wait: (ms, signal) =>
    new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', finish)
        resolve()
      }
      const timer = setTimeout(finish, ms)
      signal.addEventListener('abort', finish)
      if (signal.aborted) finish()
    }),
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function drained(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      socket.off('drain', finish)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    socket.on('drain', finish)
    signal.addEventListener('abort', finish)
    if (signal.aborted) finish()
  })
}

/** Resolves when what was written is with the kernel: a reset throws away what is not. */
function flushed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.writableLength === 0) resolve()
    else socket.write('', () => resolve())
  })
}

/**
 * Writes the chunks of a plan at their recorded times, counted from now, one write for each, and ends as recorded.
 *
 * True when all is written and the end, which a persistent plan has none of, is made; false as soon as the signal
 * aborts, which says that the client left. A client that does not read is waited for.
 */
export async function play(
  recording: Recording,
  plan: Plan,
  socket: Socket,
  tempo: Tempo,
  left: AbortSignal,
): Promise<boolean> {
  const { speed, timers, gate } = tempo
  const start = timers.now()
  const gone = gate && aborted(left)
  const waitUntil = async (atMs: number) => {
    const ms = atMs / speed - (timers.now() - start)
    if (ms > 0) await timers.wait(ms, left)
  }

  for (const [index, { atMs, bytes }] of plan.chunks.entries()) {
    if (speed !== Infinity) await waitUntil(atMs)
    if (gate !== undefined) await Promise.race([gate(recording, index), gone])
    if (left.aborted) return false
    if (!socket.write(bytes)) await drained(socket, left)
  }
  if (plan.persistent) return true

  const { end, durationMs } = recording.response
  if (end === 'client_destroyed') {
    await aborted(left)
    return false
  }
  if (speed !== Infinity) await waitUntil(durationMs)
  if (left.aborted) return false
  if (end === 'fin') {
    socket.end()
    return true
  }
  await flushed(socket)
  socket.resetAndDestroy()
  return true
}
