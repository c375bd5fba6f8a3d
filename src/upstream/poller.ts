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

export interface PollerOptions {
  /** Fetches and parses a JSON document of the upstream; rejects with a reason a person understands. */
  readonly getJson: (path: string, signal: AbortSignal) => Promise<unknown>
  readonly intervalMs: number
  /** A model was loaded or unloaded. */
  readonly onLoadedChange: () => void
  readonly onInstalled: (models: readonly InstalledModel[]) => void
}

export interface Poller {
  state(): UpstreamState
  start(): void
  stop(): void
}

const TIMEOUT_MS = 5000
/** While Ollama does not answer, its return is to be seen soon. */
const RETRY_MS = 1000
/** `/api/tags` walks Ollama's disk: seldom, as long as it answers. */
const TAGS_INTERVALS = 3

/** Asks the upstream now and then what it has, and keeps the last answer. Each question waits for its own answer only. */
export function createPoller(options: PollerOptions): Poller {
  let state: UpstreamState = { installed: undefined, loaded: undefined }
  const timers = new Map<string, NodeJS.Timeout>()
  const stopped = new AbortController()

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
    if (installed.failure !== undefined) return RETRY_MS
    options.onInstalled(installed.value)
    return options.intervalMs * TAGS_INTERVALS
  }

  async function askLoaded(): Promise<number> {
    const loaded = await ask('/api/ps', parsePs, state.loaded)
    if (names(loaded.value) !== names(state.loaded?.value)) options.onLoadedChange()
    state = { ...state, loaded } // only now: the other answer may have come meanwhile
    return options.intervalMs
  }

  /** Does the work now, and again when the milliseconds that it gives are over: never twice at once. */
  function repeat(name: string, work: () => Promise<number>): void {
    void work().then((delayMs) => {
      if (stopped.signal.aborted) return
      const timer = setTimeout(() => repeat(name, work), delayMs)
      timers.set(name, timer.unref())
    })
  }

  return {
    state: () => state,
    start() {
      repeat('installed', askInstalled)
      repeat('loaded', askLoaded)
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
