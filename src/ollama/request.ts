import { JsonScanner } from './json-scanner.ts'
import type { JsonValue } from './json-value.ts'
import { compilePaths } from './paths.ts'

export const MAX_MODEL_NAME = 128

/** What a request's body says of itself. `invalid`: it names no model that could be one, or is no JSON object. */
export interface RequestFacts {
  readonly model: { readonly kind: 'named'; readonly name: string } | { readonly kind: 'none' | 'invalid' }
  readonly stream: boolean | undefined
}

const NONE = { kind: 'none' } as const
const INVALID = { kind: 'invalid' } as const

export const EMPTY_REQUEST: RequestFacts = { model: NONE, stream: undefined }

// `name` is the older word for `model`, and a copy says `source`.
const PATHS = compilePaths(['model', 'name', 'source', 'stream'])

/** Reads the top-level keys of a request's body as it passes, wherever they stand. Memory is bounded. */
export class RequestObserver {
  readonly #scanner: JsonScanner
  readonly #values = new Map<string, JsonValue>()
  #bytes = 0
  #ended = false

  constructor() {
    // Go's decoder, which reads it next, takes keys in any case and the last of two.
    this.#scanner = new JsonScanner(PATHS, (path, value) => this.#values.set(path, value), true)
  }

  push(bytes: Buffer): void {
    this.#bytes += bytes.length
    this.#scanner.push(bytes)
  }

  /** The body is through. */
  end(): void {
    this.#ended = true
  }

  /** What is known by now; the whole truth once the body has passed. */
  facts(): RequestFacts {
    const stream = this.#values.get('stream')
    return { model: this.#model(), stream: typeof stream === 'boolean' ? stream : undefined }
  }

  #model(): RequestFacts['model'] {
    for (const key of ['model', 'name', 'source']) {
      if (!this.#values.has(key)) continue
      const value = this.#values.get(key)
      if (value === '' || value === null) continue
      return typeof value === 'string' && value.length <= MAX_MODEL_NAME ? { kind: 'named', name: value } : INVALID
    }
    const broken = this.#scanner.failed || (this.#ended && this.#bytes > 0 && !this.#scanner.complete)
    return broken ? INVALID : NONE
  }
}
