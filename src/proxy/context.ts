import type { Agent } from 'node:http'
import type { Exchange } from '../ollama/exchange.ts'
import type { BodyRules } from './body-rules.ts'
import type { RetryLimits } from './dial.ts'
import type { Closing } from './closing.ts'
import type { Forward } from './forward.ts'
import type { Residency } from './model-run.ts'
import type { TimeLimits } from './turn.ts'

export interface Upstream {
  readonly host: string
  readonly port: number
  readonly url: string
  /** When it last sent a byte, ended an exchange or changed its models; monotonic milliseconds. */
  heardMs: number
}

/** What a model is granted. */
export interface ModelLimits {
  readonly time: TimeLimits
  readonly retries: RetryLimits
}

export interface Limits {
  /** What holds for a model, by its full name; `undefined` for a request that runs none. */
  readonly of: (model: string | undefined) => ModelLimits
  /** Some models have retries of their own: which, tells the body. */
  readonly retriesByModel: boolean
  /** The shortest of all times, in milliseconds. */
  readonly shortestMs: number
}

/** What every exchange of one proxy shares. */
export interface ForwardContext {
  readonly upstream: Upstream
  /** The Host that the upstream is told; `undefined` passes the client's own. */
  readonly hostHeader: string | undefined
  /** Names of fields that do not go to the upstream, in lower case. */
  readonly withheld: ReadonlySet<string>
  readonly agent: Agent
  readonly residency: Residency
  readonly limits: Limits
  readonly bodyRules: BodyRules
  readonly closing: Closing
  /** Connections end with the exchange that is under way. */
  readonly isDraining: () => boolean
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
