import { fullModelName } from '../ollama/model-name.ts'
import type { RequestFacts } from '../ollama/request.ts'

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'])

/** A known method, or `other`: a client may invent as many as it likes. */
export function methodLabel(method: string): string {
  return METHODS.has(method) ? method : 'other'
}

/**
 * Keeps the model label bounded, whatever names clients send. Models that Ollama lists are taken as they are; any other
 * name gets a slot only once Ollama answered it with success, and when the slots are used up it is `other`. A slot is
 * never given to another name: a counter that changed its meaning would lie.
 */
export class ModelLabels {
  readonly #limit: number
  readonly #onOverflow: () => void
  readonly #slots = new Set<string>()
  #listed: ReadonlySet<string> = new Set()

  /** @param limit how many names that Ollama does not list may have a label of their own. */
  constructor(limit: number, onOverflow: () => void) {
    this.#limit = limit
    this.#onOverflow = onOverflow
  }

  /** The models that Ollama lists now. */
  setListed(names: Iterable<string>): void {
    this.#listed = new Set([...names].map(fullModelName))
  }

  /** Ask once a request, when it is over. */
  labelFor(model: RequestFacts['model'], succeeded: boolean): string {
    if (model.kind !== 'named') return model.kind
    const name = fullModelName(model.name)
    if (this.#listed.has(name) || this.#slots.has(name)) return name
    if (!succeeded) return 'other'
    if (this.#slots.size >= this.#limit) {
      this.#onOverflow()
      return 'other'
    }
    this.#slots.add(name)
    return name
  }
}
