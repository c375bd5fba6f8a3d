import { contextUsed, knownPrefill, slotWaitSeconds, suspectsTruncation } from '../ollama/derived.ts'
import { runsModel } from '../ollama/endpoints.ts'
import type { Exchange } from '../ollama/exchange.ts'
import { FAULTS } from '../ollama/outcome.ts'
import type { Counter, Exemplar, Histogram } from './families.ts'
import { methodLabel, type ModelLabels } from './labels.ts'
import type { ProxyMetrics } from './proxy-metrics.ts'
import type { Labels } from './series.ts'

/**
 * Counts one exchange, when it is over.
 * @param contextLength tokens with which the exchange's model ran, where that is known
 * @param endedAt seconds since 1970
 */
export function recordExchange(
  metrics: ProxyMetrics,
  models: ModelLabels,
  exchange: Exchange,
  contextLength: number | undefined,
  endedAt: number,
): void {
  const { traceId } = exchange
  const exemplar = traceId === undefined ? undefined : { traceId, timestamp: endedAt }
  recordHttp(metrics, exchange, exemplar)
  if (runsModel(exchange.endpoint, exchange.method)) {
    recordInference(metrics, models, exchange, contextLength, exemplar)
  } else if (exchange.endpoint.transfersModel && exchange.method === exchange.endpoint.method) {
    recordTransfer(metrics, exchange)
  }
}

function recordHttp(metrics: ProxyMetrics, exchange: Exchange, exemplar: Exemplar | undefined): void {
  const endpoint = exchange.endpoint.label
  const route = { method: methodLabel(exchange.method), endpoint, status: String(exchange.status) }
  metrics.requests.inc(route)
  metrics.requestDuration.observe(route, exchange.durationSeconds, exemplar)
  metrics.requestBytes.inc({ endpoint }, exchange.requestBytes)
  metrics.responseBytes.inc({ endpoint }, exchange.responseBytes)
  if (exchange.overheadSeconds !== undefined) metrics.overhead.observe({}, exchange.overheadSeconds)
  const { errorType } = exchange.verdict
  if (errorType !== undefined) metrics.errors.inc({ error_type: errorType })
  for (const result of exchange.retries.connect) metrics.connectRetries.inc({ result })
  if (exchange.retries.stale !== undefined) metrics.staleRetries.inc({ result: exchange.retries.stale })
  const { request, response } = exchange.unread
  if (request !== undefined) metrics.unreadBodies.inc({ direction: 'request', reason: request })
  if (response !== undefined) metrics.unreadBodies.inc({ direction: 'response', reason: response })
}

/** Counts one exchange for the client whose token it came with. */
export function recordClient(metrics: ProxyMetrics, { client, verdict, usage }: Exchange): void {
  if (client === undefined) return
  metrics.clientRequests.inc({ client, outcome: verdict.outcome })
  count(metrics.clientTokens, { client, type: 'input' }, usage.inputTokens)
  count(metrics.clientTokens, { client, type: 'output' }, usage.outputTokens)
  count(metrics.clientTokens, { client, type: 'cached_input' }, usage.cachedInputTokens)
}

function recordInference(
  metrics: ProxyMetrics,
  models: ModelLabels,
  exchange: Exchange,
  contextLength: number | undefined,
  exemplar: Exemplar | undefined,
): void {
  const { usage, verdict } = exchange
  const succeeded = exchange.status >= 200 && exchange.status < 300
  const labels = { model: models.labelFor(exchange.request.model, succeeded), endpoint: exchange.endpoint.label }
  // `increase()` does not see the first event of a series that begins with it: a bad one is to be seen.
  for (const outcome of FAULTS) metrics.inferenceRequests.inc({ ...labels, outcome }, 0)
  metrics.inferenceRequests.inc({ ...labels, outcome: verdict.outcome })
  if (verdict.errorType === undefined) metrics.inferenceDuration.observe(labels, exchange.durationSeconds, exemplar)
  if (exchange.abortPhase !== undefined) metrics.inferenceAborts.inc({ ...labels, phase: exchange.abortPhase })
  if (exchange.chunks > 0) metrics.streamChunks.inc(labels, exchange.chunks)
  if (exchange.gaps !== undefined) metrics.interChunk.add(labels, exchange.gaps)
  observe(metrics.timeToFirstToken, labels, exchange.timeToFirstTokenSeconds, exemplar)
  observe(metrics.loadDuration, labels, usage.loadSeconds)
  observe(metrics.promptEvalDuration, labels, usage.promptEvalSeconds)
  observe(metrics.evalDuration, labels, usage.evalSeconds)
  observe(metrics.queueWait, labels, slotWaitSeconds(usage))
  observe(metrics.promptTokens, labels, usage.inputTokens)
  observe(metrics.responseTokens, labels, usage.outputTokens)
  count(metrics.tokens, { ...labels, type: 'input' }, usage.inputTokens)
  count(metrics.tokens, { ...labels, type: 'output' }, usage.outputTokens)
  count(metrics.tokens, { ...labels, type: 'cached_input' }, usage.cachedInputTokens)
  // The time of a single token is no rate: the server's clock starts with the first one.
  if (usage.evalSeconds !== undefined && usage.outputTokens !== undefined && usage.outputTokens >= 2) {
    metrics.timePerOutputToken.observe(labels, usage.evalSeconds / usage.outputTokens)
  }
  const prefill = knownPrefill(exchange)
  if (prefill !== undefined) {
    metrics.prefillTokens.inc(labels, prefill.tokens)
    metrics.prefillSeconds.inc(labels, prefill.seconds)
  }
  recordContext(metrics, labels, exchange, contextLength)
}

function recordContext(
  metrics: ProxyMetrics,
  labels: Labels,
  exchange: Exchange,
  contextLength: number | undefined,
): void {
  const { usage, verdict } = exchange
  const used = contextUsed(usage)
  if (used === undefined) {
    // A load or an unload runs nothing, so there is nothing to report.
    const ran = verdict.errorType === undefined && verdict.outcome !== 'load' && verdict.outcome !== 'unload'
    if (ran) metrics.responsesWithoutUsage.inc(labels)
  } else if (usage.outputTokens !== undefined && contextLength !== undefined && contextLength > 0) {
    // Not of an embedding: its tokens are those of many inputs, each with the context to itself.
    metrics.contextUtilization.observe(labels, used / contextLength)
    metrics.truncationsSuspected.inc(labels, suspectsTruncation(exchange, contextLength) ? 1 : 0)
  }
}

function recordTransfer(metrics: ProxyMetrics, exchange: Exchange): void {
  const endpoint = exchange.endpoint.label
  metrics.transferDuration.observe({ endpoint, outcome: exchange.verdict.outcome }, exchange.durationSeconds)
  count(metrics.transferBytes, { endpoint }, exchange.transferredBytes)
}

function observe(histogram: Histogram, labels: Labels, value: number | undefined, exemplar?: Exemplar): void {
  if (value !== undefined) histogram.observe(labels, value, exemplar)
}

function count(counter: Counter, labels: Labels, value: number | undefined): void {
  if (value !== undefined) counter.inc(labels, value)
}
