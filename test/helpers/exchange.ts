import { matchEndpoint } from '../../src/ollama/endpoints.ts'
import { NO_RETRIES, type Exchange } from '../../src/ollama/exchange.ts'
import { EMPTY_REQUEST, type RequestFacts } from '../../src/ollama/request.ts'

/** A chat that went well, but for what the test says. */
export function exchangeOf(details: Partial<Exchange> = {}): Exchange {
  return {
    requestId: 'r-1',
    traceId: undefined,
    parent: undefined,
    client: undefined,
    method: 'POST',
    endpoint: matchEndpoint('/api/chat'),
    path: '/api/chat',
    request: requestOf('gemma3:270m'),
    stream: true,
    status: 200,
    verdict: { outcome: 'stop' },
    abortPhase: undefined,
    coldStart: false,
    retries: NO_RETRIES,
    durationSeconds: 1.5,
    timeToFirstTokenSeconds: 0.25,
    overheadSeconds: 0.001,
    usage: { inputTokens: 15, outputTokens: 24, loadSeconds: 0.1, promptEvalSeconds: 0.2, evalSeconds: 1.2 },
    chunks: 25,
    gaps: undefined,
    transferredBytes: undefined,
    unread: { request: undefined, response: undefined },
    requestBytes: 100,
    responseBytes: 2000,
    ...details,
  }
}

/** A request for this model. */
export function requestOf(name: string, details: Partial<RequestFacts> = {}): RequestFacts {
  return { ...EMPTY_REQUEST, model: { kind: 'named', name }, ...details }
}
