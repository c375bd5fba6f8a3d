import { readFields } from './access/fields.ts'
import { createGate } from './access/gate.ts'
import { createHostCheck } from './access/hosts.ts'
import { createAdmin } from './admin/admin.ts'
import { judgeReadiness, type Readiness } from './admin/readiness.ts'
import { createStatus } from './admin/status.ts'
import type { Config } from './config.ts'
import { isLoopback } from './config/parsers.ts'
import { createLimits } from './limits.ts'
import { formatAddress, listen, type Address } from './listen.ts'
import type { Logger } from './logger.ts'
import { negotiateFormat, renderMetrics } from './metrics/exposition.ts'
import { ModelLabels } from './metrics/labels.ts'
import { recordClient, recordExchange } from './metrics/record.ts'
import { createMetrics } from './metrics/registry.ts'
import type { Exchange } from './ollama/exchange.ts'
import type { LoadedModel } from './ollama/inventory.ts'
import { fullModelName } from './ollama/model-name.ts'
import { createProxy } from './proxy/proxy.ts'
import { createReceipt, type Receipt } from './receipt.ts'
import { createReloader, reloadable } from './reload.ts'
import { contextLengthOf } from './ollama/derived.ts'
import { getJson } from './upstream/get-json.ts'
import { createPoller, fresh } from './upstream/poller.ts'
import { Residency } from './upstream/residency.ts'
import type { Version } from './version.ts'

export interface AppDependencies {
  readonly logger: Logger
  readonly version: Version
  readonly nodeVersion: string
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly machineName: string
  /** How many connections there is room for. */
  readonly maxConnections: number | undefined
}

export interface App {
  /** Listens on both addresses; rejects with a StartError. */
  readonly start: () => Promise<{ readonly proxy: Address; readonly admin: Address }>
  /** Takes no more requests and lets the running ones end, for as long as this or the drain timeout says. */
  readonly close: (graceMs?: number) => Promise<void>
  /** A log line was lost. */
  readonly countDroppedLine: () => void
  /** An error was caught by nobody. */
  readonly countUncaught: () => void
}

const RECEIPTS_KEPT = 100

/** Puts the parts together: proxy, metrics, receipts, the eyes on the upstream, and the admin listener. */
export function createApp(config: Config, dependencies: AppDependencies): App {
  const { logger, version, nodeVersion, now, wallClock, machineName } = dependencies
  const startedMs = now()
  const receipts: Receipt[] = []
  let draining = false

  const { registry, metrics } = createMetrics(
    {
      activeRequests: () => proxy.inFlightCount,
      stalledRequests: () => proxy.stalledCount(config.stallAfterMs),
      upstreamSilenceSeconds: () => proxy.silenceSeconds(),
      oldestRequestAgeSeconds: () => Math.max(0, ...proxy.inFlight().map(({ ageSeconds }) => ageSeconds)),
      loaded: () => fresh(poller.state().loaded),
      installed: () => fresh(poller.state().installed),
      reloads: () => reloader.states(),
    },
    { ...version, nodeVersion, targets: config.targets },
  )
  const models = new ModelLabels(config.modelLimit, () => metrics.labelOverflow.inc({ label: 'model' }))
  const poller = createPoller({
    getJson: (path, signal) => getJson(config.upstream.url, path, signal),
    intervalMs: config.collectIntervalMs,
    onLoaded(loaded, changed) {
      residency.setLoaded(loaded)
      if (changed) proxy.noteLife()
    },
    awaitsLoad: () => proxy.awaits((model) => residency.isLoaded(model) !== true),
    onInstalled: (installed) => models.setListed(installed.map(({ name }) => name)),
  })
  const residency = new Residency(() => poller.wake())
  const gate = createGate(config.access, now, machineName)
  const proxy = createProxy({
    residency,
    admit: (head) => gate.admit(head),
    withheld: gate.credentialHeaders(),
    limits: createLimits(config),
    bodyRules: config.limits,
    maxInFlight: config.limits.inFlight,
    maxConnections: dependencies.maxConnections,
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
  const checkAdminHost = createHostCheck(isLoopback(config.adminListen.host) ? 'ollama' : 'any', machineName)
  const admin = createAdmin({
    token: config.adminToken,
    isForHere: (rawHeaders) => checkAdminHost(readFields(rawHeaders)) === undefined,
    readiness,
    status: () =>
      createStatus({
        version,
        uptimeSeconds: (now() - startedMs) / 1000,
        upstreamUrl: config.upstream.url,
        upstream: poller.state(),
        readiness: readiness(),
        inFlight: proxy.inFlight(),
        receipts,
      }),
    model: () => config.ollamaModel ?? poller.state().loaded?.value?.[0]?.name,
    async metrics(accept) {
      const type = negotiateFormat(accept)
      const body = await renderMetrics(registry, type, (err) => logger.error({ err }, 'a metric failed'))
      return { type, body }
    },
    onError: (err) => logger.error({ err }, 'the admin listener failed'),
  })

  function readiness(): Readiness {
    return judgeReadiness(poller.state(), config.upstream.url, draining)
  }

  function settle(exchange: Exchange): void {
    try {
      const loaded = loadedModel(exchange)
      const contextLength = contextLengthOf(exchange, loaded?.contextLength)
      recordExchange(metrics, models, exchange, contextLength, wallClock() / 1000)
      if (config.clientLabel) recordClient(metrics, exchange)
      const receipt = createReceipt(exchange, loaded)
      receipts.unshift(receipt)
      if (receipts.length > RECEIPTS_KEPT) receipts.pop()
      logger.info(receipt, 'request')
    } catch (err) {
      metrics.observerErrors.inc()
      logger.error({ err, request_id: exchange.requestId }, 'an exchange could not be recorded')
    }
  }

  function loadedModel({ request: { model } }: Exchange): LoadedModel | undefined {
    return model.kind === 'named' ? residency.find(fullModelName(model.name)) : undefined
  }

  return {
    async start() {
      const proxyAddress = await listen(proxy.server, config.listen, 'OLLASCOPE_LISTEN')
      try {
        const adminAddress = await listen(admin, config.adminListen, 'OLLASCOPE_ADMIN_LISTEN')
        poller.start()
        await reloader.look()
        return { proxy: proxyAddress, admin: adminAddress }
      } catch (error) {
        proxy.server.close()
        throw error
      }
    },
    async close(graceMs = config.drainTimeoutMs) {
      draining = true
      poller.stop()
      reloader.stop()
      await proxy.close(graceMs)
      const closed = new Promise((resolve) => admin.close(resolve))
      admin.closeAllConnections()
      await closed
    },
    countDroppedLine: () => metrics.logLinesDropped.inc(),
    countUncaught: () => metrics.uncaughtErrors.inc(),
  }
}
