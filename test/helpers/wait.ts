import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 20

/**
 * Asks again and again until the answer is something else than `undefined` and `false`, and gives that.
 * Rejects after the deadline with what was waited for. An error of `look` ends it at once.
 */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`)
    await pause(POLL_MS)
  }
}
