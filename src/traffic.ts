import { createGate } from './access/gate.ts'
import type { Config } from './config.ts'
import { createLimits } from './limits.ts'
import { formatAddress } from './listen.ts'
import type { Logger } from './logger.ts'
import { ModelLabels } from './metrics/labels.ts'
import { addProxyMetrics } from './metrics/proxy-metrics.ts'
import { recordClient, recordExchange } from './metrics/record.ts'
import type { MetricRegistry } from './metrics/registry.ts'
import { contextLengthOf } from './ollama/derived.ts'
import type { Exchange } from './ollama/exchange.ts'
import type { LoadedModel } from './ollama/inventory.ts'
import { fullModelName } from './ollama/model-name.ts'
import { createProxy, type Proxy } from './proxy/proxy.ts'
import { createReceipt, type KeptReceipt, type Receipt } from './receipt.ts'
import { createReloader, reloadable, type Reloader } from './reload.ts'
import type { Tracing } from './traces/tracing.ts'
import type { Residency } from './upstream/residency.ts'

export interface TrafficOptions {
  readonly config: Config
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly residency: Residency
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly version: string
  readonly machineName: string
  /** How many connections there is room for. */
  readonly maxConnections: number | undefined
  /** An exchange is over. */
  readonly onExchange: (exchange: Exchange) => void
  /** Its receipt is written. */
  readonly onReceipt: (kept: KeptReceipt) => void
}

/** What users send: the proxy, who may use it, and what is told of each exchange. */
export interface Traffic {
  readonly proxy: Proxy
  readonly reloader: Reloader
  /** The newest first. */
  readonly receipts: readonly KeptReceipt[]
  /** The models that Ollama lists: they have labels of their own. */
  readonly setListed: (names: readonly string[]) => void
  /** Before the first request. Loads what it takes only where traces go somewhere. */
  readonly startTracing: () => Promise<void>
  /** Takes no more requests, lets the running ones end for so long, and sends what is left of their traces. */
  readonly close: (graceMs: number) => Promise<void>
}

/** How long the last spans may take, whatever is left of the time to drain. */
const FLUSH_MS = { atLeast: 500, atMost: 5000 }

const RECEIPTS_KEPT = 100

export function createTraffic(options: TrafficOptions): Traffic {
  const { config, logger, registry, residency, now, wallClock } = options
  const receipts: KeptReceipt[] = []
  let tracing: Tracing | undefined
  const metrics = addProxyMetrics(registry, {
    activeRequests: () => proxy.inFlightCount,
    stalledRequests: () => proxy.stalledCount(config.stallAfterMs),
    upstreamSilenceSeconds: () => proxy.silenceSeconds(),
    oldestRequestAgeSeconds: () => Math.max(0, ...proxy.inFlight().map(({ ageSeconds }) => ageSeconds)),
    reloads: () => reloader.states(),
  })
  const models = new ModelLabels(config.modelLimit, () => registry.own.labelOverflow.inc({ label: 'model' }))
  const gate = createGate(config.access, now, options.machineName)
  const proxy = createProxy({
    residency,
    admit: (head) => gate.admit(head),
    withheld: gate.credentialHeaders(),
    limits: createLimits(config),
    bodyRules: config.limits,
    maxInFlight: config.limits.inFlight,
    maxConnections: options.maxConnections,
    tls: config.tls,
    upstream: config.upstream,
    hostHeader: config.upstreamHostHeader === 'upstream' ? formatAddress(config.upstream) : undefined,
    now,
    onExchange: settle,
    onObserverError(error, requestId) {
      metrics.observerErrors.inc()
      logger.warn({ request_id: requestId, err: error }, 'an observer failed; the exchange goes on without its numbers')
    },
    onInternalError: (error, requestId) => logger.error({ request_id: requestId, err: error }, 'the proxy failed'),
    onConnectionRefused: (reason) => metrics.connectionsRefused.inc({ reason }),
  })
  const sources = reloadable(
    config,
    (tokens) => gate.setTokens(tokens),
    (tls) => proxy.setTls(tls),
  )
  const reloader = createReloader(sources, (name, problems) => {
    if (problems.length === 0) logger.info({ what: name }, 'files changed, and were taken over')
    else logger.error({ what: name, problems }, 'files changed and are broken: what was read before stays in use')
  })

  function settle(exchange: Exchange): void {
    try {
      const loaded = loadedModel(exchange)
      const contextLength = contextLengthOf(exchange, loaded?.contextLength)
      const untraced = createReceipt(exchange, loaded)
      const traceId = trace(exchange, untraced)
      const receipt = traceId === undefined ? untraced : { ...untraced, trace_id: traceId }
      const told = traceId === undefined ? exchange : { ...exchange, traceId }
      const writtenMs = wallClock()
      recordExchange(metrics, models, told, contextLength, writtenMs / 1000)
      if (config.clientLabel) recordClient(metrics, exchange)
      const kept = { receipt, writtenMs }
      receipts.unshift(kept)
      if (receipts.length > RECEIPTS_KEPT) receipts.pop()
      logger.info(receipt, 'request')
      options.onReceipt(kept)
      options.onExchange(exchange)
    } catch (err) {
      metrics.observerErrors.inc()
      logger.error({ err, request_id: exchange.requestId }, 'an exchange could not be recorded')
    }
  }

  /** A trace that cannot be made costs the exchange nothing else. */
  function trace(exchange: Exchange, receipt: Receipt): string | undefined {
    try {
      return tracing?.record(exchange, receipt)
    } catch (err) {
      metrics.observerErrors.inc()
      logger.error({ err, request_id: exchange.requestId }, 'an exchange could not be traced')
      return undefined
    }
  }

  function loadedModel({ request: { model } }: Exchange): LoadedModel | undefined {
    return model.kind === 'named' ? residency.find(fullModelName(model.name)) : undefined
  }

  return {
    proxy,
    reloader,
    receipts,
    setListed: (names) => models.setListed(names),
    async startTracing() {
      if (config.traces === undefined) return
      const { createTracing } = await import('./traces/tracing.ts')
      const { url } = config.traces
      tracing = createTracing(config.traces, {
        version: options.version,
        scheme: config.tls === undefined ? 'http' : 'https',
        wallClock,
        count: (result, spans) => metrics.traceSpans.inc({ result }, spans),
        onChange(reason) {
          if (reason === undefined) logger.info({ url }, 'traces arrive again')
          else logger.warn({ url, reason }, 'traces do not arrive; requests go on without them')
        },
      })
      for (const result of ['exported', 'dropped', 'failed']) metrics.traceSpans.inc({ result }, 0)
    },
    async close(graceMs) {
      const endMs = now() + graceMs
      await proxy.close(graceMs)
      const left = await tracing?.close(Math.min(FLUSH_MS.atMost, Math.max(FLUSH_MS.atLeast, endMs - now())))
      if (left) logger.warn({ spans: left }, 'the last spans were not delivered in time')
    },
  }
}
