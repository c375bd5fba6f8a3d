import type { GpuExpectation } from '../gpu-expectation.ts'
import type { UpstreamState } from '../upstream/upstream.ts'

/** Whether a request would be served now, and why not. */
export interface Readiness {
  readonly ready: boolean
  readonly status: 'ready' | 'degraded' | 'starting' | 'unavailable' | 'draining'
  readonly reasons: readonly string[]
}

export interface ReadinessFacts {
  readonly upstream: UpstreamState
  readonly upstreamUrl: string
  readonly draining: boolean
  readonly gpu: GpuExpectation
  /** Loaded models that run on the CPU and are not meant to. */
  readonly onCpu: readonly string[]
  /** Whether a fallback to the CPU is no service. */
  readonly requiresGpu: boolean
}

export function judgeReadiness({ upstream, upstreamUrl, draining, ...rest }: ReadinessFacts): Readiness {
  const unready = (status: Readiness['status'], reason: string) => ({ ready: false, status, reasons: [reason] })
  if (draining) return unready('draining', 'shutting down: exchanges end, none begins')
  const { installed } = upstream
  if (installed === undefined) return unready('starting', `has not heard of Ollama at ${upstreamUrl} yet`)
  if (installed.failure !== undefined) {
    return unready('unavailable', `Ollama at ${upstreamUrl}: ${installed.failure.message}`)
  }
  const { gpu, onCpu, requiresGpu } = rest
  if (!gpu.expected || onCpu.length === 0) return { ready: true, status: 'ready', reasons: [] }
  const reasons = onCpu.map((model) => `${model} runs on the CPU, and a GPU is expected (${gpu.because})`)
  return { ready: !requiresGpu, status: 'degraded', reasons }
}
