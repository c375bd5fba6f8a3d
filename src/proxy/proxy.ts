import { Agent, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Exchange } from '../ollama/exchange.ts'
import type { Phase } from '../ollama/phase.ts'
import type { RequestFacts } from '../ollama/request.ts'
import type { Admission, AskedHead } from './admission.ts'
import type { BodyRules } from './body-rules.ts'
import { Closing } from './closing.ts'
import type { ForwardContext, Limits, Upstream } from './context.ts'
import {
  malformedRequest,
  notImplemented,
  shuttingDown,
  tooManyInFlight,
  twoHosts,
  wrongVersion,
  type ProxyError,
} from './errors.ts'
import { Forward } from './forward.ts'
import { isPlainCoding } from './headers.ts'
import { InFlightList } from './in-flight-list.ts'
import type { Residency } from './model-run.ts'
import { createListener, type TlsMaterial } from './listener.ts'
import { answerRaw } from './refusal.ts'
import { countStalled, upstreamSilenceSeconds } from './silence.ts'
import { lookEveryMs } from './turn.ts'

export interface ProxyOptions {
  readonly upstream: Omit<Upstream, 'heardMs'>
  /** The Host that the upstream is told; `undefined` passes the client's own. */
  readonly hostHeader: string | undefined
  readonly residency: Residency
  /** Asked before anything goes to the upstream. */
  readonly admit: (head: AskedHead) => Admission
  /** Names of fields that do not go to the upstream, in lower case. */
  readonly withheld: ReadonlySet<string>
  readonly limits: Limits
  readonly bodyRules: BodyRules
  /** How many requests may be under way; `undefined` where there is no limit. */
  readonly maxInFlight: number | undefined
  /** How many connections may be open; a further one is closed at once. */
  readonly maxConnections: number | undefined
  readonly tls: TlsMaterial | undefined
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Called exactly once for each request, when it is over. Must not throw. */
  readonly onExchange: (exchange: Exchange) => void
  /** An observer threw: its exchange lost numbers, and nothing else. */
  readonly onObserverError: (error: unknown, requestId: string) => void
  /** The proxy itself failed at a request, which was answered 500. */
  readonly onInternalError: (error: unknown, requestId: string) => void
  /** A connection ended before it could carry a request. */
  readonly onConnectionRefused: (reason: 'tls' | 'limit') => void
}

/** A request that is not over yet. */
export interface InFlight {
  readonly requestId: string
  readonly method: string
  readonly endpoint: string
  readonly client: string | undefined
  readonly model: RequestFacts['model']
  readonly phase: Phase
  readonly ageSeconds: number
}

export interface Proxy {
  readonly server: Server
  inFlight(): InFlight[]
  readonly inFlightCount: number
  /** The models of the requests that wait for their answers, by full name, each once; those that are such ones. */
  awaited(isSuch: (model: string) => boolean): string[]
  /** Streams that have begun, and then had nothing for so long. */
  stalledCount(afterMs: number): number
  /** Seconds in which requests waited and nothing at all came from the upstream; 0 while none waits. */
  silenceSeconds(): number
  /** The upstream showed a sign of life beside the proxied exchanges. */
  noteLife(): void
  /** New connections get this certificate. Throws where it is not sound, and then nothing has changed. */
  setTls(material: TlsMaterial): void
  /** Refuses what is new, lets exchanges end until `graceMs` is over, then cuts the rest. */
  close(graceMs: number): Promise<void>
}

/** How long the last bytes of what was cut may take to a client that reads slowly. */
const CUT_MS = 500

/** A transparent reverse proxy: what comes in goes out unchanged, and every exchange is told when it is over. */
export function createProxy(options: ProxyOptions): Proxy {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 1024, scheduling: 'lifo' })
  const current = new InFlightList<Forward>()
  const upstream: Upstream = { ...options.upstream, heardMs: 0 }
  const { limits } = options
  const closing = new Closing()
  /** What came behind good requests and was none: it is refused when those are answered. */
  const refusedLater = new WeakMap<Socket, { readonly error: ProxyError; readonly method: string }>()
  /** The last request of each connection, answered or not. */
  const latest = new WeakMap<Socket, IncomingMessage>()
  let draining = false
  let admittedCount = 0
  let onIdle: (() => void) | undefined
  const context: ForwardContext = {
    upstream,
    hostHeader: options.hostHeader,
    withheld: options.withheld,
    agent,
    residency: options.residency,
    limits,
    bodyRules: options.bodyRules,
    closing,
    isDraining: () => draining,
    isBehindAnother: (forward, beforeMs) =>
      forward.model !== undefined &&
      current.list.some((one) => one !== forward && one.model === forward.model && one.startMs < beforeMs),
    now: options.now,
    onObserverError: options.onObserverError,
    onInternalError: options.onInternalError,
    onSettled(forward, exchange) {
      current.remove(forward)
      if (forward.admitted) admittedCount--
      if (exchange.verdict.outcome !== 'client_abort') upstream.heardMs = options.now()
      // A connection that is kept alive would keep a closing server waiting; after this turn it is idle.
      if (!server.listening) setImmediate(() => server.closeIdleConnections())
      options.onExchange(exchange)
      refuseWhatCameBehind(forward.socket)
      if (admittedCount === 0) onIdle?.()
    },
  }

  function handle(req: IncomingMessage, res: ServerResponse): void {
    if (closing.has(req.socket)) return
    latest.set(req.socket, req)
    req.socket.setDefaultEncoding('latin1') // Node sends a head alone in it, and a field's characters are its bytes
    const forward = new Forward(context, req, res)
    current.add(forward)
    try {
      const error = refusalOf(req, forward)
      if (error !== undefined) {
        forward.refuse(error)
        return
      }
      forward.admitted = true
      admittedCount++
      forward.start()
    } catch (error) {
      forward.fail(error)
    }
  }

  function refusalOf(req: IncomingMessage, forward: Forward): ProxyError | undefined {
    const { httpVersion } = req
    if (httpVersion !== '1.1' && httpVersion !== '1.0') return wrongVersion(httpVersion)
    const coding = req.headers['transfer-encoding']
    // RFC 9112, section 6.1: in HTTP/1.0 its framing is faulty.
    if (coding !== undefined && httpVersion === '1.0') return malformedRequest(undefined)
    if (!isPlainCoding(coding)) return notImplemented('a Transfer-Encoding other than chunked')
    if (hasTwoHosts(req)) return twoHosts()
    if (draining) return shuttingDown()
    const { method = '', url: target = '', rawHeaders, socket } = req
    const { client, denial } = options.admit({ method, target, rawHeaders, peer: socket.remoteAddress })
    forward.client = client
    if (denial !== undefined) return denial
    const { maxInFlight = Infinity } = options
    return admittedCount < maxInFlight ? undefined : tooManyInFlight(maxInFlight)
  }

  const { server, setTls } = createListener(options.tls, options.maxConnections, options.onConnectionRefused)
  server.on('request', handle)
  // Without these two, Node would answer "100 Continue" or 417 by itself. It is the upstream's to say.
  server.on('checkContinue', handle)
  server.on('checkExpectation', handle)
  server.on('connect', (req: IncomingMessage, socket: Socket) => {
    // Node has let go of the connection, and tells what is under way on it nothing more.
    socket.on('error', () => socket.destroy())
    socket.once('end', () => socket.destroy())
    const onIt = () => current.list.filter((one) => one.socket === socket)
    socket.once('close', () => onIt().forEach((one) => one.leave()))
    socket.on('drain', () => onIt().forEach((one) => one.drained()))
    socket.resume()
    closing.add(socket)
    const refusal = { error: notImplemented('CONNECT'), method: req.method ?? 'CONNECT' }
    if (onIt().length > 0) refusedLater.set(socket, refusal)
    else options.onExchange(answerRaw(socket, refusal.error, refusal.method))
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if ('secureConnecting' in socket && socket.secureConnecting) {
      socket.destroy() // no TLS was agreed on: that is told as `onConnectionRefused`
      return
    }
    const forward = current.list.findLast((one) => one.socket === socket)
    const leftEarly = forward !== undefined && error.code === 'HPE_INVALID_EOF_STATE'
    if (leftEarly || error.code === 'ECONNRESET') socket.destroy()
    else if (!closing.has(socket)) refuseMalformed(error.code, socket, forward)
    else if (socket.readableEnded) socket.destroy()
  })

  function refuseMalformed(code: string | undefined, socket: Socket, forward: Forward | undefined): void {
    closing.add(socket)
    const isRead = latest.get(socket)?.complete !== false
    if (!socket.writable || (forward === undefined && !isRead)) socket.destroy()
    else if (forward === undefined) options.onExchange(answerRaw(socket, malformedRequest(code), 'other'))
    else if (!isRead) forward.refuse(malformedRequest(code))
    else if (code !== 'HPE_CLOSED_CONNECTION')
      refusedLater.set(socket, { error: malformedRequest(code), method: 'other' })
  }

  function refuseWhatCameBehind(socket: Socket): void {
    const refusal = refusedLater.get(socket)
    if (refusal === undefined || !socket.writable || current.list.some((one) => one.socket === socket)) return
    refusedLater.delete(socket)
    options.onExchange(answerRaw(socket, refusal.error, refusal.method))
  }

  const sweep = setInterval(() => {
    for (const forward of [...current.list]) forward.expire()
  }, lookEveryMs(limits.shortestMs))
  sweep.unref()
  const progress = () => current.list.map((forward) => forward.progress())

  return {
    server,
    inFlight() {
      const first = new Map<string | undefined, number>()
      for (const { model, startMs } of current.list) first.set(model, Math.min(startMs, first.get(model) ?? Infinity))
      return current.list.map((forward) => ({
        requestId: forward.requestId,
        method: forward.method,
        endpoint: forward.endpoint.label,
        client: forward.client,
        ...forward.status(forward.model !== undefined && (first.get(forward.model) ?? Infinity) < forward.startMs),
      }))
    },
    get inFlightCount() {
      return current.list.length
    },
    awaited(isSuch) {
      const models = new Set(current.list.flatMap(({ model }) => (model === undefined ? [] : [model])))
      return [...models].filter(isSuch)
    },
    stalledCount: (afterMs) => countStalled(progress(), options.now(), afterMs),
    silenceSeconds: () => upstreamSilenceSeconds(progress(), options.now(), upstream.heardMs),
    noteLife() {
      upstream.heardMs = options.now()
    },
    setTls,
    async close(graceMs) {
      draining = true
      // Until then it goes on to listen: whoever still comes is told to go elsewhere.
      if (admittedCount > 0) await idleWithin(graceMs)
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const forward of [...current.list]) forward.stop()
      setImmediate(() => server.closeIdleConnections()) // that of an exchange which just ended is idle by then
      const timer = setTimeout(() => {
        server.closeAllConnections()
        closing.destroyAll()
      }, CUT_MS)
      await closed
      clearTimeout(timer)
      // Every exchange is told before this is over: its last event may come behind that of its connection.
      const untilMs = options.now() + CUT_MS
      while (current.list.length > 0 && options.now() < untilMs) await nextTurn()
      clearInterval(sweep)
      agent.destroy()
    },
  }

  function idleWithin(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs)
      onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** Of two, the upstream could take the other. One that is missing is the upstream's to refuse. */
function hasTwoHosts(req: IncomingMessage): boolean {
  let hosts = 0
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1
}
