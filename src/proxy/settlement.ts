import type { IncomingMessage } from 'node:http'
import { pathOf, runsModel, type Endpoint } from '../ollama/endpoints.ts'
import type { Exchange } from '../ollama/exchange.ts'
import { decideVerdict, type Verdict } from '../ollama/outcome.ts'
import { inferencePhase, type Standing } from '../ollama/phase.ts'
import { transferredBytes } from '../ollama/progress.ts'
import { modelNamed } from '../ollama/request.ts'
import { traceIdOf } from './headers.ts'
import type { Tap } from './tap.ts'

/** What the data path knows of a request when it is over. Times are monotonic milliseconds. */
export interface Transfer {
  readonly forward: {
    readonly requestId: string
    readonly endpoint: Endpoint
    readonly method: string
    readonly startMs: number
  }
  readonly req: IncomingMessage
  readonly tap: Tap
  readonly status: number
  /** What the proxy itself decided. */
  readonly verdict: Verdict | undefined
  readonly clientLeft: boolean
  readonly cut: boolean
  /** When an upstream connection was ready for the request. */
  readonly connectedMs: number | undefined
  readonly endMs: number
  /** Where it stood when it ended. */
  readonly standing: Standing
  readonly coldStart: boolean
  readonly requestBytes: number
  readonly responseBytes: number
}

/** Joins what the data path saw with what the observers read. */
export function toExchange(transfer: Transfer): Exchange {
  const { req, tap } = transfer
  const { requestId, endpoint, method, startMs } = transfer.forward
  const path = pathOf(req.url ?? '')
  const request =
    endpoint.names === 'path'
      ? { ...tap.requestFacts(), model: modelNamed(path.slice(path.lastIndexOf('/') + 1)) }
      : tap.requestFacts()
  const { facts, saysFinished } = tap.responseFacts()
  const secondsSinceStart = (ms: number | undefined) => (ms === undefined ? undefined : (ms - startMs) / 1000)
  const verdict = decideVerdict(
    {
      verdict: transfer.verdict,
      clientLeft: transfer.clientLeft,
      cut: transfer.cut,
      status: transfer.status,
      saysFinished,
    },
    facts,
  )
  const leftModel = verdict.outcome === 'client_abort' && runsModel(endpoint, method)
  return {
    requestId,
    traceId: traceIdOf(req.headers.traceparent),
    method,
    endpoint,
    path,
    request,
    stream: endpoint.streamsByDefault === undefined ? undefined : (request.stream ?? endpoint.streamsByDefault),
    status: transfer.status,
    verdict,
    abortPhase: leftModel ? inferencePhase(transfer.standing) : undefined,
    coldStart: transfer.coldStart,
    durationSeconds: (transfer.endMs - startMs) / 1000,
    timeToFirstTokenSeconds: secondsSinceStart(facts.firstTokenAtMs),
    overheadSeconds: secondsSinceStart(transfer.connectedMs),
    usage: facts.usage,
    chunks: facts.chunks,
    gaps: facts.gaps,
    transferredBytes: transferredBytes(facts.transfers),
    unread: tap.unread,
    requestBytes: transfer.requestBytes,
    responseBytes: transfer.responseBytes,
  }
}
