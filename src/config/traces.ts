import type { Reader } from './reader.ts'
import { settings } from './settings.ts'

/** How requests are traced, and where the traces go. */
export interface Traces {
  /** The whole address. */
  readonly url: string
  /** Secrets may be among them. */
  readonly headers: Readonly<Record<string, string>>
  /** Of one delivery with its retries. */
  readonly timeoutMs: number
  readonly compression: 'none' | 'gzip'
  /** What the traces say of this process. */
  readonly resource: Readonly<Record<string, string>>
  readonly sampler: {
    readonly kind: 'always_on' | 'always_off' | 'traceidratio'
    /** As the caller says, where it says something. */
    readonly parentBased: boolean
    /** For `traceidratio`. */
    readonly ratio: number
  }
  readonly queue: {
    /** Spans that are held at most; more are dropped. */
    readonly size: number
    /** Of one delivery. */
    readonly batch: number
    /** Between two deliveries. */
    readonly delayMs: number
    /** After which spans that were sent are given up. */
    readonly timeoutMs: number
  }
}

/** Every setting is read, so that every mistake is told; undefined where nothing says where traces go, or they are off. */
export function readTraces({ read, sound, refuse }: Reader): Traces | undefined {
  const base = read(settings.otelEndpoint)
  const url = read(settings.otelTracesEndpoint) ?? (base === undefined ? undefined : `${base}/v1/traces`)
  const timeoutMs = read(settings.otelTimeout)
  const compression = read(settings.otelCompression)
  const name = read(settings.otelServiceName)
  const attributes = read(settings.otelResource)
  const sampler = read(settings.otelSampler)
  const kind = sampler.replace('parentbased_', '') as Traces['sampler']['kind']
  const ratio = read(settings.otelSamplerRatio)
  read(settings.otelProtocol)
  read(settings.otelTracesProtocol)
  const traces: Omit<Traces, 'url'> = {
    headers: { ...read(settings.otelHeaders), ...read(settings.otelTracesHeaders) },
    timeoutMs: read(settings.otelTracesTimeout) ?? timeoutMs,
    compression: read(settings.otelTracesCompression) ?? compression,
    resource: { 'service.name': 'ollascope', ...attributes, ...(name !== undefined && { 'service.name': name }) },
    sampler: { kind, parentBased: sampler.startsWith('parentbased_'), ratio: ratio ?? 1 },
    queue: {
      size: read(settings.otelQueueSize),
      batch: read(settings.otelBatchSize),
      delayMs: read(settings.otelScheduleDelay),
      timeoutMs: read(settings.otelExportTimeout),
    },
  }
  if (ratio !== undefined && kind !== 'traceidratio' && sound(settings.otelSampler)) {
    refuse(settings.otelSamplerRatio, 'without effect; set OTEL_TRACES_SAMPLER=parentbased_traceidratio too')
  }
  if (traces.queue.batch > traces.queue.size && sound(settings.otelQueueSize, settings.otelBatchSize)) {
    refuse(settings.otelBatchSize, `more than wait; write at most ${traces.queue.size} (OTEL_BSP_MAX_QUEUE_SIZE)`)
  }
  const off = read(settings.otelDisabled) || read(settings.otelTracesExporter) === 'none'
  return url === undefined || off ? undefined : { url, ...traces }
}
