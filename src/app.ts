import { readFields } from './access/fields.ts'
import { createHostCheck } from './access/hosts.ts'
import { createAdmin } from './admin/admin.ts'
import { createLive } from './admin/live.ts'
import { judgeReadiness, type Readiness } from './admin/readiness.ts'
import { createStatus } from './admin/status.ts'
import { createCollection } from './collection.ts'
import type { Config } from './config.ts'
import { isLoopback } from './config/parsers.ts'
import { modelsOnCpu } from './gpu-expectation.ts'
import { listen, type Address } from './listen.ts'
import type { Logger } from './logger.ts'
import { negotiateFormat, renderMetrics } from './metrics/exposition.ts'
import { createRegistry } from './metrics/registry.ts'
import { runsModel } from './ollama/endpoints.ts'
import { tellsLoad } from './ollama/derived.ts'
import type { Exchange } from './ollama/exchange.ts'
import { fullModelName } from './ollama/model-name.ts'
import { createTraffic, type Traffic } from './traffic.ts'
import { getJson } from './upstream/get-json.ts'
import { LoadEvents } from './upstream/load-events.ts'
import { Residency } from './upstream/residency.ts'
import { createUpstream, fresh } from './upstream/upstream.ts'
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
  /** The environment, for the programs that collectors start. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** `serve` is both; in production the proxy, which parses what users send, has no privileges, and the collector has them. */
export type Role = 'serve' | 'proxy' | 'collector'

export interface App {
  /** Listens on its addresses; rejects with a StartError. */
  readonly start: () => Promise<{ readonly proxy: Address | undefined; readonly admin: Address }>
  /** Takes no more requests and lets the running ones end, for as long as this or the drain timeout says. */
  readonly close: (graceMs?: number) => Promise<void>
  /** A log line was lost. */
  readonly countDroppedLine: () => void
  /** An error was caught by nobody. */
  readonly countUncaught: () => void
}

/** Puts the parts together: proxy, metrics, receipts, the eyes on the upstream and its machine, and the admin listener. */
export function createApp(config: Config, dependencies: AppDependencies, role: Role = 'serve'): App {
  const { logger, version, nodeVersion, now, wallClock, machineName } = dependencies
  const startedMs = now()
  const meantForCpu = new Set(config.cpuModels)
  let draining = false

  const registry = createRegistry({ ...version, nodeVersion })
  const events = new LoadEvents(now)
  const residency = new Residency(() => collection.wakeOllama())
  const upstream = createUpstream({
    getJson: (path, signal) => getJson(config.upstream.url, path, signal),
    intervalMs: config.collect.intervalMs,
    now,
    onLoaded(loaded, changed) {
      residency.setLoaded(loaded)
      if (loaded !== undefined) events.setLoaded(loaded)
      collection.setLoaded(loaded)
      if (changed) traffic?.proxy.noteLife()
    },
    awaitsLoad: () => collection.awaitsLoaded() || awaitedModels().length > 0,
    onInstalled(installed) {
      const names = installed.map(({ name }) => name)
      events.setInstalled(names)
      traffic?.setListed(names)
    },
  })
  const traffic: Traffic | undefined =
    role === 'collector'
      ? undefined
      : createTraffic({
          config,
          logger,
          registry,
          residency,
          now,
          wallClock,
          version: version.version,
          machineName,
          maxConnections: dependencies.maxConnections,
          onExchange: noteLoad,
          onReceipt: (kept) => live.note(kept),
        })
  const collection = createCollection({
    config: role === 'proxy' ? { ...config, collect: { ...config.collect, collectors: [] } } : config,
    logger,
    now,
    wallClock,
    env: dependencies.env,
    upstream,
    events,
    loading: awaitedModels,
  })
  if (role !== 'proxy') collection.publish(registry)

  const checkAdminHost = createHostCheck(isLoopback(config.adminListen.host) ? 'ollama' : 'any', machineName)
  const onError = (err: unknown) => logger.error({ err }, 'the admin listener failed')
  const live = createLive({ status, onError })
  const admin = createAdmin({
    token: config.adminToken,
    isForHere: (rawHeaders) => checkAdminHost(readFields(rawHeaders)) === undefined,
    readiness,
    status,
    events: live.listen,
    model: () => config.ollamaModel ?? upstream.state().loaded?.value?.[0]?.name,
    async metrics(accept) {
      const type = negotiateFormat(accept)
      const body = await renderMetrics(registry.registry, type, (err) => logger.error({ err }, 'a metric failed'))
      return { type, body }
    },
    onError,
  })

  function status(): object {
    return createStatus({
      version,
      role,
      uptimeSeconds: (now() - startedMs) / 1000,
      upstreamUrl: config.upstream.url,
      upstream: upstream.state(),
      readiness: readiness(),
      gpuExpectation: collection.gpuExpectation(),
      gpus: collection.gpus(),
      meantForCpu,
      inFlight: traffic?.proxy.inFlight() ?? [],
      collectors: collection.states(),
      tracesUrl: traffic && config.traces?.url,
      receipts: traffic?.receipts ?? [],
    })
  }

  function readiness(): Readiness {
    return judgeReadiness({
      upstream: upstream.state(),
      upstreamUrl: config.upstream.url,
      draining,
      gpu: collection.gpuExpectation(),
      onCpu: modelsOnCpu(fresh(upstream.state().loaded) ?? [], meantForCpu),
      requiresGpu: config.readyRequiresGpu,
    })
  }

  /** The models that requests wait for and that are not known to be loaded. */
  function awaitedModels(): string[] {
    return traffic?.proxy.awaited((model) => residency.isLoaded(model) !== true) ?? []
  }

  function noteLoad({ request: { model }, usage, endpoint, method, durationSeconds }: Exchange): void {
    if (model.kind !== 'named' || !runsModel(endpoint, method) || !tellsLoad(usage)) return
    const loadedMs = now() - (durationSeconds - (usage.loadSeconds ?? 0)) * 1000
    events.noteLoad(fullModelName(model.name), loadedMs)
  }

  return {
    async start() {
      await traffic?.startTracing()
      const proxyAddress = traffic && (await listen(traffic.proxy.server, config.listen, 'OLLASCOPE_LISTEN'))
      try {
        const adminAddress = await listen(admin, config.adminListen, 'OLLASCOPE_ADMIN_LISTEN')
        collection.start()
        await traffic?.reloader.look()
        return { proxy: proxyAddress, admin: adminAddress }
      } catch (error) {
        traffic?.proxy.server.close()
        throw error
      }
    },
    async close(graceMs = config.drainTimeoutMs) {
      draining = true
      collection.stop()
      traffic?.reloader.stop()
      await traffic?.close(graceMs)
      // Until here whoever listens saw what still ran.
      const closed = new Promise((resolve) => admin.close(resolve))
      live.close()
      admin.closeAllConnections()
      await closed
    },
    countDroppedLine: () => registry.own.logLinesDropped.inc(),
    countUncaught: () => registry.own.uncaughtErrors.inc(),
  }
}
