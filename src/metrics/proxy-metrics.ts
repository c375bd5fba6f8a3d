import { ERROR_TYPES } from '../ollama/outcome.ts'
import { PROXY } from './definitions.ts'
import type { Counter, Histogram } from './families.ts'
import type { MetricRegistry } from './registry.ts'

type Definitions = typeof PROXY
interface Recorded {
  counter: Counter
  histogram: Histogram
}

/** What is counted of exchanges, when they are over. */
export type ProxyMetrics = {
  readonly [K in keyof Definitions as Definitions[K]['type'] extends keyof Recorded ? K : never]: Recorded[Extract<
    Definitions[K]['type'],
    keyof Recorded
  >]
}

/** Values that are read when somebody asks for them. */
export interface LiveValues {
  readonly activeRequests: () => number
  readonly oldestRequestAgeSeconds: () => number
  readonly stalledRequests: () => number
  readonly upstreamSilenceSeconds: () => number
  /** What is read again when it changes. */
  readonly reloads: () => readonly { readonly name: string; readonly sound: boolean }[]
}

/** Adds what the proxy exports. */
export function addProxyMetrics({ counter, histogram, reading }: MetricRegistry, live: LiveValues): ProxyMetrics {
  const D = PROXY
  const value = (read: () => number) => () => [{ labels: {}, value: read() }]

  const metrics: ProxyMetrics = {
    requests: counter(D.requests),
    requestDuration: histogram(D.requestDuration),
    errors: counter(D.errors),
    requestBytes: counter(D.requestBytes),
    responseBytes: counter(D.responseBytes),
    overhead: histogram(D.overhead),
    inferenceRequests: counter(D.inferenceRequests),
    inferenceDuration: histogram(D.inferenceDuration),
    inferenceAborts: counter(D.inferenceAborts),
    timeToFirstToken: histogram(D.timeToFirstToken),
    timePerOutputToken: histogram(D.timePerOutputToken),
    interChunk: histogram(D.interChunk),
    tokens: counter(D.tokens),
    streamChunks: counter(D.streamChunks),
    promptTokens: histogram(D.promptTokens),
    responseTokens: histogram(D.responseTokens),
    responsesWithoutUsage: counter(D.responsesWithoutUsage),
    queueWait: histogram(D.queueWait),
    contextUtilization: histogram(D.contextUtilization),
    truncationsSuspected: counter(D.truncationsSuspected),
    prefillTokens: counter(D.prefillTokens),
    prefillSeconds: counter(D.prefillSeconds),
    loadDuration: histogram(D.loadDuration),
    promptEvalDuration: histogram(D.promptEvalDuration),
    evalDuration: histogram(D.evalDuration),
    transferDuration: histogram(D.transferDuration),
    transferBytes: counter(D.transferBytes),
    unreadBodies: counter(D.unreadBodies),
    clientRequests: counter(D.clientRequests),
    clientTokens: counter(D.clientTokens),
    connectRetries: counter(D.connectRetries),
    staleRetries: counter(D.staleRetries),
    connectionsRefused: counter(D.connectionsRefused),
    traceSpans: counter(D.traceSpans),
    observerErrors: counter(D.observerErrors),
  }
  reading(D.activeRequests, value(live.activeRequests))
  reading(D.oldestRequestAge, value(live.oldestRequestAgeSeconds))
  reading(D.stalledRequests, value(live.stalledRequests))
  reading(D.upstreamSilence, value(live.upstreamSilenceSeconds))
  reading(D.reloadSuccess, () =>
    live.reloads().map(({ name, sound }) => ({ labels: { file: name }, value: sound ? 1 : 0 })),
  )

  // `increase()` does not see the first event of a series that begins with it: begin at 0.
  for (const type of ERROR_TYPES) metrics.errors.inc({ error_type: type }, 0)
  metrics.observerErrors.inc({}, 0)
  for (const result of ['success', 'failure']) {
    metrics.connectRetries.inc({ result }, 0)
    metrics.staleRetries.inc({ result }, 0)
  }
  for (const reason of ['tls', 'limit']) metrics.connectionsRefused.inc({ reason }, 0)
  metrics.overhead.add({}, { counts: [], sum: 0 })
  return metrics
}
