import type { GpuSnapshot } from '../collectors/gpu.ts'
import type { CollectorState } from '../collectors/scheduler.ts'
import type { GpuExpectation } from '../gpu-expectation.ts'
import { processorOf } from '../ollama/inventory.ts'
import { fullModelName } from '../ollama/model-name.ts'
import type { InFlight } from '../proxy/proxy.ts'
import { receiptWithTime, type KeptReceipt } from '../receipt.ts'
import type { UpstreamState } from '../upstream/upstream.ts'
import type { Readiness } from './readiness.ts'

export interface StatusSources {
  readonly version: { readonly version: string; readonly revision: string }
  /** Which parts run here. */
  readonly role: string
  readonly uptimeSeconds: number
  readonly upstreamUrl: string
  readonly upstream: UpstreamState
  readonly readiness: Readiness
  readonly gpuExpectation: GpuExpectation
  readonly gpus: readonly GpuSnapshot[]
  /** Full names of the models for which the CPU is no fallback. */
  readonly meantForCpu: ReadonlySet<string>
  readonly inFlight: readonly InFlight[]
  readonly collectors: readonly CollectorState[]
  /** Where traces go; undefined where none are made. */
  readonly tracesUrl: string | undefined
  /** The newest first. */
  readonly receipts: readonly KeptReceipt[]
}

/** The document at `/status`: what a person at three in the morning wants to know, in one look. */
export function createStatus(sources: StatusSources): object {
  const { upstream, inFlight } = sources
  return {
    version: sources.version.version,
    revision: sources.version.revision,
    role: sources.role,
    uptime_seconds: round(sources.uptimeSeconds),
    status: sources.readiness.status,
    reasons: sources.readiness.reasons,
    upstream: {
      url: sources.upstreamUrl,
      version: upstream.version?.value ?? null,
      version_failure: upstream.version?.failure?.message ?? null,
      tags_failure: upstream.installed?.failure?.message ?? null,
      ps_failure: upstream.loaded?.failure?.message ?? null,
      installed_models: upstream.installed?.value?.length ?? null,
    },
    models: (upstream.loaded?.value ?? []).map((model) => {
      const { processor, gpuRatio } = processorOf(model)
      return {
        name: model.name,
        digest: model.digest ?? null,
        size_bytes: model.sizeBytes ?? null,
        vram_bytes: model.vramBytes ?? null,
        context_length: model.contextLength ?? null,
        processor,
        gpu_ratio: gpuRatio ?? null,
        cpu_intended: sources.meantForCpu.has(fullModelName(model.name)),
      }
    }),
    gpu: {
      expected: sources.gpuExpectation.expected,
      because: sources.gpuExpectation.because,
      gpus: sources.gpus.map(({ vendor, index, uuid, name, driverVersion, numbers }) => ({
        vendor,
        index,
        uuid,
        name,
        driver_version: driverVersion,
        utilization_ratio: numbers.utilizationRatio ?? null,
        memory_used_bytes: numbers.memoryUsedBytes ?? null,
        memory_total_bytes: numbers.memoryTotalBytes ?? null,
        temperature_celsius: numbers.temperatureCelsius ?? null,
        power_watts: numbers.powerWatts ?? null,
      })),
    },
    in_flight: inFlight.map((exchange) => ({
      request_id: exchange.requestId,
      method: exchange.method,
      endpoint: exchange.endpoint,
      client: exchange.client ?? null,
      model: exchange.model.kind === 'named' ? exchange.model.name : exchange.model.kind,
      phase: exchange.phase,
      age_seconds: round(exchange.ageSeconds),
    })),
    collectors: sources.collectors.map(({ name, status, problem, durationSeconds, lastSuccessSeconds }) => ({
      name,
      status,
      reason: problem?.reason ?? null,
      message: problem?.message ?? null,
      duration_seconds: durationSeconds === undefined ? null : round(durationSeconds),
      last_success: lastSuccessSeconds === undefined ? null : new Date(lastSuccessSeconds * 1000).toISOString(),
    })),
    traces: sources.tracesUrl === undefined ? null : { url: sources.tracesUrl },
    receipts: sources.receipts.map(receiptWithTime),
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
