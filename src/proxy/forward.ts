import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { matchEndpoint, runsModel, type Endpoint } from '../ollama/endpoints.ts'
import { fullModelName } from '../ollama/model-name.ts'
import type { Verdict } from '../ollama/outcome.ts'
import { phaseOf, showsFirstToken, type Phase, type Standing } from '../ollama/phase.ts'
import type { RequestFacts } from '../ollama/request.ts'
import { answerError, answersChunked, cutClient, linger } from './answer.ts'
import { internalError, shuttingDown, upstreamError, type ProxyError } from './errors.ts'
import { isPlainCoding, pairs, requestIdOf, responseHeaders } from './headers.ts'
import type { ForwardContext } from './context.ts'
import { openUpstream } from './open-upstream.ts'
import { relayInterim } from './interim.ts'
import { toExchange } from './settlement.ts'
import type { Progress } from './silence.ts'
import { Tap } from './tap.ts'
import { pumpUpload } from './upload.ts'

/** Carries one request to the upstream and its response back, byte for byte, and tells at the end what happened. */
export class Forward {
  readonly requestId: string
  readonly endpoint: Endpoint
  readonly method: string
  readonly socket: Socket
  readonly startMs: number
  /** The full name of the model that it runs, once its whole body has passed. */
  model: string | undefined
  /** Where the list of the exchanges under way has this one. */
  place = 0
  readonly #context: ForwardContext
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #tap: Tap
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
  #coldStart = false
  #settled = false

  constructor(context: ForwardContext, req: IncomingMessage, res: ServerResponse) {
    this.#context = context
    this.#req = req
    this.#res = res
    this.socket = req.socket
    this.startMs = context.now()
    this.#lastMs = this.startMs
    this.requestId = requestIdOf(req.headers['x-request-id'])
    this.method = req.method ?? ''
    this.endpoint = matchEndpoint(req.url ?? '')
    const head = { contentType: req.headers['content-type'], contentEncoding: req.headers['content-encoding'] }
    this.#tap = new Tap(this.endpoint, this.method, head, (error) => context.onObserverError(error, this.requestId))
    res.on('close', () => this.#onClientClose())
    res.on('error', () => this.#upstreamReq?.destroy()) // a failed write to the client: 'close' follows
    req.on('error', () => undefined) // the client went away while it sent: 'close' of the response follows
  }

  /** Where the exchange stands, for the status page. */
  status(behindAnother: boolean): { model: RequestFacts['model']; phase: Phase; ageSeconds: number } {
    return {
      model: this.#tap.requestFacts().model,
      phase: phaseOf(runsModel(this.endpoint, this.method), this.#standing(behindAnother)),
      ageSeconds: (this.#context.now() - this.startMs) / 1000,
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
    const req = this.#req
    const chunked = req.headers['transfer-encoding'] !== undefined
    const upstreamReq = openUpstream(this.#context, req, this.requestId, chunked)
    this.#upstreamReq = upstreamReq
    upstreamReq.on('socket', (socket) => this.#onSocket(socket))
    upstreamReq.on('response', (response) => this.#onResponse(response))
    upstreamReq.on('information', (info) => relayInterim(info, req, this.#res))
    upstreamReq.on('error', (error) => this.#onUpstreamError(error))
    // It may also end without any error: an upstream that switches protocols unasked, for one.
    upstreamReq.on('close', () => this.#onUpstreamError({ code: 'ECONNRESET', message: 'closed' }))
    if (chunked || req.headers['content-length'] !== undefined)
      pumpUpload(
        req,
        upstreamReq,
        (bytes) => this.#onUpload(bytes),
        () => this.#onAsked(),
      )
    else upstreamReq.end()
  }

  /** Ends the exchange by an answer of the proxy's own. */
  refuse(error: ProxyError): void {
    if (this.#settled || this.#verdict !== undefined || this.#cut) return
    this.#verdict = error.verdict
    this.#upstreamReq?.destroy()
    const res = this.#res
    if (res.headersSent) {
      cutClient(this.#req, this.#res)
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

  /** The whole request is with the upstream. */
  #onAsked(): void {
    if (this.#settled) return
    this.#tap.requestEnd()
    const { model } = this.#tap.requestFacts()
    if (model.kind !== 'named' || !runsModel(this.endpoint, this.method)) return
    this.model = fullModelName(model.name)
    const { residency, isBehindAnother } = this.#context
    this.#coldStart = residency.isLoaded(this.model) === false && !isBehindAnother(this, Infinity)
    residency.noteAsked(this.model)
  }

  #standing(behindAnother: boolean): Standing {
    return {
      asked: this.#req.complete,
      answered: this.#responseBytes > 0,
      showsFirstToken: showsFirstToken(this.endpoint, this.#tap.requestFacts()),
      loaded: this.#isLoaded(),
      behindAnother,
    }
  }

  #isLoaded(): boolean | undefined {
    if (this.model === undefined) return undefined
    // That it was asked for makes it unsure whether it is loaded by now; the next answer of /api/ps tells.
    return this.#context.residency.isLoaded(this.model) ?? (this.#coldStart ? false : undefined)
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
        responseHeaders(
          upstreamRes.rawHeaders,
          headers.connection,
          this.requestId,
          answersChunked(this.#req, upstreamRes),
        ),
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

  /** The upstream's answer has no end. Neither may the client's have one. */
  #onCut(): void {
    if (this.#settled || this.#cut || this.#res.writableEnded) return
    this.#flush()
    this.#cut = true
    cutClient(this.#req, this.#res)
  }

  #onClientClose(): void {
    if (this.#settled) return
    this.#settled = true
    const clientLeft = !this.#res.writableFinished && !this.#cut && this.#verdict === undefined
    if (clientLeft) this.#upstreamReq?.destroy()
    const exchange = toExchange({
      forward: this,
      req: this.#req,
      tap: this.#tap,
      status: this.#res.headersSent ? this.#res.statusCode : 499,
      verdict: this.#verdict,
      clientLeft,
      cut: this.#cut,
      connectedMs: this.#connectedMs,
      endMs: this.#context.now(),
      standing: this.#standing(clientLeft && this.#context.isBehindAnother(this, this.startMs)),
      coldStart: this.#coldStart,
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
