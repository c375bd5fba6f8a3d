import type { LoadedModel } from '../ollama/inventory.ts'
import { fullModelName } from '../ollama/model-name.ts'

/** How often a model was loaded and unloaded, since this process began to look. */
export interface ModelEvents {
  readonly model: string
  readonly loads: number
  readonly unloads: number
}

interface Tally {
  loads: number
  unloads: number
  /** Milliseconds; when it was last listed or loaded. */
  seenMs: number
  /** Whatever was loaded until then is counted. */
  countedMs: number
}

/** Counters outlive their model by so long, so that a scrape sees what happened last. */
const KEPT_MS = 3_600_000
/** A request's own word on when a model was loaded is as exact as this. */
const SLACK_MS = 1000
const MAX_MODELS = 2000

/**
 * Counts loads and unloads by comparing what `/api/ps` lists from one answer to the next, and by what the proxy saw: a
 * model that came and went, or was loaded again, between two answers.
 */
export class LoadEvents {
  readonly #now: () => number
  readonly #models = new Map<string, Tally>()
  /** What was loaded when last was asked, with what tells one load from the next. */
  #listed: ReadonlyMap<string, string> | undefined
  #listedMs = 0
  /** Models that a request loaded since, and that were not listed yet. */
  readonly #unlisted = new Set<string>()

  /** @param now monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** These begin at 0: `increase()` does not see the first event of a series that begins with it. */
  setInstalled(models: readonly string[]): void {
    for (const model of models) this.#tally(fullModelName(model))
  }

  /** The models that `/api/ps` lists now. What was there at the first answer counts as neither. */
  setLoaded(models: readonly LoadedModel[]): void {
    const nowMs = this.#now()
    const before = this.#listed
    const listed = new Map(models.map((model) => [fullModelName(model.name), loadOf(model)]))
    for (const [model, load] of listed) {
      const tally = this.#tally(model)
      if (tally === undefined || before?.get(model) === load) continue
      // Where a request told of this load already, it is counted, and so is the unload before it.
      const isNew = before !== undefined && tally.countedMs <= this.#listedMs
      if (isNew) tally.loads++
      if (isNew && before.has(model)) tally.unloads++
      tally.countedMs = nowMs
    }
    for (const model of new Set([...(before?.keys() ?? []), ...this.#unlisted])) {
      const tally = listed.has(model) ? undefined : this.#tally(model)
      if (tally !== undefined) tally.unloads++
    }
    this.#unlisted.clear()
    this.#listed = listed
    this.#listedMs = nowMs
    for (const [model, { seenMs }] of this.#models) if (nowMs - seenMs > KEPT_MS) this.#models.delete(model)
  }

  /**
   * A request ended that says of itself that its model was loaded for it.
   * @param loadedMs when that load was over.
   */
  noteLoad(model: string, loadedMs: number): void {
    const tally = this.#listed && this.#tally(model)
    // Several requests can have waited for one load, and an answer of /api/ps can have shown it already.
    if (tally === undefined || loadedMs <= tally.countedMs + SLACK_MS) return
    tally.loads++
    tally.countedMs = loadedMs
    if (this.#listed?.has(model) || this.#unlisted.has(model)) tally.unloads++
    else this.#unlisted.add(model)
  }

  events(): ModelEvents[] {
    return [...this.#models].map(([model, { loads, unloads }]) => ({ model, loads, unloads }))
  }

  #tally(model: string): Tally | undefined {
    const known = this.#models.get(model)
    if (known !== undefined) known.seenMs = this.#now()
    if (known !== undefined || this.#models.size >= MAX_MODELS) return known
    const tally: Tally = { loads: 0, unloads: 0, seenMs: this.#now(), countedMs: -Infinity }
    this.#models.set(model, tally)
    return tally
  }
}

/** What changes when a model is loaded again: another version, another context length, another place. */
function loadOf({ digest, contextLength, sizeBytes, vramBytes }: LoadedModel): string {
  return JSON.stringify([digest, contextLength, sizeBytes, vramBytes])
}
