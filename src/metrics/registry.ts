import { collectDefaultMetrics, Registry as ProcessRegistry } from 'prom-client'
import type { InstalledModel, LoadedModel } from '../ollama/inventory.ts'
import { ERROR_TYPES } from '../ollama/outcome.ts'
import { DEFINITIONS, type MetricDefinition } from './definitions.ts'
import type { Registry } from './exposition.ts'
import { Counter, Gauge, Histogram, type Family, type Sample } from './families.ts'
import { countOf, gpuRatioOf, infoOf, perModel } from './residency.ts'

type Definitions = typeof DEFINITIONS
interface Recorded {
  counter: Counter
  histogram: Histogram
}

/** What is counted as it happens; gauges are read. */
export type Metrics = {
  readonly [K in keyof Definitions as Definitions[K]['type'] extends keyof Recorded ? K : never]: Recorded[Extract<
    Definitions[K]['type'],
    keyof Recorded
  >]
}

interface LatencyTarget {
  readonly model: string
  /** '' where it belongs to none. */
  readonly tier: string
  readonly metric: string
  readonly quantile: number
  readonly seconds: number
}

/** Values that are read when somebody asks for them. */
export interface LiveValues {
  readonly activeRequests: () => number
  readonly oldestRequestAgeSeconds: () => number
  readonly stalledRequests: () => number
  readonly upstreamSilenceSeconds: () => number
  /** `undefined` where the last question failed. */
  readonly loaded: () => readonly LoadedModel[] | undefined
  readonly installed: () => readonly InstalledModel[] | undefined
  /** What is read again when it changes. */
  readonly reloads: () => readonly { readonly name: string; readonly sound: boolean }[]
}

/** What is so as long as the process lives. */
export interface FixedValues {
  readonly version: string
  readonly revision: string
  readonly nodeVersion: string
  readonly targets: readonly LatencyTarget[]
}

/** Names in which prom-client counts something that is no counter; their sums are there without the suffix. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** A registry of its own for each app: two in one process do not meet. */
export function createMetrics(live: LiveValues, fixed: FixedValues): { registry: Registry; metrics: Metrics } {
  const families: Family[] = []
  const add = <T extends Family>(family: T): T => {
    families.push(family)
    return family
  }
  const D = DEFINITIONS
  const labelOverflow = new Counter(D.labelOverflow, () => undefined)
  const onOverflow = ({ name }: MetricDefinition) => labelOverflow.inc({ label: name })
  const counter = (d: MetricDefinition) => add(new Counter(d, () => onOverflow(d)))
  const histogram = (d: MetricDefinition) => add(new Histogram(d, () => onOverflow(d)))
  const gauge = (d: MetricDefinition, read: () => readonly Sample[]) => void add(new Gauge(d, read))
  const value = (read: () => number) => () => [{ labels: {}, value: read() }]

  const metrics: Metrics = {
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
    uncaughtErrors: counter(D.uncaughtErrors),
    labelOverflow: add(labelOverflow),
    observerErrors: counter(D.observerErrors),
    logLinesDropped: counter(D.logLinesDropped),
  }
  gauge(D.activeRequests, value(live.activeRequests))
  gauge(D.oldestRequestAge, value(live.oldestRequestAgeSeconds))
  gauge(D.stalledRequests, value(live.stalledRequests))
  gauge(D.upstreamSilence, value(live.upstreamSilenceSeconds))
  gauge(D.loadedModels, () => countOf(live.loaded()))
  gauge(D.loadedModelSize, () => perModel(live.loaded(), (model) => model.sizeBytes))
  gauge(D.loadedModelVram, () => perModel(live.loaded(), (model) => model.vramBytes))
  gauge(D.loadedModelGpuRatio, () => perModel(live.loaded(), gpuRatioOf))
  gauge(D.loadedModelExpires, () => perModel(live.loaded(), (model) => model.expiresAt))
  gauge(D.loadedModelContext, () => perModel(live.loaded(), (model) => model.contextLength))
  gauge(D.loadedModelInfo, () => infoOf(live.loaded()))
  gauge(D.modelsInstalled, () => countOf(live.installed()))
  gauge(D.installedModelInfo, () => infoOf(live.installed()))
  gauge(D.reloadSuccess, () =>
    live.reloads().map(({ name, sound }) => ({ labels: { file: name }, value: sound ? 1 : 0 })),
  )
  gauge(D.latencyTarget, () => targetSamples(fixed.targets))
  const build = { version: fixed.version, revision: fixed.revision, node_version: fixed.nodeVersion }
  gauge(D.buildInfo, () => [{ labels: build, value: 1 }])

  // `increase()` does not see the first event of a series that begins with it: begin at 0.
  for (const type of ERROR_TYPES) metrics.errors.inc({ error_type: type }, 0)
  labelOverflow.inc({ label: 'model' }, 0)
  for (const plain of [metrics.observerErrors, metrics.logLinesDropped, metrics.uncaughtErrors]) plain.inc({}, 0)
  for (const result of ['success', 'failure']) {
    metrics.connectRetries.inc({ result }, 0)
    metrics.staleRetries.inc({ result }, 0)
  }
  for (const reason of ['tls', 'limit']) metrics.connectionsRefused.inc({ reason }, 0)
  metrics.overhead.add({}, { counts: [], sum: 0 })

  const process = new ProcessRegistry()
  collectDefaultMetrics({ register: process })
  for (const name of MISNAMED) process.removeSingleMetric(name)
  return { registry: { families, process }, metrics }
}

function targetSamples(targets: readonly LatencyTarget[]): Sample[] {
  return targets.map(({ model, tier, metric, quantile, seconds }) => ({
    labels: { model, tier, metric, quantile: String(quantile) },
    value: seconds,
  }))
}
