import { matchEndpoint } from '../../src/ollama/endpoints.ts'
import type { Exchange } from '../../src/ollama/exchange.ts'

/** A chat that went well, but for what the test says. */
export function exchangeOf(details: Partial<Exchange> = {}): Exchange {
  return {
    requestId: 'r-1',
    traceId: undefined,
    method: 'POST',
    endpoint: matchEndpoint('/api/chat'),
    path: '/api/chat',
    model: { kind: 'named', name: 'gemma3:270m' },
    stream: true,
    status: 200,
    verdict: { outcome: 'stop' },
    durationSeconds: 1.5,
    timeToFirstTokenSeconds: 0.25,
    overheadSeconds: 0.001,
    usage: { inputTokens: 15, outputTokens: 24, loadSeconds: 0.1, promptEvalSeconds: 0.2, evalSeconds: 1.2 },
    chunks: 25,
    requestBytes: 100,
    responseBytes: 2000,
    ...details,
  }
}
