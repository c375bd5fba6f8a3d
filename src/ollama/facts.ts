import type { Gaps } from './gaps.ts'

/** What a response said of itself. Everything here was read off the wire; nothing is a guess. */
export interface ResponseFacts {
  /** The upstream's own reason for the end: `done_reason`, `finish_reason`. */
  reason: string | undefined
  /** The proper end was seen: `done: true`, `[DONE]`, or a whole JSON document that says it is done. */
  finished: boolean
  /** The upstream's error text, cut to 2 KiB; it is matched against a table and never logged. */
  errorText: string | undefined
  /** A first token came: content, thinking or a tool call that is not empty. */
  hasContent: boolean
  /** When that token's record was whole, in the milliseconds of the caller's clock; streams only. */
  firstTokenAtMs: number | undefined
  /** NDJSON lines or server-sent events, `[DONE]` not counted; 0 for an answer that does not stream. */
  chunks: number
  /** The times between the chunks behind the first token; streams of two chunks and more. */
  gaps: Gaps | undefined
  /** What a pull or a push told of its blobs, by digest. */
  transfers: Map<string, Transfer> | undefined
  readonly usage: Usage
}

/** Bytes of one blob. */
export interface Transfer {
  /** What was there when it was first told of. */
  readonly first: number
  completed: number
}

/** Tokens and durations (seconds) as the server reported them; absent where it did not. */
export interface Usage {
  inputTokens?: number | undefined
  cachedInputTokens?: number | undefined
  outputTokens?: number | undefined
  totalSeconds?: number | undefined
  loadSeconds?: number | undefined
  promptEvalSeconds?: number | undefined
  evalSeconds?: number | undefined
}

export function createFacts(): ResponseFacts {
  return {
    reason: undefined,
    finished: false,
    errorText: undefined,
    hasContent: false,
    firstTokenAtMs: undefined,
    chunks: 0,
    gaps: undefined,
    transfers: undefined,
    usage: {},
  }
}
