import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorShape } from '../ollama/endpoints.ts'
import { errorBody, type ProxyError } from './errors.ts'
import { REQUEST_ID } from './headers.ts'
import { linger } from './linger.ts'

/**
 * Answers a request with an error of the proxy's own.
 * @param closes whether the connection ends with it
 * @returns the bytes of the body that the client gets
 */
export function answerError(
  req: IncomingMessage,
  res: ServerResponse,
  shape: ErrorShape,
  error: ProxyError,
  requestId: string,
  closes: boolean,
): number {
  const body = Buffer.from(errorBody(shape, error))
  const headers = body.length > 0 ? ['Content-Type', 'application/json; charset=utf-8'] : []
  headers.push('Content-Length', String(body.length), ...(error.headers ?? []), REQUEST_ID, requestId)
  if (closes) headers.push('Connection', 'close')
  // The reason is given: where the upstream's was refused, Node still has it.
  res.writeHead(error.status, STATUS_CODES[error.status] ?? '', headers)
  res.end(body)
  linger(req, res, closes || !res.shouldKeepAlive)
  return req.method === 'HEAD' ? 0 : body.length
}

/** Whether the client's answer is chunked, as the upstream's is: one without a body, or for HTTP/1.0, cannot be. */
export function answersChunked(req: IncomingMessage, { headers, statusCode }: IncomingMessage): boolean {
  const bodyless = req.method === 'HEAD' || statusCode === 204 || statusCode === 304
  return headers['transfer-encoding'] !== undefined && !bodyless && req.httpVersion !== '1.0'
}

/** Ends a connection so that its client sees that the answer is not whole. */
export function cutClient(req: IncomingMessage, res: ServerResponse): void {
  const { socket } = res
  // Where the end of the connection is the end of the body, only a reset says that something is missing.
  if (socket && req.httpVersion === '1.0') reset(socket)
  else if (socket) socket.destroySoon()
  // Pipelined, and not its turn yet: the answers before it, and what there is of this one, go first.
  else res.once('socket', () => process.nextTick(() => cutClient(req, res)))
}

/** Ends a connection at once, with nothing more of what was written to it. */
export function reset(socket: Socket): void {
  // Under TLS an end without its closing alert says the same, and Node can reset no such socket.
  if ('encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}
