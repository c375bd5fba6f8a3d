import type { IncomingMessage, ServerResponse } from 'node:http'
import { answersChunked } from './answer.ts'
import { linger } from './linger.ts'
import { hasBody, isPlainCoding, responseHeaders, trailers } from './headers.ts'

export interface DownloadEvents {
  /** What came in one tick, when it has left for the client. */
  readonly onBytes: (chunks: readonly Buffer[], bytes: number) => void
  /** The client took what waited for it. */
  readonly onTaken: () => void
  /** The client left behind its answer, while it still sent. */
  readonly onLeft: () => void
  /** The upstream's answer has no end. */
  readonly onCut: () => void
  /** The proxy itself failed. */
  readonly onError: (error: unknown) => void
}

/** A response on its way to the client: the head at once, the body as it comes, no faster than the client takes it. */
export class Download {
  readonly #from: IncomingMessage
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #events: DownloadEvents
  /** What came from the upstream in this tick. It leaves in one write: a burst is one system call, no chunk waits. */
  #pending: Buffer[] = []
  #flushQueued = false
  #closes = false

  constructor(from: IncomingMessage, req: IncomingMessage, res: ServerResponse, events: DownloadEvents) {
    this.#from = from
    this.#req = req
    this.#res = res
    this.#events = events
  }

  /** The client does not take what is there. */
  get blocked(): boolean {
    return this.#from.isPaused()
  }

  /** The upstream has said all. */
  get complete(): boolean {
    return this.#from.complete
  }

  /** Sends the head. Throws where it cannot be passed on. @param closes whether the connection ends with it */
  start(requestId: string, closes: boolean): void {
    const from = this.#from
    // Node takes only the chunks off: passed on without its name, any other coding would be taken for the body.
    if (!isPlainCoding(from.headers['transfer-encoding'])) throw new Error('a coding that is not supported')
    const headers = responseHeaders(
      from.rawHeaders,
      from.headers.connection,
      requestId,
      answersChunked(this.#req, from),
    )
    if (closes) headers.push('Connection', 'close')
    this.#closes = closes
    if (this.#req.httpVersion === '1.0') this.#res.useChunkedEncodingByDefault = false // a `TE: chunked` misleads Node
    this.#res.sendDate = false // the upstream's Date is passed on
    // Node reads what it refuses to write: a status below 100, a control character in the reason.
    this.#res.writeHead(from.statusCode ?? 0, from.statusMessage ?? '', headers)
    from.on('data', (bytes: Buffer) => {
      this.#pending.push(bytes)
      this.#queueFlush()
    })
    from.on('end', () => flush(this))
    from.on('error', () => undefined) // 'close' follows, and decides
    from.on('close', () => {
      if (!from.complete) this.#events.onCut()
    })
    this.#res.on('drain', () => {
      this.#events.onTaken()
      from.resume()
    })
    this.#queueFlush() // headers that come alone leave alone
  }

  #queueFlush(): void {
    if (this.#flushQueued) return
    this.#flushQueued = true
    process.nextTick(flush, this)
  }

  /** Hands on what came. The bytes leave first, then they are read. */
  flush(): void {
    this.#flushQueued = false
    const res = this.#res
    const from = this.#from
    if (res.writableEnded || res.destroyed) return
    const pending = this.#pending
    const bytes = pending.length === 1 ? pending[0] : pending.length === 0 ? undefined : Buffer.concat(pending)
    const isLast = from.complete && from.readableLength === 0
    if (isLast) {
      if (from.rawTrailers.length > 0) res.addTrailers(trailers(from.rawTrailers, from.headers.connection))
      // Behind an answer Node drops what it holds of a body, and then says that the body has ended.
      if (hasBody(this.#req)) while (this.#req.read() !== null);
      res.end(bytes)
      linger(this.#req, res, this.#closes || !res.shouldKeepAlive, this.#events.onLeft)
    } else if (bytes === undefined) {
      res.flushHeaders()
    } else if (!res.write(bytes)) {
      from.pause()
    }
    if (bytes !== undefined) {
      this.#pending = []
      this.#events.onBytes(pending, bytes.length)
    }
  }

  /** For the queue of the tick: a function of its own, so that no closure is made for each chunk. */
  static readonly flush = (download: Download): void => {
    try {
      download.flush()
    } catch (error) {
      download.#events.onError(error)
    }
  }
}

const { flush } = Download
