/**
 * Makes of a call that nothing can interrupt one that can be given up: it gives `undefined` when the signal aborts,
 * and while an earlier call is still under way. A network file system that hangs holds one thread then, not all.
 */
export function oneAtATime<T>(call: () => Promise<T>): (signal: AbortSignal) => Promise<T | undefined> {
  let busy = false
  return async (signal) => {
    if (busy || signal.aborted) return undefined
    busy = true
    const done = call().finally(() => (busy = false))
    const { promise: givenUp, resolve } = Promise.withResolvers<undefined>()
    const giveUp = () => resolve(undefined)
    signal.addEventListener('abort', giveUp)
    try {
      return await Promise.race([done, givenUp])
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }
}
