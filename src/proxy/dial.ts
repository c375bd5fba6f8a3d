import type { ClientRequest, IncomingMessage, InformationEvent } from 'node:http'
import type { Socket } from 'node:net'
import { NO_RETRIES, type Retries } from '../ollama/exchange.ts'

/** How often and when a connection is tried again. */
export interface RetryLimits {
  readonly connect: number
  /** Before the first retry; it doubles, with jitter. */
  readonly delayMs: number
}

export interface DialFailure {
  readonly code?: string | undefined
  readonly message: string
}

export interface DialEvents {
  /** Makes a request that goes to the upstream, over a connection of its own where `fresh`. */
  readonly open: (fresh: boolean) => ClientRequest
  /** A connection is there, and nothing of the body was sent over it. */
  readonly onConnected: (upstreamReq: ClientRequest) => void
  readonly onResponse: (response: IncomingMessage) => void
  readonly onInformation: (info: InformationEvent) => void
  /** No response will come. */
  readonly onFailed: (failure: DialFailure) => void
  /** A connection failed: `again` is to be called with how often it may be tried. */
  readonly onConnectFailed: (again: (limits: RetryLimits) => void) => void
  /** Whether a request that was sent over a stale connection may be sent again. */
  readonly maySendAgain: () => boolean
}

/** No retry waits for longer, however often the delay doubles. */
const MAX_DELAY_MS = 60_000

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** Whether a request may arrive twice. https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2 */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method)
}

/** Brings one request to the upstream: tries to connect as often as it may, and once more where a kept connection was stale. */
export class Dial {
  readonly #events: DialEvents
  #request: ClientRequest | undefined
  #socket: Socket | undefined
  #connected = false
  #answered = false
  #over = false
  #bytesReadBefore = 0
  #timer: NodeJS.Timeout | undefined
  #connectRetries: ('success' | 'failure')[] | undefined
  #tried = 0
  #stale: Retries['stale'] = undefined

  constructor(events: DialEvents) {
    this.#events = events
  }

  /** A connection is being made. */
  get connecting(): boolean {
    return !this.#over && this.#request !== undefined && !this.#connected
  }

  /** Where the request went, or is going. */
  get request(): ClientRequest | undefined {
    return this.#request
  }

  get retries(): Retries {
    if (this.#connectRetries === undefined && this.#stale === undefined) return NO_RETRIES
    return { connect: this.#connectRetries ?? [], stale: this.#stale }
  }

  start(): void {
    this.#try(false)
  }

  /** The connection took too long: as if it had failed. */
  giveUpConnecting(): void {
    const request = this.#request
    if (request === undefined || this.#connected) return
    this.#fail(request, { code: 'ETIMEDOUT', message: 'connecting timed out' })
    request.destroy()
  }

  /** Nothing more is wanted of the upstream. */
  destroy(): void {
    this.#over = true
    clearTimeout(this.#timer)
    this.#request?.destroy()
  }

  #try(fresh: boolean): void {
    const request = this.#events.open(fresh)
    this.#request = request
    this.#connected = false
    request.on('socket', (socket) => {
      socket.setDefaultEncoding('latin1') // Node sends a head alone in it, and a field's characters are its bytes
      this.#socket = socket
      this.#bytesReadBefore = socket.bytesRead
      if (socket.connecting) socket.once('connect', () => this.#onConnected(request))
      else this.#onConnected(request)
    })
    request.on('response', (response) => {
      this.#answered = true
      if (this.#stale !== undefined) this.#stale = 'success'
      this.#events.onResponse(response)
    })
    request.on('information', (info) => this.#events.onInformation(info))
    request.on('error', (error: NodeJS.ErrnoException) => this.#fail(request, error))
    // It may also end without any error: an upstream that switches protocols unasked, for one.
    request.on('close', () => this.#fail(request, { code: 'ECONNRESET', message: 'closed' }))
  }

  #onConnected(request: ClientRequest): void {
    if (this.#over || request !== this.#request) return
    this.#connected = true
    if (this.#tried > 0) this.#noteConnect('success')
    this.#tried = 0
    this.#events.onConnected(request)
  }

  /** Told once for each try; of a try that is over nothing more is heard. */
  #fail(request: ClientRequest, failure: DialFailure): void {
    if (this.#over || this.#answered || request !== this.#request) return
    this.#request = undefined
    if (!this.#connected) {
      this.#onConnectFailed(failure)
      return
    }
    const silent = this.#socket?.bytesRead === this.#bytesReadBefore
    if (request.reusedSocket && silent && this.#stale === undefined && this.#events.maySendAgain()) {
      this.#stale = 'failure' // until it is answered
      this.#try(true)
    } else {
      // Of a connection that was there, running out of time is an end like any other.
      this.#end(failure.code === 'ETIMEDOUT' ? { ...failure, code: 'ECONNRESET' } : failure)
    }
  }

  #onConnectFailed(failure: DialFailure): void {
    if (this.#tried > 0) this.#noteConnect('failure')
    this.#events.onConnectFailed(({ connect, delayMs }) => {
      if (this.#over) return
      if (this.#tried >= connect) {
        this.#end(failure)
        return
      }
      const delay = Math.min(delayMs * 2 ** this.#tried, MAX_DELAY_MS)
      this.#tried++
      this.#timer = setTimeout(() => this.#try(true), delay / 2 + (Math.random() * delay) / 2)
    })
  }

  #noteConnect(result: 'success' | 'failure'): void {
    this.#connectRetries = [...(this.#connectRetries ?? []), result]
  }

  #end(failure: DialFailure): void {
    this.#over = true
    this.#events.onFailed(failure)
  }
}
