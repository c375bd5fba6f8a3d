import type { Agent } from 'node:http'
import type { Exchange } from '../ollama/exchange.ts'
import type { Forward } from './forward.ts'

export interface Upstream {
  readonly host: string
  readonly port: number
  readonly url: string
  /** When it last sent a byte, ended an exchange or changed its models; monotonic milliseconds. */
  heardMs: number
}

/** What is known of the models in the upstream's memory. */
export interface Residency {
  /** @param model its full name; `undefined` where nobody knows. */
  isLoaded(model: string): boolean | undefined
  /** A request for this model is with the upstream, which may load it. */
  noteAsked(model: string): void
}

/** What every exchange of one proxy shares. */
export interface ForwardContext {
  readonly upstream: Upstream
  /** The Host that the upstream is told; `undefined` passes the client's own. */
  readonly hostHeader: string | undefined
  readonly agent: Agent
  readonly residency: Residency
  /** Whether another exchange of the same model is under way that came before the given time. */
  readonly isBehindAnother: (forward: Forward, beforeMs: number) => boolean
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** An observer threw: this exchange lost numbers, and nothing else. */
  readonly onObserverError: (error: unknown, requestId: string) => void
  /** The proxy itself failed at this exchange, which ends with an error of its own. */
  readonly onInternalError: (error: unknown, requestId: string) => void
  /** Called exactly once for each exchange. */
  readonly onSettled: (forward: Forward, exchange: Exchange) => void
}
