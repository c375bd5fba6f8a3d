import { runsModel, type Endpoint } from '../ollama/endpoints.ts'
import { fullModelName } from '../ollama/model-name.ts'
import type { RequestFacts } from '../ollama/request.ts'

/** What is known of the models in the upstream's memory. */
export interface Residency {
  /** @param model its full name; `undefined` where nobody knows. */
  isLoaded(model: string): boolean | undefined
  /** A request for this model is with the upstream, which may load it. */
  noteAsked(model: string): void
}

/** What one exchange knows of the model that it runs. */
export class ModelRun {
  /** Its full name, once the whole request is known; `undefined` where it runs none. */
  model: string | undefined
  /** When it was asked for, it was not loaded and nobody else had asked for it. */
  coldStart = false
  readonly #residency: Residency

  constructor(residency: Residency) {
    this.#residency = residency
  }

  /** @param isAlone whether no other exchange of this model is under way */
  ask(endpoint: Endpoint, method: string, { model }: RequestFacts, isAlone: () => boolean): void {
    if (model.kind !== 'named' || !runsModel(endpoint, method)) return
    this.model = fullModelName(model.name)
    this.coldStart = this.#residency.isLoaded(this.model) === false && isAlone()
    this.#residency.noteAsked(this.model)
  }

  /** `undefined` where nobody knows. */
  get isLoaded(): boolean | undefined {
    if (this.model === undefined) return undefined
    // That it was asked for makes it unsure whether it is loaded by now; the next answer of /api/ps tells.
    return this.#residency.isLoaded(this.model) ?? (this.coldStart ? false : undefined)
  }
}
