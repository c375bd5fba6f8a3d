import type { Usage } from './facts.ts'
import type { RequestFacts } from './request.ts'
import type { Verdict } from './outcome.ts'
import type { Endpoint } from './endpoints.ts'

/** One request and its response, when both are over: all that metrics, receipts and the status page are made of. */
export interface Exchange {
  readonly requestId: string
  /** From a valid `traceparent`: 32 hexadecimal digits. */
  readonly traceId: string | undefined
  readonly method: string
  readonly endpoint: Endpoint
  /** The decoded path, without query. */
  readonly path: string
  readonly model: RequestFacts['model']
  /** What the request asked for, with the endpoint's default; `undefined` where the endpoint never streams. */
  readonly stream: boolean | undefined
  /** What the client got; 499 where it left before the headers. */
  readonly status: number
  readonly verdict: Verdict
  /** Seconds from the request's head to the end of the exchange, on a monotonic clock. */
  readonly durationSeconds: number
  /** Seconds from the request's head to the first token; streams only. */
  readonly timeToFirstTokenSeconds: number | undefined
  /** Seconds until an upstream connection had the request's head; `undefined` where none ever had. */
  readonly overheadSeconds: number | undefined
  readonly usage: Usage
  readonly chunks: number
  /** Bytes of the bodies, without framing. */
  readonly requestBytes: number
  readonly responseBytes: number
}

/** Where an exchange stands that is not over yet. */
export type Phase = 'waiting' | 'streaming'
