import { createAmd } from './collectors/amd.ts'
import { createCgroup } from './collectors/cgroup.ts'
import { createCgroupReader } from './collectors/cgroup/reader.ts'
import { measure, type Collector, type Measurement } from './collectors/collector.ts'
import type { Container } from './collectors/containers.ts'
import { createDocker } from './collectors/docker.ts'
import type { GpuSnapshot } from './collectors/gpu.ts'
import { measureHealth, switchedOff } from './collectors/health.ts'
import { createHost } from './collectors/host.ts'
import { createNvidia } from './collectors/nvidia.ts'
import { createOllama } from './collectors/ollama.ts'
import { KillReports } from './collectors/oom/kill-reports.ts'
import { OomLedger } from './collectors/oom/ledger.ts'
import { createOomWatch } from './collectors/oom/watch.ts'
import { createScheduler, type CollectorState } from './collectors/scheduler.ts'
import type { Config } from './config.ts'
import { COLLECTOR_NAMES, type CollectorName } from './config/collector-names.ts'
import { createGpuWatch, type GpuExpectation } from './gpu-expectation.ts'
import type { Logger } from './logger.ts'
import { COLLECTED } from './metrics/catalogue.ts'
import { COLLECTORS, CONTAINERS, GPUS, RESIDENCY } from './metrics/collected.ts'
import type { MetricDefinition } from './metrics/definition.ts'
import type { Sample } from './metrics/families.ts'
import type { MetricRegistry } from './metrics/registry.ts'
import type { LoadedModel } from './ollama/inventory.ts'
import { fullModelName } from './ollama/model-name.ts'
import { createStateFile, NO_STATE, type State } from './state-file.ts'
import type { LoadEvents } from './upstream/load-events.ts'
import type { Upstream } from './upstream/upstream.ts'

export interface CollectionOptions {
  readonly config: Config
  readonly logger: Logger
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  /** The environment, for the programs that are started. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly upstream: Upstream
  readonly events: LoadEvents
  /** The models that requests wait for, by full name. */
  readonly loading: () => readonly string[]
}

/** What is collected, who collects it, and what follows from it. */
export interface Collection {
  readonly start: () => void
  readonly stop: () => void
  /** Something changed in Ollama: it is asked soon. */
  readonly wakeOllama: () => void
  /** What `/api/ps` said; `undefined` where it did not. */
  readonly setLoaded: (models: readonly LoadedModel[] | undefined) => void
  /** Whether somebody waits for the next answer of `/api/ps`. */
  readonly awaitsLoaded: () => boolean
  readonly states: () => readonly CollectorState[]
  readonly gpuExpectation: () => GpuExpectation
  /** The GPUs that were seen last. */
  readonly gpus: () => readonly GpuSnapshot[]
  /** Adds the families to a registry. */
  readonly publish: (registry: MetricRegistry) => void
}

/** What follows from what several collectors found, or from how they fare. */
const OF_NO_COLLECTOR: ReadonlySet<MetricDefinition> = new Set<MetricDefinition>([
  GPUS.expected,
  CONTAINERS.oomEvents,
  CONTAINERS.oomKillInfo,
  ...Object.values(COLLECTORS),
])

/** A run that takes longer has failed. */
const TIMEOUT_MS = 10_000

export function createCollection(options: CollectionOptions): Collection {
  const { config, logger, now, wallClock } = options
  const { collect } = config
  const wanted = new Set<CollectorName>(collect.collectors ?? COLLECTOR_NAMES)
  const stateFile = config.stateDir === undefined ? undefined : createStateFile(config.stateDir)
  const before = stateFile?.read() ?? NO_STATE
  const gpu = createGpuWatch(config.gpuExpected, before.gpuSeen, save)
  const gpus = new Map<string, readonly GpuSnapshot[]>()
  let containers: readonly Container[] = []
  let lastEvent = before.lastEvent
  let ollamaAnswers = false
  let saveFailed = false

  const reports = new KillReports(wallClock, options.loading, (report) =>
    logger.warn(report, 'out of memory: what became of the models around it'),
  )
  const ledger = new OomLedger(
    wallClock,
    (container, kills) => {
      logger.error(
        { container: container.name, id: container.id.slice(0, 12), kills },
        'out of memory: the kernel killed a process in the container',
      )
      reports.note(container.name, kills)
      scheduler.wake('ollama')
    },
    before.oom,
  )
  const reader = createCgroupReader({ procRoot: collect.procRoot, sysRoot: collect.sysRoot })
  const oom = createOomWatch({ ledger, reports, kernel: wanted.has('cgroup') ? reader : undefined, onChange: save })

  const collectors: readonly Collector[] = [
    createOllama({ upstream: options.upstream, events: options.events, configured: measureConfigured(config) }),
    createNvidia({
      program: collect.nvidiaSmi,
      env: options.env,
      now,
      processes: collect.gpuProcesses,
      onGpus: (found) => setGpus('nvidia', found),
    }),
    createAmd({ sysRoot: collect.sysRoot, now, onGpus: (found) => setGpus('amd', found) }),
    createDocker({
      host: collect.dockerHost,
      names: collect.containers,
      home: collect.home,
      runtimeDir: collect.runtimeDir,
      wallClock,
      random: Math.random,
      since: before.lastEvent,
      async onContainers(found) {
        containers = found
        await oom.setDaemonContainers(found)
      },
      onEvent(event) {
        lastEvent = event.timeNano
        oom.onEvent(event)
      },
      // That no container is there may well be so; whatever else is noted, something is not seen.
      onNote: (note, topic) => logger[topic === 'found' ? 'info' : 'warn']({ collector: 'docker' }, note),
    }),
    createCgroup({
      reader,
      name: collect.containers[0] ?? 'ollama',
      known: () => (statusOf('docker') === 'ok' ? containers : []),
      onFound: (found) => oom.setFoundContainers(found),
      wallClock,
    }),
    createHost({ procRoot: collect.procRoot, modelStores: collect.modelStores }),
  ]
  const scheduler = createScheduler({
    // Ollama is asked in any case: what is loaded is needed for receipts and readiness.
    collectors: collectors.filter(({ name }) => name === 'ollama' || wanted.has(name)),
    intervalMs: collect.intervalMs,
    timeoutMs: TIMEOUT_MS,
    now,
    wallClock,
    onChange: tell,
  })

  function setGpus(vendor: string, found: readonly GpuSnapshot[]): void {
    gpus.set(vendor, found)
    if (found.some(({ isExpected }) => isExpected)) gpu.noteGpu()
    if (collect.logGpu && found.length > 0) logger.info({ gpus: found }, 'gpus')
  }

  /** Remembers, where that is wanted. That it cannot is told, and costs nothing else. */
  function save(): void {
    if (stateFile === undefined) return
    const gpuSeen = before.gpuSeen || gpu.isSeen()
    const state: State = { gpuSeen, oom: ledger.saved(), lastEvent }
    try {
      stateFile.write(state)
    } catch (err) {
      if (!saveFailed)
        logger.error({ err, folder: config.stateDir }, 'OLLASCOPE_STATE_DIR: nothing can be written there')
      saveFailed = true
    }
  }
  function tell({ name, status, problem }: CollectorState): void {
    const line = { collector: name, reason: problem?.reason }
    if (status === 'ok') logger.info(line, `the ${name} collector works`)
    else if (status === 'failing') logger.warn(line, `the ${name} collector fails: ${problem?.message ?? ''}`)
    else {
      const text = `the ${name} collector is disabled: ${problem?.message ?? ''}`
      // Whoever asked for it by name is told louder.
      if (collect.collectors === undefined) logger.info(line, text)
      else logger.warn(line, text)
    }
  }

  function statusOf(name: CollectorName): CollectorState['status'] {
    return scheduler.states().find((state) => state.name === name)?.status ?? 'off'
  }

  function states(): CollectorState[] {
    const running = scheduler.states()
    return COLLECTOR_NAMES.map((name) => {
      const state = wanted.has(name) ? running.find((one) => one.name === name) : undefined
      return state ?? switchedOff(name)
    })
  }

  function more(): readonly Measurement[] {
    return [
      ...measure(GPUS.expected, Number(gpu.expectation().expected)),
      ...oom.measurements(),
      ...states().flatMap(measureHealth),
    ]
  }

  return {
    start: () => scheduler.start(),
    stop() {
      scheduler.stop()
      oom.stop()
    },
    wakeOllama: () => scheduler.wake('ollama'),
    setLoaded(models) {
      reports.setLoaded(models?.map(({ name }) => fullModelName(name)))
      // Ollama has come: now its process can be found, too.
      if (models !== undefined && !ollamaAnswers && statusOf('cgroup') === 'absent') scheduler.wake('cgroup')
      ollamaAnswers = models !== undefined
    },
    awaitsLoaded: () => reports.isWaiting,
    states,
    gpuExpectation: () => gpu.expectation(),
    gpus: () => [...gpus].flatMap(([vendor, found]) => (statusOf(vendor as CollectorName) === 'ok' ? found : [])),
    publish({ reading }) {
      const isOff = (metric: MetricDefinition) =>
        !wanted.has('ollama') && Object.values<MetricDefinition>(RESIDENCY).includes(metric)
      for (const metric of COLLECTED.filter((one) => !isOff(one))) {
        const own = (): Sample[] => (OF_NO_COLLECTOR.has(metric) ? more().filter((one) => one.metric === metric) : [])
        reading(metric, () => [...scheduler.samples(metric), ...own()])
      }
    },
  }
}

/** What the configuration says of models. */
function measureConfigured({ targets, cpuModels }: Config): Measurement[] {
  return [
    ...cpuModels.flatMap((model) => measure(RESIDENCY.modelCpuIntended, 1, { model })),
    ...targets.flatMap(({ model, tier, metric, quantile, seconds }) =>
      measure(RESIDENCY.latencyTarget, seconds, { model, tier, metric, quantile: String(quantile) }),
    ),
  ]
}
