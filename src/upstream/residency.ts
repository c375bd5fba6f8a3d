import type { LoadedModel } from '../ollama/inventory.ts'
import { fullModelName } from '../ollama/model-name.ts'

/** More names than are asked for between two answers of `/api/ps`; beyond them nothing is sure. */
const MAX_ASKED = 1000

/** Which models are in memory, by full name: the last answer of `/api/ps`, and what was asked for since then. */
export class Residency {
  readonly #onUnknown: () => void
  #listed: ReadonlyMap<string, LoadedModel> | undefined
  readonly #asked = new Set<string>()

  /** @param onUnknown a model is asked for that is not listed: it is worth asking again soon. */
  constructor(onUnknown: () => void) {
    this.#onUnknown = onUnknown
  }

  /** @param models `undefined` where the question failed. */
  setLoaded(models: readonly LoadedModel[] | undefined): void {
    this.#listed = models && new Map(models.map((model) => [fullModelName(model.name), model]))
    this.#asked.clear()
  }

  /** What the last answer said of it. */
  find(model: string): LoadedModel | undefined {
    return this.#listed?.get(model)
  }

  /** `undefined` where nobody knows: the question failed, or somebody asked for the model since. */
  isLoaded(model: string): boolean | undefined {
    if (this.#listed === undefined) return undefined
    if (this.#listed.has(model)) return true
    return this.#asked.has(model) || this.#asked.size >= MAX_ASKED ? undefined : false
  }

  /** A request for this model is with the upstream, which may load it. */
  noteAsked(model: string): void {
    if (this.#listed === undefined || this.#listed.has(model)) return
    if (this.#asked.size < MAX_ASKED) this.#asked.add(model)
    this.#onUnknown()
  }
}
