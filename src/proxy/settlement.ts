import { pathOf, type Endpoint } from '../ollama/endpoints.ts'
import type { Exchange } from '../ollama/exchange.ts'
import { decideVerdict, type Verdict } from '../ollama/outcome.ts'
import { traceIdOf } from './headers.ts'
import type { Tap } from './tap.ts'

/** What the data path knows of a request when it is over. Times are monotonic milliseconds. */
export interface Transfer {
  readonly requestId: string
  readonly endpoint: Endpoint
  readonly method: string
  /** The request target as it came. */
  readonly target: string
  readonly traceparent: string | string[] | undefined
  readonly tap: Tap
  readonly status: number
  /** What the proxy itself decided. */
  readonly verdict: Verdict | undefined
  readonly clientLeft: boolean
  readonly cut: boolean
  readonly startMs: number
  /** When an upstream connection was ready for the request. */
  readonly connectedMs: number | undefined
  readonly endMs: number
  readonly requestBytes: number
  readonly responseBytes: number
}

/** Joins what the data path saw with what the observers read. */
export function toExchange(transfer: Transfer): Exchange {
  const { endpoint, startMs } = transfer
  const request = transfer.tap.requestFacts()
  const { facts, saysFinished } = transfer.tap.responseFacts()
  const secondsSinceStart = (ms: number | undefined) => (ms === undefined ? undefined : (ms - startMs) / 1000)
  return {
    requestId: transfer.requestId,
    traceId: traceIdOf(transfer.traceparent),
    method: transfer.method,
    endpoint,
    path: pathOf(transfer.target),
    model: request.model,
    stream: endpoint.streamsByDefault === undefined ? undefined : (request.stream ?? endpoint.streamsByDefault),
    status: transfer.status,
    verdict: decideVerdict(
      {
        verdict: transfer.verdict,
        clientLeft: transfer.clientLeft,
        cut: transfer.cut,
        status: transfer.status,
        saysFinished,
      },
      facts,
    ),
    durationSeconds: (transfer.endMs - startMs) / 1000,
    timeToFirstTokenSeconds: secondsSinceStart(facts.firstTokenAtMs),
    overheadSeconds: secondsSinceStart(transfer.connectedMs),
    usage: facts.usage,
    chunks: facts.chunks,
    requestBytes: transfer.requestBytes,
    responseBytes: transfer.responseBytes,
  }
}
