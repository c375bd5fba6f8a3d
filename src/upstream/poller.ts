import { parsePs, parseTags, type InstalledModel, type LoadedModel } from '../ollama/inventory.ts'

/** The last answer to one question, and whether the last attempt at it succeeded. */
export interface Answer<T> {
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
  readonly onInstalled: (models: readonly InstalledModel[]) => void
}

export interface Poller {
  state(): UpstreamState
  start(): void
  stop(): void
}

const TIMEOUT_MS = 5000
/** `/api/tags` walks Ollama's disk: seldom, as long as it answers. */
const TAGS_EVERY = 3

/** Asks the upstream now and then what it has, and keeps the last answer. Each question has one attempt in flight. */
export function createPoller(options: PollerOptions): Poller {
  let state: UpstreamState = { installed: undefined, loaded: undefined }
  let timer: NodeJS.Timeout | undefined
  let round = 0
  const stopped = new AbortController()
  const busy = new Set<string>()

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

  /** A slow answer to one question must not hold up the other, nor be asked for twice. */
  async function once(path: string, work: () => Promise<void>): Promise<void> {
    if (busy.has(path)) return
    busy.add(path)
    await work()
    busy.delete(path)
  }

  function poll(): void {
    void once('/api/ps', async () => {
      const loaded = await ask('/api/ps', parsePs, state.loaded)
      state = { ...state, loaded }
    })
    if (round++ % TAGS_EVERY !== 0 && state.installed?.failure === undefined) return
    void once('/api/tags', async () => {
      const installed = await ask('/api/tags', parseTags, state.installed)
      state = { ...state, installed }
      if (installed.failure === undefined) options.onInstalled(installed.value)
    })
  }

  return {
    state: () => state,
    start() {
      poll()
      timer = setInterval(poll, options.intervalMs)
      timer.unref()
    },
    stop() {
      clearInterval(timer)
      stopped.abort()
    },
  }
}
