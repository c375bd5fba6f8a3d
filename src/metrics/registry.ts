import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { DEFINITIONS, type MetricDefinition } from './definitions.ts'
import { ERROR_TYPES } from '../ollama/outcome.ts'

interface Instances {
  counter: Counter
  gauge: Gauge
  histogram: Histogram
}

export type Metrics = { readonly [K in keyof typeof DEFINITIONS]: Instances[(typeof DEFINITIONS)[K]['type']] }

/** Values that are read when somebody asks for them. */
export interface LiveValues {
  readonly activeRequests: () => number
  readonly oldestRequestAgeSeconds: () => number
  readonly stalledRequests: () => number
  readonly upstreamSilenceSeconds: () => number
}

export interface BuildInfo {
  readonly version: string
  readonly revision: string
  readonly nodeVersion: string
}

/** Names in which prom-client counts something that is no counter; their sums are there without the suffix. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** A registry of its own for each app: two in one process do not meet. */
export function createMetrics(live: LiveValues, build: BuildInfo): { registry: Registry; metrics: Metrics } {
  const registry = new Registry()
  const counter = (d: MetricDefinition) =>
    new Counter({ name: d.name, help: d.help, labelNames: [...d.labels], registers: [registry] })
  const gauge = (d: MetricDefinition, read?: () => number) =>
    new Gauge({
      name: d.name,
      help: d.help,
      labelNames: [...d.labels],
      registers: [registry],
      ...(read === undefined ? {} : { collect: set(read) }),
    })
  const histogram = (d: MetricDefinition) =>
    new Histogram({
      name: d.name,
      help: d.help,
      labelNames: [...d.labels],
      buckets: [...(d.buckets ?? [])],
      registers: [registry],
    })
  const D = DEFINITIONS
  const metrics: Metrics = {
    requests: counter(D.requests),
    requestDuration: histogram(D.requestDuration),
    activeRequests: gauge(D.activeRequests, live.activeRequests),
    oldestRequestAge: gauge(D.oldestRequestAge, live.oldestRequestAgeSeconds),
    stalledRequests: gauge(D.stalledRequests, live.stalledRequests),
    upstreamSilence: gauge(D.upstreamSilence, live.upstreamSilenceSeconds),
    errors: counter(D.errors),
    requestBytes: counter(D.requestBytes),
    responseBytes: counter(D.responseBytes),
    overhead: histogram(D.overhead),
    inferenceRequests: counter(D.inferenceRequests),
    timeToFirstToken: histogram(D.timeToFirstToken),
    timePerOutputToken: histogram(D.timePerOutputToken),
    tokens: counter(D.tokens),
    streamChunks: counter(D.streamChunks),
    promptTokens: histogram(D.promptTokens),
    responseTokens: histogram(D.responseTokens),
    responsesWithoutUsage: counter(D.responsesWithoutUsage),
    queueWait: histogram(D.queueWait),
    contextUtilization: histogram(D.contextUtilization),
    loadDuration: histogram(D.loadDuration),
    promptEvalDuration: histogram(D.promptEvalDuration),
    evalDuration: histogram(D.evalDuration),
    labelOverflow: counter(D.labelOverflow),
    observerErrors: counter(D.observerErrors),
    logLinesDropped: counter(D.logLinesDropped),
    buildInfo: gauge(D.buildInfo),
  }
  // `increase()` does not see the first event of a series that begins with it: begin at 0.
  for (const type of ERROR_TYPES) metrics.errors.inc({ error_type: type }, 0)
  metrics.labelOverflow.inc({ label: 'model' }, 0)
  metrics.buildInfo.set({ version: build.version, revision: build.revision, node_version: build.nodeVersion }, 1)
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  return { registry, metrics }
}

function set(read: () => number) {
  return function (this: Gauge): void {
    this.set(read())
  }
}
