import { boundaryOf, MultipartReader } from './multipart.ts'
import { EMPTY_REQUEST, modelNamed, type RequestFacts, type RequestReader } from './request.ts'

/** Reads a form's `model` field, as `/v1/audio/transcriptions` has it. */
export class FormObserver implements RequestReader {
  readonly #reader: MultipartReader
  #model: string | undefined

  constructor(boundary: string) {
    this.#reader = new MultipartReader(boundary, (_name, value) => (this.#model ??= value), ['model'])
  }

  /** `undefined` where the body is no form. */
  static of(contentType: string | undefined): FormObserver | undefined {
    const boundary = boundaryOf(contentType)
    return boundary === undefined ? undefined : new FormObserver(boundary)
  }

  push(bytes: Buffer): void {
    this.#reader.push(bytes)
  }

  end(): void {
    // A field counts when its end was seen.
  }

  facts(): RequestFacts {
    return this.#model === undefined || this.#model === ''
      ? EMPTY_REQUEST
      : { ...EMPTY_REQUEST, model: modelNamed(this.#model) }
  }
}
