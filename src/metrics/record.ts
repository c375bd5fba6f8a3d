import type { Exchange } from '../ollama/exchange.ts'
import { methodLabel, type ModelLabels } from './labels.ts'
import type { Metrics } from './registry.ts'

/** Counts one exchange, when it is over. */
export function recordExchange(metrics: Metrics, models: ModelLabels, exchange: Exchange): void {
  recordHttp(metrics, exchange)
  if (exchange.endpoint.inference && exchange.method === exchange.endpoint.method) {
    recordInference(metrics, models, exchange)
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

function recordInference(metrics: Metrics, models: ModelLabels, exchange: Exchange): void {
  const { usage, verdict } = exchange
  const succeeded = exchange.status >= 200 && exchange.status < 300
  const labels = { model: models.labelFor(exchange.model, succeeded), endpoint: exchange.endpoint.label }
  metrics.inferenceRequests.inc({ ...labels, outcome: verdict.outcome })
  if (exchange.timeToFirstTokenSeconds !== undefined) {
    metrics.timeToFirstToken.observe(labels, exchange.timeToFirstTokenSeconds)
  }
  if (usage.inputTokens !== undefined) metrics.tokens.inc({ ...labels, type: 'input' }, usage.inputTokens)
  if (usage.outputTokens !== undefined) metrics.tokens.inc({ ...labels, type: 'output' }, usage.outputTokens)
  if (usage.cachedInputTokens !== undefined) {
    metrics.tokens.inc({ ...labels, type: 'cached_input' }, usage.cachedInputTokens)
  }
  if (usage.loadSeconds !== undefined) metrics.loadDuration.observe(labels, usage.loadSeconds)
  if (usage.promptEvalSeconds !== undefined) metrics.promptEvalDuration.observe(labels, usage.promptEvalSeconds)
  if (usage.evalSeconds === undefined) return
  metrics.evalDuration.observe(labels, usage.evalSeconds)
  // The time of a single token is no rate: the server's clock starts with the first one.
  if (usage.outputTokens !== undefined && usage.outputTokens >= 2) {
    metrics.timePerOutputToken.observe(labels, usage.evalSeconds / usage.outputTokens)
  }
}
