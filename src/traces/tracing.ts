import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace, type Context } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
} from '@opentelemetry/sdk-trace'
import type { Traces } from '../config/traces.ts'
import type { Exchange, TraceParent } from '../ollama/exchange.ts'
import type { Receipt } from '../receipt.ts'
import { Outbox, type SpanResult } from './outbox.ts'
import { spanOf, type SpanDraft } from './span.ts'

type ExporterOptions = Required<NonNullable<ConstructorParameters<typeof OTLPTraceExporter>[0]>>

export interface TracingDependencies {
  readonly version: string
  /** How clients reach the proxy. */
  readonly scheme: 'http' | 'https'
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly count: (result: SpanResult, spans: number) => void
  /** Deliveries begin to fail, and why, or work again: `undefined`. */
  readonly onChange: (failure: string | undefined) => void
}

/** Makes spans of exchanges and sends them in the background. */
export interface Tracing {
  /** Of an exchange that just ended. @returns its trace, where that is kept */
  readonly record: (exchange: Exchange, receipt: Receipt) => string | undefined
  /** Sends what is left, for so long at most. @returns how many spans nobody took */
  readonly close: (timeoutMs: number) => Promise<number>
}

/** All of OpenTelemetry that there is here: load it only where traces are wanted. */
export function createTracing(options: Traces, dependencies: TracingDependencies): Tracing {
  const { queue } = options
  const { version, scheme, wallClock, count } = dependencies
  const outbox = new Outbox({
    ...queue,
    count,
    onChange: (failure) => dependencies.onChange(failure === undefined ? undefined : reasonOf(failure)),
  })
  // Whatever is left out here, the exporter would look up in the environment by itself.
  const exporter = new OTLPTraceExporter({
    url: options.url,
    headers: { ...options.headers },
    timeoutMillis: options.timeoutMs,
    compression: options.compression as unknown as ExporterOptions['compression'],
    // At the end all that waits goes out at once, beside what is on its way.
    concurrencyLimit: Math.ceil(queue.size / queue.batch) + 1,
    httpAgentOptions: { keepAlive: true },
    userAgent: `ollascope/${version}`,
  })
  const processor = new BatchSpanProcessor({
    exporter: outbox.watch(exporter),
    maxQueueSize: queue.size,
    maxExportBatchSize: queue.batch,
    scheduledDelayMillis: queue.delayMs,
    exportTimeoutMillis: queue.timeoutMs,
  })
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.version': version, ...options.resource })),
    sampler: samplerOf(options.sampler),
    spanProcessors: [outbox.bound(processor)],
  })
  const tracer = provider.getTracer('ollascope', version)

  /** @returns the trace, where the span is kept */
  function send({ name, startMs, endMs, failed, attributes, phases }: SpanDraft, parent: Context): string | undefined {
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, startTime: startMs, attributes }, parent)
    if (!span.isRecording()) return undefined
    if (failed) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(endMs)
    const within = trace.setSpan(parent, span)
    for (const phase of phases) tracer.startSpan(phase.name, { startTime: phase.startMs }, within).end(phase.endMs)
    return span.spanContext().traceId
  }

  return {
    record: (exchange, receipt) => send(spanOf(exchange, receipt, scheme, wallClock()), contextOf(exchange.parent)),
    async close(timeoutMs) {
      const { promise: late, resolve } = Promise.withResolvers<undefined>()
      const timer = setTimeout(resolve, timeoutMs, undefined)
      // It rejects where a batch was not taken, which is counted already.
      await Promise.race([provider.shutdown().catch(() => undefined), late])
      clearTimeout(timer)
      return outbox.held
    },
  }
}

function contextOf(parent: TraceParent | undefined): Context {
  if (parent === undefined) return ROOT_CONTEXT
  const { traceId, spanId, sampled } = parent
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

function samplerOf({ kind, parentBased, ratio }: Traces['sampler']): Sampler {
  const root = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  }[kind]()
  return parentBased ? new ParentBasedSampler({ root }) : root
}

/** What a log may tell of a failure: nothing of what a collector wrote in its answer. */
function reasonOf(failure: unknown): string {
  const code = failure instanceof Error && 'code' in failure ? failure.code : undefined
  if (typeof code === 'number') return `status ${code}`
  return typeof code === 'string' ? code : failure instanceof Error ? failure.message.slice(0, 200) : 'unknown'
}
