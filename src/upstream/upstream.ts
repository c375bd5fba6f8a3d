import { parsePs, parseTags, parseVersion, type InstalledModel, type LoadedModel } from '../ollama/inventory.ts'
import { NoAnswer } from './get-json.ts'

/** The last answer to one question, and whether the last attempt at it succeeded. */
export interface Answer<T> {
  /** The newest answer there ever was. */
  readonly value: T | undefined
  /** Why the last attempt failed; `undefined` where it succeeded. */
  readonly failure: { readonly reason: string; readonly message: string } | undefined
  /** How long the last answer took; `undefined` before the first. */
  readonly seconds: number | undefined
}

export interface UpstreamState {
  /** `/api/version`: it answers at all. `undefined` before the first attempt is over. */
  readonly version: Answer<string> | undefined
  /** `/api/tags`: a request would be served. */
  readonly installed: Answer<readonly InstalledModel[]> | undefined
  /** `/api/ps`. It can block for seconds behind a load, which is no sign of death. */
  readonly loaded: Answer<readonly LoadedModel[]> | undefined
}

/** The answer, where the last attempt succeeded. */
export function fresh<T>(answer: Answer<T> | undefined): T | undefined {
  return answer?.failure === undefined ? answer?.value : undefined
}

export interface UpstreamOptions {
  /** Fetches and parses a JSON document of the upstream; rejects with a NoAnswer. */
  readonly getJson: (path: string, signal: AbortSignal) => Promise<unknown>
  readonly intervalMs: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** @param models `undefined` where the question failed. @param changed a model was loaded or unloaded. */
  readonly onLoaded: (models: readonly LoadedModel[] | undefined, changed: boolean) => void
  readonly onInstalled: (models: readonly InstalledModel[]) => void
  /** Somebody waits for a model that is not known to be loaded: its loading is to be seen soon. */
  readonly awaitsLoad: () => boolean
}

/** What is known of the upstream by asking it. */
export interface Upstream {
  state(): UpstreamState
  /** Asks what is due, each question beside the others; what fails is in the state then. */
  look(signal: AbortSignal): Promise<void>
  /** Milliseconds until it is worth looking again. */
  nextDelayMs(): number
}

const TIMEOUT_MS = 5000
/** Whether it lives at all is to be known soon. */
const VERSION_TIMEOUT_MS = 2000
/** While Ollama does not answer, its return is to be seen soon, and so is what a request waits for. */
const SOON_MS = 1000
/** `/api/tags` walks Ollama's disk: seldom, as long as it answers. */
const TAGS_INTERVALS = 3

/** Keeps what the upstream last said of itself. */
export function createUpstream(options: UpstreamOptions): Upstream {
  const { now, intervalMs } = options
  let state: UpstreamState = { version: undefined, installed: undefined, loaded: undefined }
  let tagsDueMs = -Infinity

  async function ask<T>(
    path: string,
    parse: (json: unknown) => T | undefined,
    before: Answer<T> | undefined,
    signal: AbortSignal,
    timeoutMs = TIMEOUT_MS,
  ): Promise<Answer<T>> {
    const startedMs = now()
    try {
      const value = parse(await options.getJson(path, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])))
      const seconds = (now() - startedMs) / 1000
      if (value !== undefined) return { value, failure: undefined, seconds }
      const failure = { reason: 'unknown_answer', message: `the answer to ${path} is not Ollama's` }
      return { value: before?.value, failure, seconds }
    } catch (error) {
      const failure = {
        reason: error instanceof NoAnswer ? error.reason : 'other',
        message: error instanceof Error ? error.message : String(error),
      }
      return { value: before?.value, failure, seconds: before?.seconds }
    }
  }

  async function askVersion(signal: AbortSignal): Promise<void> {
    const version = await ask('/api/version', parseVersion, state.version, signal, VERSION_TIMEOUT_MS)
    state = { ...state, version } // only now: another answer may have come meanwhile
  }

  async function askInstalled(signal: AbortSignal): Promise<void> {
    const installed = await ask('/api/tags', parseTags, state.installed, signal)
    state = { ...state, installed }
    tagsDueMs = installed.failure === undefined ? now() + intervalMs * (TAGS_INTERVALS - 0.5) : -Infinity
    if (installed.failure === undefined && installed.value !== undefined) options.onInstalled(installed.value)
  }

  async function askLoaded(signal: AbortSignal): Promise<void> {
    const loaded = await ask('/api/ps', parsePs, state.loaded, signal)
    const changed = names(loaded.value) !== names(state.loaded?.value)
    state = { ...state, loaded }
    options.onLoaded(fresh(loaded), changed)
  }

  return {
    state: () => state,
    async look(signal) {
      const tags = now() >= tagsDueMs ? [askInstalled(signal)] : []
      await Promise.all([askVersion(signal), askLoaded(signal), ...tags])
    },
    nextDelayMs() {
      const isDown = [state.version, state.installed].some((answer) => answer?.failure !== undefined)
      return isDown || options.awaitsLoad() ? Math.min(SOON_MS, intervalMs) : intervalMs
    },
  }
}

function names(models: readonly LoadedModel[] = []): string {
  return JSON.stringify(models.map(({ name, digest }) => [name, digest]).sort())
}
