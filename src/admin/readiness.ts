import type { UpstreamState } from '../upstream/poller.ts'

/** Whether a request would be served now, and why not. */
export interface Readiness {
  readonly ready: boolean
  readonly status: 'ready' | 'starting' | 'unavailable' | 'draining'
  readonly reasons: readonly string[]
}

export function judgeReadiness(upstream: UpstreamState, upstreamUrl: string, draining: boolean): Readiness {
  if (draining) return { ready: false, status: 'draining', reasons: ['shutting down: exchanges end, none begins'] }
  const { installed } = upstream
  if (installed === undefined) {
    return { ready: false, status: 'starting', reasons: [`has not heard of Ollama at ${upstreamUrl} yet`] }
  }
  if (installed.failure !== undefined) {
    return { ready: false, status: 'unavailable', reasons: [`Ollama at ${upstreamUrl}: ${installed.failure}`] }
  }
  return { ready: true, status: 'ready', reasons: [] }
}
