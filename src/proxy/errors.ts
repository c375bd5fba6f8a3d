import type { ErrorShape } from '../ollama/endpoints.ts'
import type { ErrorType, Outcome, Verdict } from '../ollama/outcome.ts'

/** An answer of the proxy's own: what the client is told, and how the exchange is counted. */
export interface ProxyError {
  readonly status: number
  /** What the body tells; '' makes an empty body. */
  readonly message: string
  readonly verdict: Verdict
  /** The connection ends with it: where the request ends cannot be relied on. */
  readonly closes?: boolean
  /** Further header fields: name, value, name, value. */
  readonly headers?: readonly string[]
}

/** `message` says what happened and what to do. */
export function proxyError(
  status: number,
  outcome: Outcome,
  errorType: ErrorType,
  message: string,
  headers?: readonly string[],
): ProxyError {
  const error = { status, message: `ollascope: ${message}`, verdict: { outcome, errorType } }
  return headers === undefined ? error : { ...error, headers }
}

/** Seconds after which it is worth another try. */
const RETRY_SOON = ['Retry-After', '1']

interface Coded {
  readonly code?: string | undefined
  readonly message: string
}

/** The answer to a failure of the upstream before it sent any response. `where` is its URL. */
export function upstreamError(error: Coded, where: string): ProxyError {
  const code = error.code ?? ''
  const unreachable = (reason: string) => `cannot reach Ollama at ${where} (${reason}); is it running?`
  switch (code) {
    case 'ECONNREFUSED':
      return proxyError(502, 'error', 'connect', unreachable('connection refused'))
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return proxyError(502, 'error', 'connect', unreachable(code === 'EHOSTUNREACH' ? 'no route to host' : code))
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return proxyError(502, 'error', 'dns', unreachable('its name cannot be resolved; check OLLASCOPE_UPSTREAM'))
    case 'ETIMEDOUT':
      return proxyError(504, 'timeout', 'connect_timeout', unreachable('connecting timed out'))
    case 'ECONNRESET':
    case 'EPIPE':
      return proxyError(
        502,
        'error',
        'upstream_reset',
        `Ollama at ${where} closed the connection before it answered; see its log, and try again`,
      )
    default:
      if (code.startsWith('HPE_')) {
        return proxyError(
          502,
          'error',
          'upstream_reset',
          `what answers at ${where} does not speak HTTP (${code}); check OLLASCOPE_UPSTREAM`,
        )
      }
      return proxyError(502, 'error', 'connect', unreachable(code === '' ? 'unknown error' : code))
  }
}

/** A failure of the proxy itself. The request id leads from the client's error to the log. */
export function internalError(): ProxyError {
  return proxyError(
    500,
    'error',
    'proxy_internal',
    'an error inside the proxy; look for this X-Request-ID in its log and report it',
  )
}

/** The process was told to end before the upstream answered. */
export function shuttingDown(): ProxyError {
  return proxyError(503, 'rejected', 'overloaded', 'the proxy is shutting down; try again', RETRY_SOON)
}

/** As many requests as may be are under way. */
export function tooManyInFlight(limit: number): ProxyError {
  const message = `${limit} requests are under way already, as many as OLLASCOPE_MAX_IN_FLIGHT allows; try again later`
  return proxyError(503, 'rejected', 'overloaded', message, RETRY_SOON)
}

/** The upstream has the whole request, and sends no response's head. */
export function noAnswer(where: string, afterMs: number): ProxyError {
  const message = `Ollama at ${where} did not answer within ${seconds(afterMs)}; see its log, or raise OLLASCOPE_FIRST_BYTE_TIMEOUT`
  return proxyError(504, 'timeout', 'upstream_timeout', message)
}

/** The upstream does not take the body. */
export function notTaken(where: string, afterMs: number): ProxyError {
  const message = `Ollama at ${where} took nothing of the upload for ${seconds(afterMs)}; see its log`
  return proxyError(504, 'timeout', 'upstream_timeout', message)
}

/** The whole exchange took too long. */
export function tookTooLong(afterMs: number): ProxyError {
  const message = `the request was not answered within ${seconds(afterMs)}, as OLLASCOPE_REQUEST_TIMEOUT wants it`
  return proxyError(504, 'timeout', 'upstream_timeout', message)
}

/** The client sends no more of a body that is not whole. */
export function stalledUpload(afterMs: number): ProxyError {
  const message = `nothing more of the request's body came for ${seconds(afterMs)}; send it without pauses`
  return proxyError(408, 'timeout', 'upload_timeout', message)
}

/** The client sends its body for longer than a whole exchange may take. */
export function longUpload(afterMs: number): ProxyError {
  const message = `the request's body was not through within ${seconds(afterMs)}, as OLLASCOPE_REQUEST_TIMEOUT wants it`
  return proxyError(408, 'timeout', 'upload_timeout', message)
}

/** The body would have to be held to be judged, and is too large for that. */
export function bodyTooLarge(limit: number): ProxyError {
  const message = `the body is larger than the ${limit / 1024 ** 2} MiB that can be checked against OLLASCOPE_MAX_CONTEXT_LENGTH and OLLASCOPE_STREAMING`
  return proxyError(413, 'caller_error', 'bad_request', message)
}

export function unreadableBody(): ProxyError {
  return proxyError(
    400,
    'caller_error',
    'bad_request',
    'the body is no JSON object that can be checked against the limits set here; send plain JSON',
  )
}

export function contextTooLong(limit: number): ProxyError {
  return proxyError(400, 'caller_error', 'bad_request', `options.num_ctx may be ${limit} at most; ask for less`)
}

export function streamsUnasked(): ProxyError {
  return proxyError(400, 'caller_error', 'bad_request', 'streaming is switched off here; send "stream": false')
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`
}

export function notImplemented(what: string): ProxyError {
  return { ...proxyError(501, 'caller_error', 'bad_request', `${what} is not supported`), closes: true }
}

/** RFC 9112, section 3.2. */
export function twoHosts(): ProxyError {
  const message = 'the request has more than one Host header; send one'
  return { ...proxyError(400, 'caller_error', 'bad_request', message), closes: true }
}

/** A version whose framing is not this one's. */
export function wrongVersion(version: string): ProxyError {
  if (version === '0.9') return malformedRequest(undefined)
  const message = `HTTP/${version} is not spoken here; use HTTP/1.1`
  return { ...proxyError(505, 'caller_error', 'bad_request', message), closes: true }
}

/** What the HTTP parser refused, by the code of its error. */
export function malformedRequest(code: string | undefined): ProxyError {
  const refuse = (status: number, message: string): ProxyError => ({
    ...proxyError(status, 'caller_error', 'bad_request', message),
    closes: true,
  })
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return refuse(431, 'the request has more or larger headers than the proxy takes')
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return refuse(413, 'the chunk extensions of the request are too large')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refuse(408, 'the request did not arrive in time')
    default:
      return refuse(400, 'this is no valid HTTP request')
  }
}

/** An error's JSON body in the words of the API that was called. */
export function errorBody(shape: ErrorShape, error: ProxyError): string {
  const { message, status } = error
  if (message === '') return ''
  switch (shape) {
    case 'native':
      return JSON.stringify({ error: message })
    case 'openai':
      return JSON.stringify({ error: { message, type: errorType(status, shape), param: null, code: null } })
    case 'anthropic':
      return JSON.stringify({ type: 'error', error: { type: errorType(status, shape), message } })
  }
}

/** The types that both APIs have; 413 has one of its own in Anthropic's. */
function errorType(status: number, shape: ErrorShape): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 413 && shape === 'anthropic') return 'request_too_large'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'api_error' : 'invalid_request_error'
}
