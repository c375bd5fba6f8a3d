const WINDOW_MS = 60_000
const BURST_MS = 1_000
const MAX_CLIENTS = 10_000

/** Requests admitted within a second. They leave the window together, with the last of them. */
interface Burst {
  readonly firstMs: number
  lastMs: number
  count: number
}

/**
 * Admits a client's request, or gives the whole seconds, at least 1, after which the next one is admitted.
 * In no 60 seconds are more than `perMinute` admitted; what is denied does not count. A client's requests of one second
 * are kept as one, so that a minute of any rate is some 60 entries, and 10,000 clients are kept: the one that was not
 * seen for longest is forgotten.
 * @param now milliseconds, monotonic
 */
export function createRateLimit(perMinute: number, now: () => number): (client: string) => number | undefined {
  /** In the order in which they were last seen. */
  const clients = new Map<string, Burst[]>()

  const seen = (client: string): Burst[] => {
    const bursts = clients.get(client) ?? []
    clients.delete(client)
    if (clients.size >= MAX_CLIENTS) clients.delete(clients.keys().next().value ?? '')
    clients.set(client, bursts)
    return bursts
  }

  return (client) => {
    const nowMs = now()
    const bursts = seen(client)
    while (bursts[0] !== undefined && bursts[0].lastMs + WINDOW_MS <= nowMs) bursts.shift()
    const [oldest] = bursts
    const admitted = bursts.reduce((sum, { count }) => sum + count, 0)
    if (oldest !== undefined && admitted >= perMinute) return Math.ceil((oldest.lastMs + WINDOW_MS - nowMs) / 1000)
    const latest = bursts.at(-1)
    if (latest !== undefined && nowMs < latest.firstMs + BURST_MS) {
      latest.lastMs = nowMs
      latest.count += 1
    } else bursts.push({ firstMs: nowMs, lastMs: nowMs, count: 1 })
    return undefined
  }
}
