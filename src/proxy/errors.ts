import type { ErrorShape } from '../ollama/endpoints.ts'
import type { ErrorType, Outcome, Verdict } from '../ollama/outcome.ts'

/** An answer of the proxy's own: what the client is told, and how the exchange is counted. */
export interface ProxyError {
  readonly status: number
  readonly message: string
  readonly verdict: Verdict
}

function proxyError(status: number, outcome: Outcome, errorType: ErrorType, message: string): ProxyError {
  return { status, message: `ollascope: ${message}`, verdict: { outcome, errorType } }
}

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
  return proxyError(503, 'rejected', 'overloaded', 'the proxy is shutting down; try again')
}

export function notImplemented(what: string): ProxyError {
  return proxyError(501, 'caller_error', 'bad_request', `${what} is not supported`)
}

/** RFC 9112, section 3.2. */
export function twoHosts(): ProxyError {
  return proxyError(400, 'caller_error', 'bad_request', 'the request has more than one Host header; send one')
}

/** What the HTTP parser refused, by the code of its error. */
export function malformedRequest(code: string | undefined): ProxyError {
  const refuse = (status: number, message: string) => proxyError(status, 'caller_error', 'bad_request', message)
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
  switch (shape) {
    case 'native':
      return JSON.stringify({ error: message })
    case 'openai':
      return JSON.stringify({ error: { message, type: openaiType(status), param: null, code: null } })
    case 'anthropic':
      return JSON.stringify({ type: 'error', error: { type: openaiType(status), message } })
  }
}

function openaiType(status: number): string {
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'api_error' : 'invalid_request_error'
}
