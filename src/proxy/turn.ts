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

/** Whose turn it is, by where each part of an exchange stands. */
export function turnOf(
  client: { readonly over: boolean; readonly mayRead: boolean },
  upload: { readonly holding: boolean; readonly ended: boolean; readonly blocked: boolean },
  dial: { readonly connecting: boolean; readonly request: unknown },
  download: { readonly blocked: boolean; readonly complete: boolean } | undefined,
): Turn {
  if (client.over || download?.blocked === true) return client.mayRead ? 'reading' : 'nothing'
  if (download !== undefined) return download.complete ? 'nothing' : 'response'
  if (upload.holding) return 'upload'
  if (dial.connecting) return 'connect'
  if (dial.request === undefined) return 'nothing' // it waits to connect again
  if (upload.ended) return 'first-byte'
  return upload.blocked ? 'taking' : 'upload'
}

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
