import type { Endpoint } from '../ollama/endpoints.ts'
import { createFacts, type ResponseFacts } from '../ollama/facts.ts'
import { EMPTY_REQUEST, RequestObserver, type RequestFacts } from '../ollama/request.ts'
import { ResponseObserver, type ResponseHead } from '../ollama/response-observer.ts'

/**
 * The one place where the data path meets the observers. It is handed bytes that were forwarded already; whatever an
 * observer does, nothing comes back but facts. One that throws is dropped for this exchange, and reported once.
 */
export class Tap {
  readonly #endpoint: Endpoint
  readonly #observes: boolean
  readonly #onError: (error: unknown) => void
  #request: RequestObserver | undefined
  #response: ResponseObserver | undefined
  #saysFinished = false

  constructor(endpoint: Endpoint, method: string, onError: (error: unknown) => void) {
    this.#endpoint = endpoint
    this.#observes = method === endpoint.method
    this.#onError = onError
    if (endpoint.readsBody) this.#request = new RequestObserver()
  }

  request(bytes: Buffer): void {
    if (this.#request === undefined) return
    try {
      this.#request.push(bytes)
    } catch (error) {
      this.#request = undefined
      this.#onError(error)
    }
  }

  /** The whole body has passed. */
  requestEnd(): void {
    this.#request?.end()
  }

  responseHead(head: ResponseHead): void {
    try {
      const observer = new ResponseObserver(head, this.#observes ? this.#endpoint.extractor : undefined)
      this.#saysFinished = observer.saysFinished
      this.#response = observer.framing === 'none' ? undefined : observer
    } catch (error) {
      this.#onError(error)
    }
  }

  /** The answer comes record by record. */
  get streams(): boolean {
    const framing = this.#response?.framing
    return framing === 'ndjson' || framing === 'sse'
  }

  response(bytes: Buffer, nowMs: number): void {
    if (this.#response === undefined) return
    try {
      this.#response.push(bytes, nowMs)
    } catch (error) {
      this.#drop(error)
    }
  }

  requestFacts(): RequestFacts {
    try {
      return this.#request?.facts() ?? EMPTY_REQUEST
    } catch (error) {
      this.#request = undefined
      this.#onError(error)
      return EMPTY_REQUEST
    }
  }

  /** Call once, when the exchange is over. */
  responseFacts(): { facts: ResponseFacts; saysFinished: boolean } {
    try {
      this.#response?.end()
    } catch (error) {
      this.#drop(error)
    }
    return { facts: this.#response?.facts ?? createFacts(), saysFinished: this.#saysFinished }
  }

  /** Without an observer nobody can say that the end is missing. */
  #drop(error: unknown): void {
    this.#response = undefined
    this.#saysFinished = false
    this.#onError(error)
  }
}
