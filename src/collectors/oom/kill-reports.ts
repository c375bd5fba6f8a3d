import { CONTAINERS } from '../../metrics/collected.ts'
import { measure, type Measurement } from '../collector.ts'

/** The models around a kill, by full name. */
export interface KillReport {
  /** The container's name. */
  readonly name: string
  readonly kills: number
  /** In memory before it and after it. */
  readonly resident: readonly string[]
  /** In memory before it, and not after it. */
  readonly vanished: readonly string[]
  /** Asked for and not in memory: what was probably being loaded. */
  readonly loading: readonly string[]
}

interface Pending {
  readonly name: string
  kills: number
  readonly before: readonly string[]
  readonly loading: readonly string[]
  readonly atMs: number
}

/** The kernel's counter is read each second, so that an answer of this age may be younger than the kill. */
const RECENT_MS = 3000
/** So long an answer is waited for that shows what vanished: a runner that died leaves the list within a second. */
const AFTER_MS = 1500
/** A report is made also where Ollama does not answer any more. */
const OVERDUE_MS = 10_000
const KEPT_MS = 3_600_000
/** Series for each container. */
const MAX_MODELS = 20

/** Tells which models were in memory around an out-of-memory kill, which vanished with it, and which were being loaded. */
export class KillReports {
  readonly #now: () => number
  readonly #loading: () => readonly string[]
  readonly #onReport: (report: KillReport) => void
  readonly #pending = new Map<string, Pending>()
  readonly #last = new Map<string, { readonly report: KillReport; readonly atMs: number }>()
  #listed: readonly string[] = []
  #listedMs = -Infinity
  #listedBefore: readonly string[] = []

  /** @param now milliseconds. @param loading the models that requests wait for. */
  constructor(now: () => number, loading: () => readonly string[], onReport: (report: KillReport) => void) {
    this.#now = now
    this.#loading = loading
    this.#onReport = onReport
  }

  note(name: string, kills: number): void {
    const pending = this.#pending.get(name)
    if (pending !== undefined) {
      pending.kills += kills
      return
    }
    const atMs = this.#now()
    const older = atMs - this.#listedMs < RECENT_MS ? this.#listedBefore : []
    const before = [...new Set([...older, ...this.#listed])]
    this.#pending.set(name, { name, kills, before, loading: this.#loading(), atMs })
  }

  /** Whether an answer of /api/ps would complete a report. */
  get isWaiting(): boolean {
    return this.#pending.size > 0
  }

  /** @param models what is in memory now, by full name; `undefined` where Ollama did not say. */
  setLoaded(models: readonly string[] | undefined): void {
    const nowMs = this.#now()
    for (const [name, { before, loading, kills, atMs }] of this.#pending) {
      if (models === undefined ? nowMs - atMs < OVERDUE_MS : nowMs - atMs < AFTER_MS) continue
      this.#pending.delete(name)
      const after = new Set(models)
      const report = {
        name,
        kills,
        resident: before.filter((model) => after.has(model)),
        vanished: before.filter((model) => !after.has(model)),
        loading: loading.filter((model) => !before.includes(model)),
      }
      this.#last.set(name, { report, atMs })
      this.#onReport(report)
    }
    if (models === undefined) return
    this.#listedBefore = this.#listed
    this.#listed = models
    this.#listedMs = nowMs
  }

  measurements(): Measurement[] {
    for (const [name, { atMs }] of this.#last) if (this.#now() - atMs > KEPT_MS) this.#last.delete(name)
    return [...this.#last.values()].flatMap(({ report: { name, resident, vanished, loading } }) =>
      Object.entries({ vanished, loading, resident })
        .flatMap(([state, models]) => models.map((model) => ({ name, model, state })))
        .slice(0, MAX_MODELS)
        .flatMap((labels) => measure(CONTAINERS.oomKillInfo, 1, labels)),
    )
  }
}
