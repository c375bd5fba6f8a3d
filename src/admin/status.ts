import { processorOf } from '../ollama/inventory.ts'
import type { InFlight } from '../proxy/proxy.ts'
import type { Receipt } from '../receipt.ts'
import type { UpstreamState } from '../upstream/poller.ts'
import type { Readiness } from './readiness.ts'

export interface StatusSources {
  readonly version: { readonly version: string; readonly revision: string }
  readonly uptimeSeconds: number
  readonly upstreamUrl: string
  readonly upstream: UpstreamState
  readonly readiness: Readiness
  readonly inFlight: readonly InFlight[]
  /** The newest first. */
  readonly receipts: readonly Receipt[]
}

/** The document at `/status`: what a person at three in the morning wants to know, in one look. */
export function createStatus(sources: StatusSources): object {
  const { upstream, inFlight } = sources
  return {
    version: sources.version.version,
    revision: sources.version.revision,
    uptime_seconds: round(sources.uptimeSeconds),
    status: sources.readiness.status,
    reasons: sources.readiness.reasons,
    upstream: {
      url: sources.upstreamUrl,
      tags_failure: upstream.installed?.failure ?? null,
      ps_failure: upstream.loaded?.failure ?? null,
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
      }
    }),
    in_flight: inFlight.map((exchange) => ({
      request_id: exchange.requestId,
      method: exchange.method,
      endpoint: exchange.endpoint,
      client: exchange.client ?? null,
      model: exchange.model.kind === 'named' ? exchange.model.name : exchange.model.kind,
      phase: exchange.phase,
      age_seconds: round(exchange.ageSeconds),
    })),
    collectors: [],
    receipts: sources.receipts,
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
