// Candidate B: a small core of our own on node:http.
import http from 'node:http'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { endToEnd, has, pairs } from './headers.ts'
import { answerError, relay } from './relay.ts'
import { listen, upstream } from './settings.ts'

const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 256 })
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'PUT', 'TRACE'])

function requestHeaders(req: IncomingMessage): string[] {
  const raw = req.rawHeaders
  // A Trailer header where nothing is chunked makes node:http throw.
  const loose = has(raw, 'trailer') && !has(raw, 'transfer-encoding')
  const headers = endToEnd(raw, loose ? (name) => name === 'trailer' : undefined)
  // An array gets no Host from node:http; an HTTP/1.0 client may have none.
  if (!has(headers, 'host')) headers.push('Host', `${upstream.host}:${upstream.port}`)
  return headers
}

function flushUnlessBegun(req: IncomingMessage, up: ClientRequest): void {
  if (req.readableLength === 0 && !req.complete && !up.destroyed) up.flushHeaders()
}

function upload(req: IncomingMessage, up: ClientRequest): void {
  // Where the client takes its time with the body, or waits for a 100, the headers go ahead.
  if (req.readableLength === 0 && !req.complete) process.nextTick(flushUnlessBegun, req, up)
  req.on('data', (chunk: Buffer) => {
    if (up.destroyed || up.write(chunk)) return
    req.pause()
    up.once('drain', () => req.resume())
  })
  req.on('end', () => {
    if (req.rawTrailers.length > 0) up.addTrailers(pairs(req.rawTrailers))
    up.end()
  })
  up.on('close', () => req.resume())
}

function forward(req: IncomingMessage, res: ServerResponse, retried: boolean): void {
  const headers = requestHeaders(req)
  const hasBody = has(headers, 'content-length') || has(headers, 'transfer-encoding')
  const up = http.request({
    agent,
    host: upstream.host,
    port: upstream.port,
    method: req.method,
    path: req.url,
    headers,
    setDefaultHeaders: false,
  })
  let answered = false
  up.on('response', (answer) => {
    answered = true
    relay(answer, req, res)
  })
  up.on('continue', () => {
    if (req.httpVersion !== '1.0' && !res.headersSent) res.writeContinue()
  })
  up.on('information', (info) => {
    if (info.statusCode !== 100 && req.httpVersion !== '1.0' && !res.headersSent)
      res.writeInformation(info.statusCode, info.rawHeaders)
  })
  up.on('error', (error: NodeJS.ErrnoException) => {
    if (answered || res.destroyed) return
    const stale = up.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
    if (stale && !retried && !hasBody && IDEMPOTENT.has(req.method ?? '')) forward(req, res, true)
    else answerError(res, error.code ?? error.message)
  })
  // Nobody asked for it, and without a listener node:http drops the connection and says nothing: the client would hang.
  up.on('upgrade', (_answer, socket) => {
    socket.destroy()
    answerError(res, 'unexpected upgrade')
  })
  res.on('close', () => {
    if (!res.writableFinished) up.destroy()
  })
  if (hasBody) upload(req, up)
  else up.end()
}

const server = http.createServer({ requestTimeout: 0 }, (req, res) => forward(req, res, false))
server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => forward(req, res, false))
server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => forward(req, res, false))
server.on('connect', (_req, socket) => {
  socket.on('error', () => undefined)
  socket.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n\r\n')
})
server.listen(listen.port, listen.host)
