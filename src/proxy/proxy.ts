import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Exchange } from '../ollama/exchange.ts'
import type { Phase } from '../ollama/phase.ts'
import type { RequestFacts } from '../ollama/request.ts'
import { internalError, malformedRequest, notImplemented, twoHosts } from './errors.ts'
import type { ForwardContext, Residency, Upstream } from './context.ts'
import { Forward } from './forward.ts'
import { isPlainCoding } from './headers.ts'
import { InFlightList } from './in-flight-list.ts'
import { answerRaw } from './refusal.ts'
import { countStalled, upstreamSilenceSeconds } from './silence.ts'

export interface ProxyOptions {
  readonly upstream: Omit<Upstream, 'heardMs'>
  /** The Host that the upstream is told; `undefined` passes the client's own. */
  readonly hostHeader: string | undefined
  readonly residency: Residency
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Called exactly once for each request, when it is over. Must not throw. */
  readonly onExchange: (exchange: Exchange) => void
  /** An observer threw: its exchange lost numbers, and nothing else. */
  readonly onObserverError: (error: unknown, requestId: string) => void
  /** The proxy itself failed at a request, which was answered 500. */
  readonly onInternalError: (error: unknown, requestId: string) => void
}

/** A request that is not over yet. */
export interface InFlight {
  readonly requestId: string
  readonly method: string
  readonly endpoint: string
  readonly model: RequestFacts['model']
  readonly phase: Phase
  readonly ageSeconds: number
}

export interface Proxy {
  readonly server: Server
  inFlight(): InFlight[]
  readonly inFlightCount: number
  /** Whether a request waits for its answer whose model (its full name) is such a one. */
  awaits(isSuch: (model: string) => boolean): boolean
  /** Streams that have begun, and then had nothing for so long. */
  stalledCount(afterMs: number): number
  /** Seconds in which requests waited and nothing at all came from the upstream; 0 while none waits. */
  silenceSeconds(): number
  /** The upstream showed a sign of life beside the proxied exchanges. */
  noteLife(): void
  /** Takes no more connections, lets exchanges end until `graceMs` is over, then cuts the rest. */
  close(graceMs: number): Promise<void>
}

/** How long a connection may take to send a request's head. Bodies and answers have no limit in time. */
const HEADERS_TIMEOUT_MS = 60_000
/** Ollama itself takes 1 MiB; this is more than any client is known to send, and bounds what a stranger can make us hold. */
const MAX_HEADER_BYTES = 64 * 1024
/** How long the last bytes of what was cut may take to a client that reads slowly. */
const CUT_MS = 500
/** Longer than the 60 s that load balancers keep an idle connection, so that they close it and not we. */
const KEEP_ALIVE_MS = 75_000

/** A transparent reverse proxy: what comes in goes out unchanged, and every exchange is told when it is over. */
export function createProxy(options: ProxyOptions): Proxy {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 1024, scheduling: 'lifo' })
  const current = new InFlightList<Forward>()
  const upstream: Upstream = { ...options.upstream, heardMs: 0 }
  const context: ForwardContext = {
    upstream,
    hostHeader: options.hostHeader,
    agent,
    residency: options.residency,
    isBehindAnother: (forward, beforeMs) =>
      forward.model !== undefined &&
      current.list.some((one) => one !== forward && one.model === forward.model && one.startMs < beforeMs),
    now: options.now,
    onObserverError: options.onObserverError,
    onInternalError: options.onInternalError,
    onSettled(forward, exchange) {
      current.remove(forward)
      if (exchange.verdict.outcome !== 'client_abort') upstream.heardMs = options.now()
      // A connection that is kept alive would keep a closing server waiting; after this turn it is idle.
      if (!server.listening) setImmediate(() => server.closeIdleConnections())
      options.onExchange(exchange)
    },
  }

  function handle(req: IncomingMessage, res: ServerResponse): void {
    const forward = new Forward(context, req, res)
    current.add(forward)
    try {
      if (!isPlainCoding(req.headers['transfer-encoding']))
        forward.refuse(notImplemented('a Transfer-Encoding other than chunked'))
      else if (hasTwoHosts(req)) forward.refuse(twoHosts())
      else forward.start()
    } catch (error) {
      options.onInternalError(error, forward.requestId)
      forward.refuse(internalError())
    }
  }

  const server = createServer({
    requestTimeout: 0,
    headersTimeout: HEADERS_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    requireHostHeader: false, // the upstream says what it thinks of that
  })
  server.on('request', handle)
  // Without these two, Node would answer "100 Continue" or 417 by itself. It is the upstream's to say.
  server.on('checkContinue', handle)
  server.on('checkExpectation', handle)
  server.on('connect', (req: IncomingMessage, socket: Socket) => {
    options.onExchange(answerRaw(socket, notImplemented('CONNECT'), req.method ?? 'CONNECT'))
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const forward = current.list.findLast((one) => one.socket === socket)
    const leftEarly = forward !== undefined && error.code === 'HPE_INVALID_EOF_STATE'
    if (error.code === 'ECONNRESET' || !socket.writable || leftEarly) socket.destroy()
    else if (forward !== undefined) forward.refuse(malformedRequest(error.code))
    else options.onExchange(answerRaw(socket, malformedRequest(error.code), 'other'))
  })

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
        ...forward.status(forward.model !== undefined && (first.get(forward.model) ?? Infinity) < forward.startMs),
      }))
    },
    get inFlightCount() {
      return current.list.length
    },
    awaits: (isSuch) => current.list.some(({ model }) => model !== undefined && isSuch(model)),
    stalledCount: (afterMs) => countStalled(progress(), options.now(), afterMs),
    silenceSeconds: () => upstreamSilenceSeconds(progress(), options.now(), upstream.heardMs),
    noteLife() {
      upstream.heardMs = options.now()
    },
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const timers = [
        setTimeout(() => [...current.list].forEach((forward) => forward.stop()), graceMs),
        setTimeout(() => server.closeAllConnections(), graceMs + CUT_MS),
      ]
      await closed
      timers.forEach(clearTimeout)
      // Every exchange is told before this is over: its last event may come behind that of its connection.
      while (current.list.length > 0) await nextTurn()
      agent.destroy()
    },
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
