import type { Endpoint } from '../ollama/endpoints.ts'
import type { Unread } from '../ollama/exchange.ts'
import { createFacts, type ResponseFacts } from '../ollama/facts.ts'
import { FormObserver } from '../ollama/form-request.ts'
import { EMPTY_REQUEST, RequestObserver, type RequestFacts, type RequestReader } from '../ollama/request.ts'
import { isCoded, ResponseObserver, type ResponseHead } from '../ollama/response-observer.ts'
import { SideCopy } from './side-copy.ts'

/** What a message's head says of its body. */
export interface BodyHead {
  readonly 'content-type'?: string | undefined
  readonly 'content-encoding'?: string | undefined
}

/**
 * The one place where the data path meets the observers. It is handed bytes that were forwarded already; whatever an
 * observer does, nothing comes back but facts. One that throws is dropped for this exchange, and reported once. A coded
 * body is read when it is over, from a copy of bounded size.
 */
export class Tap {
  readonly #endpoint: Endpoint
  readonly #observes: boolean
  readonly #onError: (error: unknown) => void
  #request: RequestReader | undefined
  #requestCopy: SideCopy | undefined
  #unreadRequest: Unread | undefined
  #response: ResponseObserver | undefined
  #responseCopy: SideCopy | undefined
  #unreadResponse: Unread | undefined
  #saysFinished = false

  constructor(endpoint: Endpoint, method: string, head: BodyHead, onError: (error: unknown) => void) {
    this.#endpoint = endpoint
    this.#observes = method === endpoint.method
    this.#onError = onError
    if (endpoint.names === 'json') this.#request = new RequestObserver()
    else if (endpoint.names === 'form') this.#request = FormObserver.of(head['content-type'])
    const coding = head['content-encoding']
    if (this.#request === undefined || !isCoded(coding)) return
    this.#requestCopy = SideCopy.for(coding)
    if (this.#requestCopy === undefined) {
      this.#unreadRequest = 'coding'
      this.#request = undefined
    }
  }

  request(bytes: Buffer): void {
    if (this.#request === undefined) return
    try {
      if (this.#requestCopy !== undefined) this.#requestCopy.push(bytes)
      else this.#request.push(bytes)
    } catch (error) {
      this.#request = undefined
      this.#onError(error)
    }
  }

  /** The whole body has passed. */
  requestEnd(): void {
    const copy = this.#requestCopy
    this.#requestCopy = undefined
    try {
      if (copy !== undefined) {
        const plain = copy.decode()
        if (plain === undefined) {
          this.#unreadRequest = 'size'
          this.#request = undefined
        } else {
          this.#request?.push(plain)
        }
      }
      this.#request?.end()
    } catch (error) {
      this.#request = undefined
      this.#onError(error)
    }
  }

  responseHead(status: number, headers: BodyHead): void {
    const { 'content-type': contentType, 'content-encoding': contentEncoding } = headers
    const head: ResponseHead = { status, contentType, contentEncoding }
    try {
      const extractor = this.#observes ? this.#endpoint.extractor : undefined
      const coded = isCoded(head.contentEncoding)
      if (coded) this.#responseCopy = SideCopy.for(head.contentEncoding)
      const plain = this.#responseCopy === undefined ? head : { ...head, contentEncoding: undefined }
      const observer = new ResponseObserver(plain, extractor)
      this.#saysFinished = observer.saysFinished
      this.#response = observer.framing === 'none' ? undefined : observer
      if (this.#response !== undefined || extractor === undefined) return
      this.#responseCopy = undefined
      if (coded || head.status < 400) this.#unreadResponse = coded ? 'coding' : 'type'
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
      if (this.#responseCopy !== undefined) this.#responseCopy.push(bytes)
      else this.#response.push(bytes, nowMs)
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
      if (this.#responseCopy !== undefined) this.#readCopy(this.#responseCopy)
      this.#response?.end()
    } catch (error) {
      this.#drop(error)
    }
    return { facts: this.#response?.facts ?? createFacts(), saysFinished: this.#saysFinished }
  }

  /** Why a body could not be read that should have been; for bodies that are over. */
  get unread(): { request: Unread | undefined; response: Unread | undefined } {
    return { request: this.#unreadRequest, response: this.#unreadResponse }
  }

  #readCopy(copy: SideCopy): void {
    const plain = copy.decode()
    if (plain !== undefined) {
      this.#response?.push(plain, undefined) // when each part of it came, nobody can say
      return
    }
    this.#response = undefined
    this.#saysFinished = false
    this.#unreadResponse = 'size'
  }

  /** Without an observer nobody can say that the end is missing. */
  #drop(error: unknown): void {
    this.#response = undefined
    this.#saysFinished = false
    this.#onError(error)
  }
}
