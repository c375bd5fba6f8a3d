import { JsonScanner } from './json-scanner.ts'
import type { JsonValue } from './json-value.ts'
import { tokens } from './extractor.ts'
import { compilePaths } from './paths.ts'

const MAX_MODEL_NAME = 128

/** What a request's body says of itself. `invalid`: it names no model that could be one, or is no JSON object. */
export interface RequestFacts {
  readonly model: { readonly kind: 'named'; readonly name: string } | { readonly kind: 'none' | 'invalid' }
  readonly stream: boolean | undefined
  /** The context length that it asks for, in tokens. */
  readonly numCtx: number | undefined
  /** It offers tools: an answer may be held back until it is whole. */
  readonly hasTools: boolean
  /** It carries images, whose bytes are in no proportion to their tokens. */
  readonly hasImages: boolean
}

const NONE = { kind: 'none' } as const
const INVALID = { kind: 'invalid' } as const

export const EMPTY_REQUEST: RequestFacts = {
  model: NONE,
  stream: undefined,
  numCtx: undefined,
  hasTools: false,
  hasImages: false,
}

/** Reads a request's body as it passes. Memory is bounded. */
export interface RequestReader {
  push(bytes: Buffer): void
  /** The body is through. */
  end(): void
  /** What is known by now; the whole truth once the body has passed. */
  facts(): RequestFacts
}

// `name` is the older word for `model`, and a copy says `source`.
const KEYS = ['model', 'name', 'source', 'stream', 'options.num_ctx']
const IMAGES = ['images[]', 'messages[].images[]']
/** Of the parts of a message under /v1: `text`, `image_url`, `input_image`, `image`, ... */
const PART_TYPES = ['messages[].content[].type', 'input[].content[].type']
const PATHS = compilePaths([...KEYS, 'tools[]', ...IMAGES, ...PART_TYPES])

/** Reads the keys of a JSON request's body that matter, wherever they stand. */
export class RequestObserver implements RequestReader {
  readonly #scanner: JsonScanner
  readonly #values = new Map<string, JsonValue>()
  #hasTools = false
  #hasImages = false
  #bytes = 0
  #ended = false

  constructor() {
    // Go's decoder, which reads it next, takes keys in any case and the last of two.
    this.#scanner = new JsonScanner(PATHS, (path, value) => this.#take(path, value), true)
  }

  push(bytes: Buffer): void {
    this.#bytes += bytes.length
    this.#scanner.push(bytes)
  }

  end(): void {
    this.#ended = true
  }

  facts(): RequestFacts {
    const stream = this.#values.get('stream')
    const asked = this.#values.get('options.num_ctx')
    const numCtx = typeof asked === 'number' ? tokens(Math.trunc(asked)) : undefined // as Ollama reads it
    return {
      model: this.#model(),
      stream: typeof stream === 'boolean' ? stream : undefined,
      numCtx: numCtx === 0 ? undefined : numCtx,
      hasTools: this.#hasTools,
      hasImages: this.#hasImages,
    }
  }

  #take(path: string, value: JsonValue): void {
    if (KEYS.includes(path)) {
      // A null leaves what stood there before, as Go does with a string.
      if (value !== null || path === 'stream') this.#values.set(path, value)
    } else if (path === 'tools[]') this.#hasTools = true
    else if (IMAGES.includes(path)) this.#hasImages = true
    else this.#hasImages ||= typeof value === 'string' && value.includes('image')
  }

  #model(): RequestFacts['model'] {
    for (const key of ['model', 'name', 'source']) {
      if (!this.#values.has(key)) continue
      const value = this.#values.get(key)
      if (value === '' || value === null) continue
      return typeof value === 'string' ? modelNamed(value) : INVALID
    }
    const broken = this.#scanner.failed || (this.#ended && this.#bytes > 0 && !this.#scanner.complete)
    return broken ? INVALID : NONE
  }
}

/** A model of this name, where it is short enough to be one. */
export function modelNamed(name: string): RequestFacts['model'] {
  return name.length <= MAX_MODEL_NAME ? { kind: 'named', name } : INVALID
}
