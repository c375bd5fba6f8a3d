import type { ClientRequest, IncomingMessage } from 'node:http'
import { Blocks } from './blocks.ts'
import { hasBody, trailers } from './headers.ts'

export interface UploadEvents {
  readonly onBytes: (bytes: Buffer) => void
  /** The upstream took what waited for it. */
  readonly onTaken: () => void
  /** The whole body is here; where it is being sent, it has been. */
  readonly onEnd: () => void
}

/** What is kept of a sent body, for the one case in which it may be sent again. */
const KEPT_BYTES = 64 * 1024

/** A request's body on its way to the upstream: as it comes, no faster than the upstream takes it, or held for a while. */
export class Upload {
  readonly chunked: boolean
  readonly hasBody: boolean
  readonly #req: IncomingMessage
  readonly #withheld: ReadonlySet<string>
  readonly #events: UploadEvents
  #to: ClientRequest | undefined
  /** What came and was not sent yet. */
  #held = new Blocks()
  #holding: { readonly maxBytes: number; readonly done: (whole: boolean) => void } | undefined
  #reading = false
  #wasHeld = false
  #ended = false
  #sentBytes = 0
  /** Some of it came when there was nobody to take it. */
  #isLost = false
  /** All that was sent, as long as it is little and may be needed again. */
  #kept: Buffer[] | undefined

  /** @param withheld names of trailers that stay behind, in lower case */
  constructor(req: IncomingMessage, withheld: ReadonlySet<string>, events: UploadEvents) {
    this.#withheld = withheld
    this.#req = req
    this.#events = events
    this.chunked = req.headers['transfer-encoding'] !== undefined
    this.hasBody = hasBody(req)
  }

  /** All of it came. */
  get ended(): boolean {
    return this.#ended || !this.hasBody
  }

  /** It was read before anything of it was sent. */
  get wasHeld(): boolean {
    return this.#wasHeld
  }

  /** Names of fields that do not go on with it, in lower case. */
  get withheld(): ReadonlySet<string> {
    return this.#wasHeld ? new Set([...this.#withheld, 'expect']) : this.#withheld
  }

  /** It is read, and not sent. */
  get holding(): boolean {
    return this.#holding !== undefined
  }

  /** The upstream does not take what is there. */
  get blocked(): boolean {
    return this.#to !== undefined && this.#req.isPaused()
  }

  /** Reads the body without sending it. `done` is told whether it is whole, or larger than `maxBytes`; never both. */
  hold(maxBytes: number, done: (whole: boolean) => void): void {
    this.#wasHeld = true
    if (this.ended) {
      done(true)
      return
    }
    this.#holding = { maxBytes, done }
    this.#read()
    this.#req.resume()
  }

  /** What is held. */
  get held(): readonly Buffer[] {
    return this.#held.all()
  }

  /** Sends what is held, then the rest as it comes. @param keep so that a little body can be sent again */
  sendTo(upstreamReq: ClientRequest, keep: boolean): void {
    if (!this.hasBody) return
    this.#to = upstreamReq
    this.#kept = keep ? [] : undefined
    const held = this.#held.all()
    this.#held = new Blocks()
    for (const bytes of held) this.#write(upstreamReq, bytes)
    if (this.#ended) {
      this.#end(upstreamReq)
      return
    }
    this.#read()
    // The head leaves with the first bytes of the body if they are here already, and alone if they are not.
    setImmediate(() => {
      if (this.#sentBytes === 0 && !upstreamReq.destroyed) upstreamReq.flushHeaders()
    })
  }

  /**
   * Takes the body back from a request that failed.
   * @param mayArriveTwice whether it may be sent again though the upstream may have had all of it
   * @returns whether it may, and all of it is there
   */
  takeBack(mayArriveTwice: boolean): boolean {
    const hadAll = this.#ended && this.#sentBytes === 0 && this.#held.length === 0
    if (!this.hasBody || hadAll) return mayArriveTwice
    if (this.#isLost || (this.#sentBytes > 0 && (!mayArriveTwice || this.#kept === undefined))) return false
    this.#to = undefined
    const all = [...(this.#kept ?? []), ...this.#held.all()]
    this.#held = new Blocks()
    for (const bytes of all) this.#held.push(bytes)
    this.#sentBytes = 0
    return true
  }

  #read(): void {
    if (this.#reading) return
    this.#reading = true
    this.#req.on('data', (bytes: Buffer) => {
      const to = this.#to
      if (to === undefined) this.#hold(bytes)
      // Node calls back for no write to a socket that is gone, though the request does not know yet.
      else if (to.destroyed || to.socket?.destroyed === true) this.#isLost = true
      else if (!this.#write(to, bytes)) this.#req.pause()
      this.#events.onBytes(bytes)
    })
    this.#req.on('end', () => {
      this.#ended = true
      if (this.#to !== undefined) this.#end(this.#to)
      this.#events.onEnd()
      this.#release(true)
    })
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes)
    if (this.#held.length <= (this.#holding?.maxBytes ?? 0)) return
    this.#req.pause()
    this.#release(false)
  }

  #release(whole: boolean): void {
    const holding = this.#holding
    this.#holding = undefined
    holding?.done(whole)
  }

  #write(upstreamReq: ClientRequest, bytes: Buffer): boolean {
    this.#sentBytes += bytes.length
    if (this.#sentBytes > KEPT_BYTES) this.#kept = undefined
    this.#kept?.push(bytes)
    return upstreamReq.write(bytes, this.#onWritten)
  }

  // Not by 'drain': Node tells of none once the answer is whole, and an upload may go on behind an early one.
  readonly #onWritten = (): void => {
    const to = this.#to
    if (to === undefined || to.writableLength >= to.writableHighWaterMark || !this.#req.isPaused()) return
    this.#events.onTaken()
    this.#req.resume()
  }

  #end(upstreamReq: ClientRequest): void {
    if (upstreamReq.destroyed) return
    if (this.#req.rawTrailers.length > 0) {
      const { rawTrailers, headers } = this.#req
      try {
        upstreamReq.addTrailers(trailers(rawTrailers, headers.connection, this.#withheld))
      } catch (error) {
        upstreamReq.destroy(error instanceof Error ? error : new Error(String(error)))
        return
      }
    }
    upstreamReq.end()
  }
}
