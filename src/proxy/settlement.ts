import type { IncomingMessage } from 'node:http'
import { pathOf, runsModel, type Endpoint } from '../ollama/endpoints.ts'
import type { Exchange, Retries } from '../ollama/exchange.ts'
import { decideVerdict, type Verdict } from '../ollama/outcome.ts'
import { inferencePhase, type Standing } from '../ollama/phase.ts'
import { transferredBytes } from '../ollama/progress.ts'
import { modelNamed } from '../ollama/request.ts'
import { traceParentOf } from './headers.ts'
import type { Tap } from './tap.ts'

/** What the data path knows of a request when it is over. Times are monotonic milliseconds. */
export interface Transfer {
  readonly forward: {
    readonly requestId: string
    readonly endpoint: Endpoint
    readonly method: string
    readonly startMs: number
    readonly client: string | undefined
  }
  readonly req: IncomingMessage
  readonly tap: Tap
  readonly client: {
    /** What it got. */
    readonly status: number
    /** What the proxy itself decided. */
    readonly verdict: Verdict | undefined
    readonly left: boolean
    readonly cut: boolean
    /** Of the answer's body. */
    readonly bytes: number
  }
  /** When an upstream connection was ready for the request. */
  readonly connectedMs: number | undefined
  readonly endMs: number
  /** Where it stood when it ended. */
  readonly standing: Standing
  readonly coldStart: boolean
  readonly retries: Retries
  readonly requestBytes: number
}

/** Joins what the data path saw with what the observers read. */
export function toExchange(transfer: Transfer): Exchange {
  const { req, tap } = transfer
  const { requestId, endpoint, method, startMs, client } = transfer.forward
  const path = pathOf(req.url ?? '')
  const request =
    endpoint.names === 'path'
      ? { ...tap.requestFacts(), model: modelNamed(path.slice(path.lastIndexOf('/') + 1)) }
      : tap.requestFacts()
  const { facts, saysFinished } = tap.responseFacts()
  const secondsSinceStart = (ms: number | undefined) => (ms === undefined ? undefined : (ms - startMs) / 1000)
  const { status, left: clientLeft, cut, bytes } = transfer.client
  const verdict = decideVerdict({ verdict: transfer.client.verdict, clientLeft, cut, status, saysFinished }, facts)
  const parent = traceParentOf(req.headers.traceparent)
  const leftModel = verdict.outcome === 'client_abort' && runsModel(endpoint, method)
  return {
    requestId,
    traceId: parent?.traceId,
    parent,
    client,
    method,
    endpoint,
    path,
    request,
    stream: endpoint.streamsByDefault === undefined ? undefined : (request.stream ?? endpoint.streamsByDefault),
    status,
    verdict,
    abortPhase: leftModel ? inferencePhase(transfer.standing) : undefined,
    coldStart: transfer.coldStart,
    retries: transfer.retries,
    durationSeconds: (transfer.endMs - startMs) / 1000,
    timeToFirstTokenSeconds: secondsSinceStart(facts.firstTokenAtMs),
    overheadSeconds: secondsSinceStart(transfer.connectedMs),
    usage: facts.usage,
    chunks: facts.chunks,
    gaps: facts.gaps,
    transferredBytes: transferredBytes(facts.transfers),
    unread: tap.unread,
    requestBytes: transfer.requestBytes,
    responseBytes: bytes,
  }
}
