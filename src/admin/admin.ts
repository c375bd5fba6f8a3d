import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import { readPage } from './page.ts'
import type { Readiness } from './readiness.ts'
import { requireToken, type Password } from './token.ts'

export interface AdminOptions {
  /** `undefined` where none is needed. */
  readonly token: string | undefined
  /** Whether a request without a token and with such header fields is meant for here: a page may have been led here. */
  readonly isForHere: (rawHeaders: readonly string[]) => boolean
  readonly readiness: () => Readiness
  readonly status: () => object
  /** Answers `/events`. */
  readonly events: (req: IncomingMessage, res: ServerResponse) => void
  /** The model that `/health` names. */
  readonly model: () => string | undefined
  /** All metrics in the format that the `Accept` header asks for. */
  readonly metrics: (accept: string | undefined) => Promise<{ readonly type: string; readonly body: string }>
  readonly onError: (error: unknown) => void
}

const compress = promisify(gzip)
/** Below this size, gzip costs more than it saves. */
const WORTH_COMPRESSING = 1024

/** The second listener: what operators and machines ask. It shares nothing with the proxied routes but the process. */
export function createAdmin(options: AdminOptions): Server {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.use((_req, res, next) => {
    res.set('Cache-Control', 'no-store')
    res.set('X-Content-Type-Options', 'nosniff')
    // A browser that knows the token sends it along whoever asks.
    res.set('Cross-Origin-Resource-Policy', 'same-origin')
    next()
  })

  const forHere: RequestHandler = (req, res, next) => {
    if (options.isForHere(req.rawHeaders)) next()
    else res.status(403).json({ error: 'ollascope: this Host is not served here; ask for localhost or an address' })
  }
  app.get('/healthz', forHere, (_req, res) => void res.json({ status: 'ok' }))
  app.get(['/readyz', '/ready'], forHere, (_req, res) => {
    const { ready, status, reasons } = options.readiness()
    res.status(ready ? 200 : 503).json({ status, reasons })
  })

  // A page that was led here by a name of its own has no token; a Prometheus that knows this host by a name has.
  const { token } = options
  const guard = (password: Password) => (token === undefined ? forHere : requireToken(token, password))

  const page = readPage()
  app.get('/', guard('asked'), (_req, res) => {
    res.set('Content-Security-Policy', page.policy)
    res.type('html').send(page.html)
  })
  app.get('/status', guard('taken'), (_req, res) => void res.json(options.status()))
  app.get('/events', guard('taken'), (req, res) => options.events(req, res))

  app.use(guard('refused'))

  app.get('/metrics', async (req, res) => {
    const { type, body } = await options.metrics(req.get('accept'))
    res.set('Content-Type', type)
    res.vary('Accept-Encoding')
    if (body.length < WORTH_COMPRESSING || req.acceptsEncodings('gzip') === false) {
      res.end(body)
      return
    }
    res.set('Content-Encoding', 'gzip')
    res.end(await compress(body))
  })
  // As older scripts ask: 200 and `healthy`, or 503.
  app.get(['/health', '/health/ollama'], (_req, res) => {
    const { ready, reasons } = options.readiness()
    const answer = { status: ready ? 'healthy' : 'unhealthy', ollama_model: options.model() ?? null }
    res.status(ready ? 200 : 503).json(ready ? answer : { ...answer, reasons })
  })

  app.use((req, res) => {
    const hint = 'the admin listener has / /metrics /healthz /readyz /health /status /events; the API is at the proxy'
    res.status(404).json({ error: `ollascope: no ${req.method} ${req.path} here; ${hint}` })
  })
  app.use((error: unknown, _req: Request, res: Response, next: NextFunction) => {
    options.onError(error)
    if (res.headersSent) next(error)
    else res.status(500).json({ error: 'ollascope: an error inside the admin listener; see the log' })
  })
  return createServer(app)
}
