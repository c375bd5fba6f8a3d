/** Where one exchange under way stands. Times are monotonic milliseconds. */
export interface Progress {
  /** It is the upstream's turn: the request is through, and the client takes what comes. */
  readonly awaitsUpstream: boolean
  /** When the last byte of the request went, or the last of the response came. */
  readonly lastMs: number
  /** The answer is a stream, and has begun. */
  readonly streaming: boolean
}

/** Streams that had their first chunk and then nothing for so long. A client that does not read stalls nobody. */
export function countStalled(exchanges: readonly Progress[], nowMs: number, afterMs: number): number {
  return exchanges.filter((one) => one.streaming && one.awaitsUpstream && nowMs - one.lastMs >= afterMs).length
}

/**
 * Seconds in which requests waited for the upstream and nothing at all came from it; 0 while nobody waits. One long
 * prefill or queue is no silence as long as anything else moves.
 * @param heardMs when the upstream last sent a byte, ended an exchange or changed its models
 */
export function upstreamSilenceSeconds(exchanges: readonly Progress[], nowMs: number, heardMs: number): number {
  const waiting = exchanges.filter((one) => one.awaitsUpstream).map((one) => one.lastMs)
  if (waiting.length === 0) return 0
  return Math.max(0, nowMs - Math.max(heardMs, Math.min(...waiting))) / 1000
}
