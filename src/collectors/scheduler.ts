import type { CollectorName } from '../config/collector-names.ts'
import type { MetricDefinition } from '../metrics/definition.ts'
import type { Sample } from '../metrics/families.ts'
import { Absent, CollectError, type Collector, type Measurement } from './collector.ts'

/** How a collector fares. */
export interface CollectorState {
  readonly name: CollectorName
  /** `off`: not wanted; `absent`: what it reads was never there; `starting`: its first run is not over. */
  readonly status: 'off' | 'absent' | 'starting' | 'ok' | 'failing'
  /** What is wrong, for a person; `undefined` where nothing is. */
  readonly problem: { readonly reason: string; readonly message: string } | undefined
  /** Of the last run. */
  readonly durationSeconds: number | undefined
  /** Unix time; `undefined` where it never succeeded. */
  readonly lastSuccessSeconds: number | undefined
  /** Failed runs by reason. */
  readonly errors: ReadonlyMap<string, number>
}

export interface SchedulerOptions {
  /** Those that may run, in the order in which they are told of. */
  readonly collectors: readonly Collector[]
  readonly intervalMs: number
  /** A run that takes longer has failed. */
  readonly timeoutMs: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  /** A collector fares differently than before, and not only starts. */
  readonly onChange: (state: CollectorState) => void
}

export interface Scheduler {
  start(): void
  /** Something changed what this collector would find: it runs soon, whatever the interval is. */
  wake(name: CollectorName): void
  stop(): void
  states(): readonly CollectorState[]
  /** What was last measured of that family, and is still true. */
  samples(metric: MetricDefinition): readonly Sample[]
}

/** What was never there is looked for again after so long. */
const ABSENT_MS = 300_000
/** Many who wake a collector at once wake it once. */
const WAKE_MS = 100

type Snapshot = ReadonlyMap<MetricDefinition, readonly Sample[]>
const NOTHING: Snapshot = new Map()

/** Runs the collectors, each on its own, and holds what they found last: a scrape waits for none of them. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const runners = options.collectors.map((collector) => createRunner(collector, options))
  return {
    start: () => runners.forEach((runner) => runner.run()),
    wake: (name) => runners.find(({ collector }) => collector.name === name)?.wake(),
    stop: () => runners.forEach((runner) => runner.stop()),
    states: () => runners.map((runner) => runner.state()),
    samples: (metric) => runners.flatMap((runner) => runner.samples(metric)),
  }
}

function createRunner(collector: Collector, options: SchedulerOptions) {
  const { intervalMs, timeoutMs, now, wallClock } = options
  const stopped = new AbortController()
  const errors = new Map([['timeout', 0]])
  let state: CollectorState = {
    name: collector.name,
    status: 'starting',
    problem: undefined,
    durationSeconds: undefined,
    lastSuccessSeconds: undefined,
    errors,
  }
  let snapshot = NOTHING
  let timer: NodeJS.Timeout | undefined
  let woken = false

  async function run(): Promise<void> {
    timer = undefined
    woken = false
    const startedMs = now()
    const collected = collect()
    // One that hangs has failed, but no other is begun before it is over.
    const [result] = await Promise.all([
      Promise.race([collected, overdue()]).then((it) => settle(it, startedMs)),
      collected,
    ])
    schedule(result === 'absent' ? ABSENT_MS : (collector.nextDelayMs?.() ?? intervalMs))
  }

  async function collect(): Promise<readonly Measurement[] | Error> {
    try {
      return await collector.collect(AbortSignal.any([stopped.signal, AbortSignal.timeout(timeoutMs)]))
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  /** Leaves a run that heeds its signal the time to tell what it waited for. */
  function overdue(): Promise<Error> {
    const message = `took longer than ${timeoutMs / 1000} s`
    return new Promise((resolve) => {
      setTimeout(() => resolve(new CollectError('timeout', message)), timeoutMs + 500).unref()
    })
  }

  function settle(result: readonly Measurement[] | Error, startedMs: number): CollectorState['status'] {
    if (stopped.signal.aborted) return state.status
    const before = state
    const durationSeconds = (now() - startedMs) / 1000
    if (!(result instanceof Error)) {
      snapshot = group(result)
      state = { ...state, status: 'ok', problem: undefined, durationSeconds, lastSuccessSeconds: wallClock() / 1000 }
    } else {
      snapshot = NOTHING
      // What was there once and is gone is a failure: whoever relies on it is to be told.
      const isAbsent = result instanceof Absent && state.lastSuccessSeconds === undefined
      const reason = result instanceof Absent ? 'absent' : result instanceof CollectError ? result.reason : 'other'
      if (!isAbsent) errors.set(reason, (errors.get(reason) ?? 0) + 1)
      const problem = { reason, message: result.message }
      state = { ...state, status: isAbsent ? 'absent' : 'failing', problem, durationSeconds }
    }
    if (state.status !== before.status || state.problem?.reason !== before.problem?.reason) options.onChange(state)
    return state.status
  }

  function schedule(delayMs: number): void {
    if (stopped.signal.aborted) return
    clearTimeout(timer)
    timer = setTimeout(() => void run(), delayMs).unref()
  }

  return {
    collector,
    run: () => void run(),
    wake() {
      // Where there is no timer a run is under way, and says itself how soon the next one follows.
      if (timer === undefined || woken) return
      woken = true
      schedule(WAKE_MS)
    },
    stop() {
      stopped.abort()
      clearTimeout(timer)
      collector.close?.()
    },
    state: () => state,
    samples(metric: MetricDefinition): readonly Sample[] {
      if (!collector.metrics.includes(metric)) return []
      const lasting = collector.lasting?.().filter((one) => one.metric === metric) ?? []
      return [...(snapshot.get(metric) ?? []), ...lasting]
    },
  }
}

/** By family; what is no number is left out, and so is a second value of the same labels. */
function group(measurements: readonly Measurement[]): Snapshot {
  const families = new Map<MetricDefinition, Map<string, Sample>>()
  for (const { metric, labels, value } of measurements) {
    if (!Number.isFinite(value)) continue
    const family = families.get(metric) ?? new Map<string, Sample>()
    const key = JSON.stringify(metric.labels.map((label) => labels[label] ?? ''))
    if (!family.has(key)) family.set(key, { labels, value })
    families.set(metric, family)
  }
  return new Map([...families].map(([metric, family]) => [metric, [...family.values()]]))
}
