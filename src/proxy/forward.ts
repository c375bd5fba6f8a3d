import type { Agent, ClientRequest, IncomingMessage, InformationEvent, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { matchEndpoint, type Endpoint } from '../ollama/endpoints.ts'
import type { Exchange, Phase } from '../ollama/exchange.ts'
import type { Verdict } from '../ollama/outcome.ts'
import type { RequestFacts } from '../ollama/request.ts'
import { errorBody, upstreamError, type ProxyError } from './errors.ts'
import { pairs, REQUEST_ID, requestHeaders, requestIdOf, responseHeaders } from './headers.ts'
import { toExchange } from './settlement.ts'
import { Tap } from './tap.ts'
import { asObject, openUpstreamRequest } from './upstream-request.ts'

/** What every exchange of one proxy shares. */
export interface ForwardContext {
  readonly upstream: { readonly host: string; readonly port: number; readonly url: string }
  /** The Host that the upstream is told; `undefined` passes the client's own. */
  readonly hostHeader: string | undefined
  readonly agent: Agent
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly onObserverError: (error: unknown, requestId: string) => void
  /** Called exactly once for each exchange. */
  readonly onSettled: (forward: Forward, exchange: Exchange) => void
}

/** How long a client may go on sending a body whose answer it already has, before its connection is closed. */
const LINGER_MS = 5000

/** Carries one request to the upstream and its response back, byte for byte, and tells at the end what happened. */
export class Forward {
  readonly requestId: string
  readonly endpoint: Endpoint
  readonly method: string
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
  #bodyBegan = false
  #requestBytes = 0
  #responseBytes = 0
  #connectedMs: number | undefined
  #verdict: Verdict | undefined
  #cut = false
  #settled = false

  constructor(context: ForwardContext, req: IncomingMessage, res: ServerResponse) {
    this.#context = context
    this.#req = req
    this.#res = res
    this.#startMs = context.now()
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

  /** Opens the upstream request and begins to pump. */
  start(): void {
    const { upstream, agent, hostHeader } = this.#context
    const req = this.#req
    const headers = requestHeaders(req.rawHeaders, req.headers.connection, this.requestId, hostHeader)
    const framed = req.headers['transfer-encoding'] !== undefined || req.headers['content-length'] !== undefined
    const to = { host: upstream.host, port: upstream.port, agent, method: this.method, path: req.url ?? '/' }
    const upstreamReq = openUpstreamRequest(to, headers, framed)
    this.#upstreamReq = upstreamReq
    upstreamReq.on('socket', (socket) => this.#onSocket(socket))
    upstreamReq.on('response', (response) => this.#onResponse(response))
    upstreamReq.on('error', (error) => this.#onUpstreamError(error))
    upstreamReq.on('information', (info) => this.#onInformation(info))
    if (framed) this.#pumpRequest(upstreamReq)
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
    const body = Buffer.from(errorBody(this.endpoint.errorShape, error))
    res.sendDate = true
    const headers = ['Content-Type', 'application/json; charset=utf-8', 'Content-Length', String(body.length)]
    headers.push(REQUEST_ID, this.requestId)
    if (!this.#req.complete) headers.push('Connection', 'close')
    res.writeHead(error.status, headers)
    if (this.method !== 'HEAD') this.#responseBytes = body.length
    res.end(body)
    this.#linger()
  }

  #pumpRequest(upstreamReq: ClientRequest): void {
    const req = this.#req
    req.on('data', (bytes: Buffer) => {
      this.#bodyBegan = true
      this.#requestBytes += bytes.length
      if (!upstreamReq.destroyed && !upstreamReq.write(bytes)) req.pause()
      this.#tap.request(bytes)
    })
    req.on('end', () => {
      if (req.rawTrailers.length > 0) upstreamReq.addTrailers(pairs(req.rawTrailers))
      upstreamReq.end()
    })
    upstreamReq.on('drain', () => req.resume())
    // Once the upstream takes no more, the rest of the body has nowhere to go: read on, or the client never hears.
    upstreamReq.on('close', () => req.resume())
    // The head leaves with the first bytes of the body if they are here already, and alone if they are not.
    setImmediate(() => {
      if (!this.#bodyBegan && !upstreamReq.destroyed) upstreamReq.flushHeaders()
    })
  }

  #onSocket(socket: Socket): void {
    if (socket.connecting) socket.once('connect', () => (this.#connectedMs = this.#context.now()))
    else this.#connectedMs = this.#context.now()
  }

  /** 1xx answers pass at once; one of them asks a waiting client for its body. */
  #onInformation(info: InformationEvent): void {
    const res = this.#res
    if (res.headersSent || this.#req.httpVersion === '1.0') return
    if (info.statusCode === 100 && this.#req.headers.expect !== undefined) res.writeContinue()
    else if (info.statusCode === 102) res.writeProcessing()
    else if (info.statusCode === 103) res.writeEarlyHints(asObject(info.rawHeaders))
  }

  #onResponse(upstreamRes: IncomingMessage): void {
    this.#upstreamRes = upstreamRes
    const res = this.#res
    const { headers } = upstreamRes
    this.#tap.responseHead({
      status: upstreamRes.statusCode ?? 0,
      contentType: headers['content-type'],
      contentEncoding: headers['content-encoding'],
    })
    res.sendDate = false // the upstream's Date is passed on
    res.writeHead(
      upstreamRes.statusCode ?? 502,
      upstreamRes.statusMessage ?? '',
      responseHeaders(upstreamRes.rawHeaders, headers.connection, this.requestId),
    )
    upstreamRes.on('data', (bytes: Buffer) => {
      this.#pending.push(bytes)
      this.#queueFlush()
    })
    upstreamRes.on('end', () => this.#flush())
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
      this.#linger()
    } else if (bytes === undefined) {
      res.flushHeaders()
    } else if (!res.write(bytes)) {
      upstreamRes.pause()
    }
    if (bytes === undefined) return
    this.#pending = []
    this.#responseBytes += bytes.length
    const now = this.#context.now()
    for (const chunk of pending) this.#tap.response(chunk, now)
  }

  #onUpstreamError(error: NodeJS.ErrnoException): void {
    // After the response's head its own end tells what happened: an upstream may well stop reading a body it refused.
    if (this.#upstreamRes === undefined) this.refuse(upstreamError(error, this.#context.upstream.url))
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
    if (this.#req.httpVersion === '1.0') socket?.resetAndDestroy()
    else socket?.destroySoon()
  }

  /** Answered before the body was through: read on for a while, since closing at once would destroy the answer. */
  #linger(): void {
    if (this.#req.complete) return
    this.#req.resume()
    const { socket } = this.#req
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    timer.unref()
    this.#req.once('close', () => clearTimeout(timer))
  }

  #onClientClose(): void {
    if (this.#settled) return
    this.#settled = true
    const clientLeft = !this.#res.writableFinished && !this.#cut && this.#verdict === undefined
    if (clientLeft) this.#upstreamReq?.destroy()
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
  static flush(forward: Forward): void {
    forward.#flush()
  }
}

const flush = (forward: Forward): void => Forward.flush(forward)
