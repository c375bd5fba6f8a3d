import { TEXT, renderMetrics } from '../../src/metrics/exposition.ts'
import { ModelLabels } from '../../src/metrics/labels.ts'
import { recordExchange } from '../../src/metrics/record.ts'
import { addProxyMetrics, type LiveValues } from '../../src/metrics/proxy-metrics.ts'
import { createRegistry } from '../../src/metrics/registry.ts'
import type { Exchange } from '../../src/ollama/exchange.ts'
import { readSamples } from './samples.ts'

/** With which every model is loaded here. */
export const CONTEXT_LENGTH = 2048

/** Metrics as the app puts them together, and what they say. */
export function createTestMetrics(
  modelLimit = 100,
  live: LiveValues = {
    activeRequests: () => 0,
    oldestRequestAgeSeconds: () => 0,
    stalledRequests: () => 0,
    upstreamSilenceSeconds: () => 0,
    reloads: () => [],
  },
) {
  const made = createRegistry({ version: '1.2.3', revision: 'abc', nodeVersion: '24.0.0' })
  const { registry, own } = made
  const metrics = addProxyMetrics(made, live)
  const models = new ModelLabels(modelLimit, () => own.labelOverflow.inc({ label: 'model' }))
  const text = () =>
    renderMetrics(registry, TEXT, (error) => {
      throw error
    })
  return {
    registry,
    own,
    metrics,
    models,
    text,
    samples: async () => readSamples(await text()),
    record: (...exchanges: readonly Exchange[]) => {
      for (const exchange of exchanges) recordExchange(metrics, models, exchange, CONTEXT_LENGTH, 1_800_000_000)
    },
  }
}
