/** How long each side may take. Milliseconds. */
export interface TimeLimits {
  readonly connectMs: number
  readonly firstByteMs: number
  readonly idleMs: number
  /** Of the whole exchange; `undefined` where it may last for ever. */
  readonly requestMs: number | undefined
}

/** What an exchange waits for. */
export type Turn =
  /** A connection to the upstream. */
  | 'connect'
  /** The client's body. */
  | 'upload'
  /** The upstream, to take the body. */
  | 'taking'
  /** The head of the upstream's response. */
  | 'first-byte'
  /** More of the upstream's response. */
  | 'response'
  /** The client, to take the response. */
  | 'reading'
  /** Something that has no limit of its own. */
  | 'nothing'

/** Milliseconds that a turn may last without any progress. */
export function limitOf(turn: Turn, limits: TimeLimits): number {
  switch (turn) {
    case 'connect':
      return limits.connectMs
    case 'first-byte':
      return limits.firstByteMs
    case 'nothing':
      return Infinity
    default:
      return limits.idleMs
  }
}

/** How often to look whether a limit is over, so that none is overstepped by much. */
export function lookEveryMs(shortestMs: number): number {
  return Math.min(1000, Math.max(5, Math.floor(shortestMs / 10)))
}
