import type { Agent, ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import { matchEndpoint, type Endpoint } from '../ollama/endpoints.ts'
import type { Exchange, Phase } from '../ollama/exchange.ts'
import type { Verdict } from '../ollama/outcome.ts'
import type { RequestFacts } from '../ollama/request.ts'
import { answerError, linger } from './answer.ts'
import { internalError, shuttingDown, upstreamError, type ProxyError } from './errors.ts'
import { isPlainCoding, pairs, requestHeaders, requestIdOf, responseHeaders } from './headers.ts'
import { relayInterim } from './interim.ts'
import { toExchange } from './settlement.ts'
import type { Progress } from './silence.ts'
import { Tap } from './tap.ts'
import { pumpUpload } from './upload.ts'

export interface Upstream {
  readonly host: string
  readonly port: number
  readonly url: string
  /** When it last sent a byte, ended an exchange or changed its models; monotonic milliseconds. */
  heardMs: number
}

/** What every exchange of one proxy shares. */
export interface ForwardContext {
  readonly upstream: Upstream
  /** The Host that the upstream is told; `undefined` passes the client's own. */
  readonly hostHeader: string | undefined
  readonly agent: Agent
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** An observer threw: this exchange lost numbers, and nothing else. */
  readonly onObserverError: (error: unknown, requestId: string) => void
  /** The proxy itself failed at this exchange, which ends with an error of its own. */
  readonly onInternalError: (error: unknown, requestId: string) => void
  /** Called exactly once for each exchange. */
  readonly onSettled: (forward: Forward, exchange: Exchange) => void
}

/** Carries one request to the upstream and its response back, byte for byte, and tells at the end what happened. */
export class Forward {
  readonly requestId: string
  readonly endpoint: Endpoint
  readonly method: string
  readonly socket: Socket
  /** Where the list of the exchanges under way has this one. */
  place = 0
  readonly #context: ForwardContext
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #tap: Tap
  readonly #startMs: number
  #upstreamReq: ClientRequest | undefined
  #upstreamRes: IncomingMessage | undefined
  /** What came from the upstream in this tick. It leaves in one write: a burst is one system call, no chunk waits. */
  #pending: Buffer[] = []
  #flushQueued = false
  #requestBytes = 0
  #responseBytes = 0
  #connectedMs: number | undefined
  #lastMs: number
  #verdict: Verdict | undefined
  #cut = false
  #settled = false

  constructor(context: ForwardContext, req: IncomingMessage, res: ServerResponse) {
    this.#context = context
    this.#req = req
    this.#res = res
    this.socket = req.socket
    this.#startMs = context.now()
    this.#lastMs = this.#startMs
    this.requestId = requestIdOf(req.headers['x-request-id'])
    this.method = req.method ?? ''
    this.endpoint = matchEndpoint(req.url ?? '')
    this.#tap = new Tap(this.endpoint, this.method, (error) => context.onObserverError(error, this.requestId))
    res.on('close', () => this.#onClientClose())
    res.on('error', () => this.#upstreamReq?.destroy()) // a failed write to the client: 'close' follows
    req.on('error', () => undefined) // the client went away while it sent: 'close' of the response follows
  }

  /** Where the exchange stands, for the status page. */
  status(): { model: RequestFacts['model']; phase: Phase; ageSeconds: number } {
    return {
      model: this.#tap.requestFacts().model,
      phase: this.#responseBytes > 0 ? 'streaming' : 'waiting',
      ageSeconds: (this.#context.now() - this.#startMs) / 1000,
    }
  }

  /** Whose turn it is, and since when: for stalls. */
  progress(): Progress {
    const answer = this.#upstreamRes
    return {
      awaitsUpstream: this.#req.complete && answer?.complete !== true && answer?.isPaused() !== true,
      lastMs: this.#lastMs,
      streaming: this.#responseBytes > 0 && this.#tap.streams,
    }
  }

  /** Opens the upstream request and begins to pump. */
  start(): void {
    const { upstream, agent, hostHeader } = this.#context
    const req = this.#req
    const chunked = req.headers['transfer-encoding'] !== undefined
    const headers = requestHeaders(req.rawHeaders, req.headers.connection, this.requestId, hostHeader, chunked)
    // HTTP/1.0 needs no Host, the HTTP/1.1 that goes on does. RFC 9110, section 7.2.
    if (req.httpVersion === '1.0' && req.headers.host === undefined) headers.push('Host', new URL(upstream.url).host)
    const to = { host: upstream.host, port: upstream.port, agent, method: this.method, path: req.url ?? '/' }
    const upstreamReq = httpRequest({ ...to, headers, setDefaultHeaders: false })
    this.#upstreamReq = upstreamReq
    upstreamReq.on('socket', (socket) => this.#onSocket(socket))
    upstreamReq.on('response', (response) => this.#onResponse(response))
    upstreamReq.on('information', (info) => relayInterim(info, req, this.#res))
    upstreamReq.on('error', (error) => this.#onUpstreamError(error))
    // It may also end without any error: an upstream that switches protocols unasked, for one.
    upstreamReq.on('close', () => this.#onUpstreamError({ code: 'ECONNRESET', message: 'closed' }))
    if (chunked || req.headers['content-length'] !== undefined)
      pumpUpload(req, upstreamReq, (bytes) => this.#onUpload(bytes))
    else upstreamReq.end()
  }

  /** Ends the exchange by an answer of the proxy's own. */
  refuse(error: ProxyError): void {
    if (this.#settled || this.#verdict !== undefined || this.#cut) return
    this.#verdict = error.verdict
    this.#upstreamReq?.destroy()
    const res = this.#res
    if (res.headersSent) {
      this.#cutClient()
      return
    }
    this.#responseBytes = answerError(this.#req, res, this.endpoint.errorShape, error, this.requestId)
  }

  /** The process ends, and this exchange has had its time. */
  stop(): void {
    if (this.#res.headersSent) this.#onCut()
    else this.refuse(shuttingDown())
    this.#upstreamReq?.destroy()
  }

  #onUpload(bytes: Buffer): void {
    this.#requestBytes += bytes.length
    this.#lastMs = this.#context.now()
    this.#tap.request(bytes)
  }

  #onSocket(socket: Socket): void {
    if (socket.connecting) socket.once('connect', () => (this.#connectedMs = this.#context.now()))
    else this.#connectedMs = this.#context.now()
  }

  #onResponse(upstreamRes: IncomingMessage): void {
    this.#upstreamRes = upstreamRes
    const res = this.#res
    const { headers } = upstreamRes
    if (!isPlainCoding(headers['transfer-encoding'])) {
      // Node takes only the chunks off: passed on without its name, the coding would be taken for the body.
      this.refuse(upstreamError({ code: 'HPE_TRANSFER_ENCODING', message: 'coded' }, this.#context.upstream.url))
      return
    }
    this.#tap.responseHead({
      status: upstreamRes.statusCode ?? 0,
      contentType: headers['content-type'],
      contentEncoding: headers['content-encoding'],
    })
    res.sendDate = false // the upstream's Date is passed on
    try {
      res.writeHead(
        upstreamRes.statusCode ?? 0,
        upstreamRes.statusMessage ?? '',
        responseHeaders(upstreamRes.rawHeaders, headers.connection, this.requestId, this.#answersChunked(upstreamRes)),
      )
    } catch (error) {
      // Node reads what it refuses to write: a status below 100, a control character in the reason.
      this.refuse(upstreamError({ code: 'HPE_INVALID', message: String(error) }, this.#context.upstream.url))
      return
    }
    upstreamRes.on('data', (bytes: Buffer) => {
      this.#pending.push(bytes)
      this.#queueFlush()
    })
    upstreamRes.on('end', () => flush(this))
    upstreamRes.on('error', () => undefined) // 'close' follows, and decides
    upstreamRes.on('close', () => {
      if (!upstreamRes.complete) this.#onCut()
    })
    res.on('drain', () => upstreamRes.resume())
    this.#queueFlush() // headers that come alone leave alone
  }

  #queueFlush(): void {
    if (this.#flushQueued) return
    this.#flushQueued = true
    process.nextTick(flush, this)
  }

  /** The bytes leave first, then they are read. */
  #flush(): void {
    this.#flushQueued = false
    const res = this.#res
    const upstreamRes = this.#upstreamRes
    if (upstreamRes === undefined || res.writableEnded || res.destroyed) return
    const pending = this.#pending
    const bytes = pending.length === 1 ? pending[0] : pending.length === 0 ? undefined : Buffer.concat(pending)
    if (upstreamRes.complete && upstreamRes.readableLength === 0) {
      if (upstreamRes.rawTrailers.length > 0) res.addTrailers(pairs(upstreamRes.rawTrailers))
      res.end(bytes)
      linger(this.#req)
    } else if (bytes === undefined) {
      res.flushHeaders()
    } else if (!res.write(bytes)) {
      upstreamRes.pause()
    }
    if (bytes === undefined) return
    this.#pending = []
    this.#responseBytes += bytes.length
    const now = this.#context.now()
    this.#lastMs = now
    this.#context.upstream.heardMs = now
    for (const chunk of pending) this.#tap.response(chunk, now)
  }

  #onUpstreamError(error: { readonly code?: string | undefined; readonly message: string }): void {
    // After the response's head its own end tells what happened: an upstream may well stop reading a body it refused.
    if (this.#upstreamRes === undefined) this.refuse(upstreamError(error, this.#context.upstream.url))
  }

  #answersChunked({ headers, statusCode }: IncomingMessage): boolean {
    const bodyless = this.method === 'HEAD' || statusCode === 204 || statusCode === 304
    return headers['transfer-encoding'] !== undefined && !bodyless && this.#req.httpVersion !== '1.0'
  }

  /** The upstream's answer has no end. Neither may the client's have one. */
  #onCut(): void {
    if (this.#settled || this.#cut || this.#res.writableEnded) return
    this.#flush()
    this.#cut = true
    this.#cutClient()
  }

  #cutClient(): void {
    const { socket } = this.#res
    // Where the end of the connection is the end of the body, only a reset says that something is missing.
    if (socket && this.#req.httpVersion === '1.0') socket.resetAndDestroy()
    else if (socket) socket.destroySoon()
    // Pipelined, and not its turn yet: the answers before it, and what there is of this one, go first.
    else this.#res.once('socket', () => process.nextTick(() => this.#cutClient()))
  }

  #onClientClose(): void {
    if (this.#settled) return
    this.#settled = true
    const clientLeft = !this.#res.writableFinished && !this.#cut && this.#verdict === undefined
    if (clientLeft) this.#upstreamReq?.destroy()
    if (this.#req.complete) this.#tap.requestEnd()
    const { requestId, endpoint, method } = this
    const exchange = toExchange({
      requestId,
      endpoint,
      method,
      target: this.#req.url ?? '',
      traceparent: this.#req.headers.traceparent,
      tap: this.#tap,
      status: this.#res.headersSent ? this.#res.statusCode : 499,
      verdict: this.#verdict,
      clientLeft,
      cut: this.#cut,
      startMs: this.#startMs,
      connectedMs: this.#connectedMs,
      endMs: this.#context.now(),
      requestBytes: this.#requestBytes,
      responseBytes: this.#responseBytes,
    })
    this.#context.onSettled(this, exchange)
  }

  /** For the queue of the tick: a function of its own, so that no closure is made for each chunk. */
  static readonly flush = (forward: Forward): void => {
    try {
      forward.#flush()
    } catch (error) {
      forward.#context.onInternalError(error, forward.requestId)
      forward.refuse(internalError())
    }
  }
}

const { flush } = Forward
