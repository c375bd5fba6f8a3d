import type { Usage } from './facts.ts'
import type { Gaps } from './gaps.ts'
import type { RequestFacts } from './request.ts'
import type { Verdict } from './outcome.ts'
import type { Endpoint } from './endpoints.ts'
import type { InferencePhase } from './phase.ts'

/** One request and its response, when both are over: all that metrics, receipts and the status page are made of. */
export interface Exchange {
  readonly requestId: string
  /** From a valid `traceparent`, or of the trace that began here: 32 hexadecimal digits. */
  readonly traceId: string | undefined
  /** What called, by a valid `traceparent`. */
  readonly parent: TraceParent | undefined
  /** Whose token it came with; `undefined` where none was asked for, or none was good. */
  readonly client: string | undefined
  readonly method: string
  readonly endpoint: Endpoint
  /** The decoded path, without query. */
  readonly path: string
  readonly request: RequestFacts
  /** What the request asked for, with the endpoint's default; `undefined` where the endpoint never streams. */
  readonly stream: boolean | undefined
  /** What the client got; 499 where it left before the headers. */
  readonly status: number
  readonly verdict: Verdict
  /** What the client gave up on, where it left a request that runs a model. */
  readonly abortPhase: InferencePhase | undefined
  /** When it was asked, its model was not loaded and nobody else had asked for it. */
  readonly coldStart: boolean
  readonly retries: Retries
  /** Seconds from the request's head to the end of the exchange, on a monotonic clock. */
  readonly durationSeconds: number
  /** Seconds from the request's head to the first token; streams only. */
  readonly timeToFirstTokenSeconds: number | undefined
  /** Seconds until an upstream connection had the request's head; `undefined` where none ever had. */
  readonly overheadSeconds: number | undefined
  readonly usage: Usage
  readonly chunks: number
  readonly gaps: Gaps | undefined
  /** Bytes of a model that a pull or a push was seen to move. */
  readonly transferredBytes: number | undefined
  /** Why a body that holds numbers could not be read. */
  readonly unread: { readonly request: Unread | undefined; readonly response: Unread | undefined }
  /** Bytes of the bodies, without framing. */
  readonly requestBytes: number
  readonly responseBytes: number
}

/** The span that caused a request. https://www.w3.org/TR/trace-context/#traceparent-header */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
  /** Whether its trace is kept. */
  readonly sampled: boolean
}

/** `coding`: in a Content-Encoding that is not read, `size`: too large to be decoded, or broken, `type`: of an unknown type. */
export type Unread = 'coding' | 'size' | 'type'

type RetryResult = 'success' | 'failure'

/** What became of the tries beside the first. */
export interface Retries {
  /** Of connecting, each. */
  readonly connect: readonly RetryResult[]
  /** Of a request whose kept connection turned out to be closed; it is tried once. */
  readonly stale: RetryResult | undefined
}

export const NO_RETRIES: Retries = { connect: [], stale: undefined }
