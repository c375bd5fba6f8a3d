import { contextUsed, slotWaitSeconds } from '../ollama/derived.ts'
import type { Exchange } from '../ollama/exchange.ts'
import { methodLabel, type ModelLabels } from './labels.ts'
import type { Metrics } from './registry.ts'

/**
 * Counts one exchange, when it is over.
 * @param contextLength tokens with which the exchange's model is loaded, as far as `/api/ps` told
 */
export function recordExchange(
  metrics: Metrics,
  models: ModelLabels,
  exchange: Exchange,
  contextLength: number | undefined,
): void {
  recordHttp(metrics, exchange)
  if (exchange.endpoint.inference && exchange.method === exchange.endpoint.method) {
    recordInference(metrics, models, exchange, contextLength)
  }
}

function recordHttp(metrics: Metrics, exchange: Exchange): void {
  const endpoint = exchange.endpoint.label
  const route = { method: methodLabel(exchange.method), endpoint, status: String(exchange.status) }
  metrics.requests.inc(route)
  metrics.requestDuration.observe(route, exchange.durationSeconds)
  metrics.requestBytes.inc({ endpoint }, exchange.requestBytes)
  metrics.responseBytes.inc({ endpoint }, exchange.responseBytes)
  if (exchange.overheadSeconds !== undefined) metrics.overhead.observe(exchange.overheadSeconds)
  const { errorType } = exchange.verdict
  if (errorType !== undefined) metrics.errors.inc({ error_type: errorType })
}

function recordInference(
  metrics: Metrics,
  models: ModelLabels,
  exchange: Exchange,
  contextLength: number | undefined,
): void {
  const { usage, verdict } = exchange
  const succeeded = exchange.status >= 200 && exchange.status < 300
  const labels = { model: models.labelFor(exchange.model, succeeded), endpoint: exchange.endpoint.label }
  metrics.inferenceRequests.inc({ ...labels, outcome: verdict.outcome })
  if (exchange.chunks > 0) metrics.streamChunks.inc(labels, exchange.chunks)
  observe(metrics.timeToFirstToken, labels, exchange.timeToFirstTokenSeconds)
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
  const used = contextUsed(usage)
  if (used === undefined) {
    // A load or an unload runs nothing, so there is nothing to report.
    const ran = verdict.errorType === undefined && verdict.outcome !== 'load' && verdict.outcome !== 'unload'
    if (ran) metrics.responsesWithoutUsage.inc(labels)
  } else if (usage.outputTokens !== undefined && contextLength !== undefined && contextLength > 0) {
    // Not of an embedding: its tokens are those of many inputs, each with the context to itself.
    metrics.contextUtilization.observe(labels, used / contextLength)
  }
}

type Labels = Readonly<Record<string, string>>

function observe(histogram: Metrics['queueWait'], labels: Labels, value: number | undefined): void {
  if (value !== undefined) histogram.observe(labels, value)
}

function count(counter: Metrics['tokens'], labels: Labels, value: number | undefined): void {
  if (value !== undefined) counter.inc(labels, value)
}
