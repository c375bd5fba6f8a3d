import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { matchEndpoint, runsModel, type Endpoint } from '../ollama/endpoints.ts'
import { phaseOf, showsFirstToken, type Phase, type Standing } from '../ollama/phase.ts'
import type { RequestFacts } from '../ollama/request.ts'
import { concern, judgeBody, MAX_HELD_BYTES } from './body-rules.ts'
import { Client } from './client.ts'
import type { ForwardContext } from './context.ts'
import { Dial, isIdempotent, type DialFailure, type RetryLimits } from './dial.ts'
import { Download } from './download.ts'
import { internalError, shuttingDown, upstreamError, type ProxyError } from './errors.ts'
import { requestIdOf } from './headers.ts'
import { relayInterim } from './interim.ts'
import { ModelRun } from './model-run.ts'
import { openUpstream } from './open-upstream.ts'
import { overdue, type Ruling } from './overdue.ts'
import { toExchange } from './settlement.ts'
import type { Progress } from './silence.ts'
import { Tap } from './tap.ts'
import { turnOf, type Turn } from './turn.ts'
import { Upload } from './upload.ts'

/** Carries one request to the upstream and its response back, byte for byte, and tells at the end what happened. */
export class Forward {
  readonly requestId: string
  readonly endpoint: Endpoint
  readonly method: string
  readonly socket: Socket
  readonly startMs: number
  /** Whose token it came with. */
  client: string | undefined
  /** It was let in, and may reach the upstream. */
  admitted = false
  /** Where the list of the exchanges under way has this one. */
  place = 0
  readonly #context: ForwardContext
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #client: Client
  readonly #tap: Tap
  readonly #run: ModelRun
  readonly #upload: Upload
  readonly #dial: Dial
  #download: Download | undefined
  #requestBytes = 0
  #connectedMs: number | undefined
  /** When anything moved. */
  #lastMs: number
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
    this.#tap = new Tap(this.endpoint, this.method, req.headers, (error) =>
      context.onObserverError(error, this.requestId),
    )
    this.#client = new Client(req, res)
    this.#run = new ModelRun(context.residency)
    this.#upload = new Upload(req, context.withheld, {
      onBytes: (bytes) => this.#onUpload(bytes),
      onTaken: () => this.#noteProgress(),
      onEnd: () => this.#onAsked(),
    })
    this.#dial = new Dial({
      open: (fresh) => this.#open(fresh),
      onConnected: (upstreamReq) => this.#onConnected(upstreamReq),
      onResponse: (response) => this.#onResponse(response),
      onInformation: (info) => relayInterim(info, req, res, this.#upload.wasHeld),
      onFailed: (failure) => this.#onFailed(failure),
      onConnectFailed: (again) => this.#onConnectFailed(again),
      maySendAgain: () => this.#upload.takeBack(isIdempotent(this.method)),
    })
    res.on('close', () => this.leave())
    res.on('socket', () => this.#noteProgress()) // pipelined: from now on it is its turn
    res.on('error', () => this.#dial.destroy()) // a failed write to the client: 'close' follows
    req.on('error', () => undefined) // the client went away while it sent: 'close' of the response follows
  }

  /** The connection took what waited for it, and Node does not tell. */
  drained(): void {
    this.#res.emit('drain')
  }

  /** The full name of the model that it runs, once its whole body is known. */
  get model(): string | undefined {
    return this.#run.model
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
    const turn = this.#turn()
    return {
      awaitsUpstream: turn === 'first-byte' || turn === 'response' || turn === 'connect',
      lastMs: this.#lastMs,
      streaming: this.#client.bytes > 0 && this.#tap.streams,
    }
  }

  /** Opens the upstream request and begins to pump; a body that is to be judged is read first. */
  start(): void {
    const { bodyRules } = this.#context
    if (!this.#upload.hasBody || !concern(bodyRules, this.endpoint, this.method)) {
      this.#dial.start()
      return
    }
    this.#hold((whole) => {
      if (this.#settled || this.#client.decided) return
      const coding = this.#req.headers['content-encoding']
      const refused = judgeBody(bodyRules, this.endpoint, coding, this.#upload.held, whole)
      if (refused === undefined) this.#dial.start()
      else this.refuse(refused)
    })
  }

  /** Ends the exchange by an answer of the proxy's own. */
  refuse(error: ProxyError): void {
    if (this.#settled || this.#client.decided) return
    this.#noteProgress()
    this.#dial.destroy()
    this.#client.refuse(error, this.endpoint.errorShape, this.requestId, this.#closes(error.closes))
  }

  /** The proxy itself failed. */
  fail(error: unknown): void {
    this.#context.onInternalError(error, this.requestId)
    this.refuse(internalError())
  }

  /** The process ends, and this exchange has had its time. */
  stop(): void {
    if (this.#client.answered) this.#onCut()
    else this.refuse(shuttingDown())
    this.#dial.destroy()
  }

  /** Ends an exchange that waits for longer than it may. */
  expire(): void {
    if (this.#settled) return
    const now = this.#context.now()
    const { answered } = this.#client
    const waits = { turn: this.#turn(), sinceMs: now - this.#lastMs, ageMs: now - this.startMs, answered }
    const ruling = overdue(waits, this.#context.limits.of(this.model).time, this.#context.upstream.url)
    if (ruling !== undefined) this.#end(ruling)
  }

  #end(ruling: Ruling): void {
    if (ruling.kind === 'reconnect') this.#dial.giveUpConnecting()
    else if (ruling.kind === 'refuse') this.refuse(ruling.error)
    else {
      this.#dial.destroy()
      if (ruling.kind === 'cut') this.#client.cutOff(ruling.verdict)
      else this.#client.drop(ruling.verdict)
    }
  }

  #turn(): Turn {
    return turnOf(this.#client, this.#upload, this.#dial, this.#download)
  }

  #noteProgress(): void {
    this.#lastMs = this.#context.now()
  }

  #open(fresh: boolean): ClientRequest {
    const { upstream, hostHeader, agent } = this.#context
    this.#noteProgress()
    const { withheld, chunked } = this.#upload
    const target = { upstream, hostHeader, withheld, agent: fresh ? (false as const) : agent }
    const upstreamReq = openUpstream(target, this.#req, this.requestId, chunked)
    if (!this.#upload.hasBody) upstreamReq.end()
    return upstreamReq
  }

  #onConnected(upstreamReq: ClientRequest): void {
    this.#noteProgress()
    this.#connectedMs = this.#lastMs
    this.#upload.sendTo(upstreamReq, upstreamReq.reusedSocket && isIdempotent(this.method))
  }

  /** How often it may be tried again can depend on the model, which the body tells: then it is read first. */
  #onConnectFailed(again: (limits: RetryLimits) => void): void {
    this.#noteProgress()
    const decide = () => again(this.#context.limits.of(this.model).retries)
    if (this.#context.limits.retriesByModel && runsModel(this.endpoint, this.method)) this.#hold(decide)
    else decide()
  }

  /** Reads the body before the upstream is asked. */
  #hold(done: (whole: boolean) => void): void {
    if (!this.#upload.wasHeld) this.#client.askForBody()
    this.#upload.hold(MAX_HELD_BYTES, done)
  }

  #onUpload(bytes: Buffer): void {
    this.#requestBytes += bytes.length
    this.#noteProgress()
    this.#tap.request(bytes)
  }

  /** The whole request came. */
  #onAsked(): void {
    if (this.#settled) return
    this.#tap.requestEnd()
    const isAlone = () => !this.#context.isBehindAnother(this, Infinity)
    this.#run.ask(this.endpoint, this.method, this.#tap.requestFacts(), isAlone)
  }

  #standing(behindAnother: boolean): Standing {
    const showsFirst = showsFirstToken(this.endpoint, this.#tap.requestFacts())
    const { complete: asked } = this.#req
    const { isLoaded: loaded } = this.#run
    return { asked, answered: this.#client.bytes > 0, showsFirstToken: showsFirst, loaded, behindAnother }
  }

  #onResponse(upstreamRes: IncomingMessage): void {
    this.#noteProgress()
    this.#tap.responseHead(upstreamRes.statusCode ?? 0, upstreamRes.headers)
    const download = new Download(upstreamRes, this.#req, this.#res, {
      onBytes: (chunks, bytes) => this.#onDownload(chunks, bytes),
      onTaken: () => this.#noteProgress(),
      onLeft: () => this.#dial.destroy(),
      onCut: () => this.#onCut(),
      onError: (error) => this.fail(error),
    })
    this.#download = download
    try {
      download.start(this.requestId, this.#closes())
    } catch (error) {
      // What cannot be passed on as it came is no answer.
      this.#onFailed({ code: 'HPE_INVALID', message: String(error) })
    }
  }

  #onDownload(chunks: readonly Buffer[], bytes: number): void {
    this.#client.bytes += bytes
    this.#noteProgress()
    this.#context.upstream.heardMs = this.#lastMs
    for (const chunk of chunks) this.#tap.response(chunk, this.#lastMs)
  }

  /** Whether the client's connection ends with this answer; then nothing more that comes on it is a request. */
  #closes(wanted = false): boolean {
    // Node drops what is pipelined behind an upgrade that it does not make, where that has a body.
    const drops = this.#req.headers.upgrade !== undefined && this.#upload.hasBody
    const unread = this.#upload.hasBody && !this.#req.complete && this.#download === undefined
    const closes = this.#context.isDraining() || drops || unread || wanted
    if (closes) this.#context.closing.add(this.socket)
    return closes
  }

  #onFailed(failure: DialFailure): void {
    this.refuse(upstreamError(failure, this.#context.upstream.url))
  }

  /** The upstream's answer has no end. Neither may the client's have one. */
  #onCut(): void {
    if (this.#settled || this.#client.over) return
    this.#download?.flush()
    this.#noteProgress()
    this.#client.cutOff()
  }

  /** The client's answer, or its connection, is over. */
  leave(): void {
    if (this.#settled) return
    this.#settled = true
    const { left } = this.#client
    if (left) this.#dial.destroy()
    const exchange = toExchange({
      forward: this,
      req: this.#req,
      tap: this.#tap,
      client: this.#client,
      connectedMs: this.#connectedMs,
      endMs: this.#context.now(),
      standing: this.#standing(left && this.#context.isBehindAnother(this, this.startMs)),
      coldStart: this.#run.coldStart,
      retries: this.#dial.retries,
      requestBytes: this.#requestBytes,
    })
    this.#context.onSettled(this, exchange)
  }
}
