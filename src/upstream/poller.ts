import { parsePs, parseTags, type InstalledModel, type LoadedModel } from '../ollama/inventory.ts'

/** The last answer to one question, and whether the last attempt at it succeeded. */
interface Answer<T> {
  /** The newest answer there ever was. */
  readonly value: T | undefined
  /** Why the last attempt failed; `undefined` where it succeeded. */
  readonly failure: string | undefined
}

export interface UpstreamState {
  /** `/api/tags`: a request would be served. `undefined` before the first attempt is over. */
  readonly installed: Answer<readonly InstalledModel[]> | undefined
  /** `/api/ps`. It can block for seconds behind a load, which is no sign of death. */
  readonly loaded: Answer<readonly LoadedModel[]> | undefined
}

/** The answer, where the last attempt succeeded. */
export function fresh<T>(answer: Answer<T> | undefined): T | undefined {
  return answer?.failure === undefined ? answer?.value : undefined
}

export interface PollerOptions {
  /** Fetches and parses a JSON document of the upstream; rejects with a reason a person understands. */
  readonly getJson: (path: string, signal: AbortSignal) => Promise<unknown>
  readonly intervalMs: number
  /** @param models `undefined` where the question failed. @param changed a model was loaded or unloaded. */
  readonly onLoaded: (models: readonly LoadedModel[] | undefined, changed: boolean) => void
  readonly onInstalled: (models: readonly InstalledModel[]) => void
  /** Somebody waits for a model that is not known to be loaded: its loading is to be seen soon. */
  readonly awaitsLoad: () => boolean
}

export interface Poller {
  state(): UpstreamState
  start(): void
  /** Something changed what is loaded, or will: asks soon, whatever the interval is. */
  wake(): void
  stop(): void
}

const TIMEOUT_MS = 5000
/** While Ollama does not answer, its return is to be seen soon, and so is what a request waits for. */
const SOON_MS = 1000
/** Many requests that come at once wake it once. */
const WAKE_MS = 100
/** `/api/tags` walks Ollama's disk: seldom, as long as it answers. */
const TAGS_INTERVALS = 3

/** Asks the upstream now and then what it has, and keeps the last answer. Each question waits for its own answer only. */
export function createPoller(options: PollerOptions): Poller {
  let state: UpstreamState = { installed: undefined, loaded: undefined }
  const timers = new Map<string, NodeJS.Timeout>()
  const stopped = new AbortController()
  let woken = false

  async function ask<T>(path: string, parse: (json: unknown) => T | undefined, before: Answer<T> | undefined) {
    try {
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(TIMEOUT_MS)])
      const value = parse(await options.getJson(path, signal))
      if (value !== undefined) return { value, failure: undefined }
      return { value: before?.value, failure: `the answer to ${path} is not Ollama's` }
    } catch (error) {
      return { value: before?.value, failure: error instanceof Error ? error.message : String(error) }
    }
  }

  async function askInstalled(): Promise<number> {
    const installed = await ask('/api/tags', parseTags, state.installed)
    state = { ...state, installed }
    if (installed.failure !== undefined) return SOON_MS
    options.onInstalled(installed.value)
    return options.intervalMs * TAGS_INTERVALS
  }

  async function askLoaded(): Promise<number> {
    woken = false
    const loaded = await ask('/api/ps', parsePs, state.loaded)
    const changed = names(loaded.value) !== names(state.loaded?.value)
    state = { ...state, loaded } // only now: the other answer may have come meanwhile
    options.onLoaded(fresh(loaded), changed)
    return options.awaitsLoad() ? Math.min(SOON_MS, options.intervalMs) : options.intervalMs
  }

  /** Does the work now, and again when the milliseconds that it gives are over: never twice at once. */
  function repeat(name: string, work: () => Promise<number>): void {
    timers.delete(name)
    void work().then((delayMs) => schedule(name, work, delayMs))
  }

  function schedule(name: string, work: () => Promise<number>, delayMs: number): void {
    if (stopped.signal.aborted) return
    clearTimeout(timers.get(name))
    timers.set(name, setTimeout(() => repeat(name, work), delayMs).unref())
  }

  return {
    state: () => state,
    start() {
      repeat('installed', askInstalled)
      repeat('loaded', askLoaded)
    },
    wake() {
      // Where there is no timer the question is out, and its answer says how soon the next one follows.
      if (!timers.has('loaded') || options.intervalMs <= SOON_MS || woken) return
      woken = true
      schedule('loaded', askLoaded, WAKE_MS)
    },
    stop() {
      stopped.abort()
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}

function names(models: readonly LoadedModel[] = []): string {
  return JSON.stringify(models.map(({ name, digest }) => [name, digest]).sort())
}
