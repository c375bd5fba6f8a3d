// Candidate A, all of it: as hpm-ejected.ts, with the work-arounds that its public hooks allow. What comes out is that
// the hook rebuilds the request from rawHeaders: what httpxy made of it is thrown away.
import http from 'node:http'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { endToEnd, has, pairs } from './headers.ts'
import { createProxyMiddleware } from './hpm.ts'
import { answerError, relay } from './relay.ts'
import { listen, upstreamUrl } from './settings.ts'

/** What has to be remembered of a request while httpxy must not see it. (See README.md for what a WeakMap cost.) */
interface Marked extends IncomingMessage {
  asked?: string
  up?: ClientRequest
  retried?: boolean
}

function rebuild(up: ClientRequest, req: Marked, res: ServerResponse): void {
  req.up = up
  // httpxy puts a slash before an absolute form and before *.
  up.path = req.asked ?? '/'
  // It also joins duplicates, lower-cases names, adds Content-Length: 0 and Connection: close.
  for (const name of up.getHeaderNames()) up.removeHeader(name)
  up.removeHeader('connection')
  up.removeHeader('content-length')
  up.removeHeader('transfer-encoding')
  const chunked = has(req.rawHeaders, 'transfer-encoding')
  const headers = endToEnd(req.rawHeaders, chunked ? undefined : (name) => name === 'trailer')
  for (let i = 0; i < headers.length; i += 2) up.appendHeader(headers[i] ?? '', headers[i + 1] ?? '')
  if (!up.hasHeader('host')) up.setHeader('Host', new URL(upstreamUrl).host)
  up.on('information', (info) => {
    if (info.statusCode !== 100 && req.httpVersion !== '1.0' && !res.headersSent)
      res.writeInformation(info.statusCode, info.rawHeaders)
  })
  up.on('upgrade', (_answer, socket) => {
    socket.destroy()
    answerError(res, 'unexpected upgrade')
  })
  const body = has(req.rawHeaders, 'content-length') || has(req.rawHeaders, 'transfer-encoding')
  if (!body) return
  const waits = req.readableLength === 0 && !req.complete
  up.on('continue', () => res.writeContinue())
  req.on('end', () => {
    if (req.rawTrailers.length > 0) up.addTrailers(pairs(req.rawTrailers))
  })
  if (waits) up.flushHeaders()
}

const proxy = createProxyMiddleware({
  target: upstreamUrl,
  ejectPlugins: true,
  selfHandleResponse: true,
  agent: new http.Agent({ keepAlive: true, maxFreeSockets: 256 }),
  plugins: [
    (events) => {
      events.on('proxyReq', rebuild)
      events.on('proxyRes', relay)
      events.on('econnreset', () => undefined)
      events.on('error', (error: NodeJS.ErrnoException, req: Marked, res) => {
        if (res.headersSent || res.destroyed) return
        const body = has(req.rawHeaders, 'content-length') || has(req.rawHeaders, 'transfer-encoding')
        if (req.up?.reusedSocket === true && error.code === 'ECONNRESET' && req.retried !== true && !body) {
          req.retried = true
          serve(req, res)
        } else answerError(res, error.code ?? error.message)
      })
    },
  ],
})

function serve(req: Marked, res: ServerResponse): void {
  // The path filter throws at '//' and the Expect header makes httpxy skip the hook: hide both from it.
  req.asked ??= req.url ?? '/'
  req.url = '/'
  if (req.headers.expect !== undefined) {
    const { expect, ...rest } = req.headers
    if (expect !== '') req.headers = rest
  }
  proxy(req, res, () => {
    if (!res.headersSent && !res.destroyed) res.writeHead(404).end()
  }).catch(() => res.destroy())
}

const server = http.createServer({ requestTimeout: 0 }, serve)
server.on('checkContinue', serve)
server.on('checkExpectation', serve)
server.on('connect', (_req, socket) => {
  socket.on('error', () => undefined)
  socket.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n\r\n')
})
server.listen(listen.port, listen.host)
