import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { matchEndpoint } from '../ollama/endpoints.ts'
import { NO_RETRIES, type Exchange } from '../ollama/exchange.ts'
import { EMPTY_REQUEST } from '../ollama/request.ts'
import { errorBody, type ProxyError } from './errors.ts'
import { REQUEST_ID } from './headers.ts'
import { lingerRaw } from './linger.ts'

/** Answers on the bare socket a request that never became one (or a CONNECT), and gives its exchange. */
export function answerRaw(socket: Socket, error: ProxyError, method: string): Exchange {
  const requestId = randomUUID()
  const endpoint = matchEndpoint('*') // no path is known: no endpoint
  const body = errorBody(endpoint.errorShape, error)
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `${REQUEST_ID}: ${requestId}`,
    'Connection: close',
  ]
  socket.on('error', () => socket.destroy()) // it may be gone already
  if (socket.writable) socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  lingerRaw(socket)
  return {
    requestId,
    traceId: undefined,
    parent: undefined,
    client: undefined,
    method,
    endpoint,
    path: '',
    request: EMPTY_REQUEST,
    stream: undefined,
    status: error.status,
    verdict: error.verdict,
    abortPhase: undefined,
    coldStart: false,
    retries: NO_RETRIES,
    durationSeconds: 0,
    timeToFirstTokenSeconds: undefined,
    overheadSeconds: undefined,
    usage: {},
    chunks: 0,
    gaps: undefined,
    transferredBytes: undefined,
    unread: { request: undefined, response: undefined },
    requestBytes: 0,
    responseBytes: Buffer.byteLength(body),
  }
}
