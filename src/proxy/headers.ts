import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TraceParent } from '../ollama/exchange.ts'

/** Header fields as they came: name, value, name, value. Case, order and duplicates are kept. */
export type RawHeaders = readonly string[]

export const REQUEST_ID = 'X-Request-ID'
const REQUEST_ID_FORM = /^[A-Za-z0-9._-]{1,64}$/
const TRACEPARENT_FORM = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

/** The client's own request id where it is one, else a new one. */
export function requestIdOf(value: string | string[] | undefined): string {
  return typeof value === 'string' && REQUEST_ID_FORM.test(value) ? value : randomUUID()
}

/** What a valid `traceparent` names. https://www.w3.org/TR/trace-context/#traceparent-header */
export function traceParentOf(value: string | string[] | undefined): TraceParent | undefined {
  const [, traceId, spanId, flags] = typeof value === 'string' ? (TRACEPARENT_FORM.exec(value) ?? []) : []
  if (traceId === undefined || spanId === undefined) return undefined
  return { traceId, spanId, sampled: (parseInt(flags ?? '', 16) & 1) === 1 }
}

/** Fields that speak of one connection only. https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1 */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade'])
/** What frames or routes the message stays, even where a Connection field names it: dropping it would smuggle. */
const NEVER_NAMED = new Set(['content-length', 'transfer-encoding', 'host'])
const NO_NAMES: ReadonlySet<string> = new Set()

/** The names that a Connection field declares to be of this connection only, in lower case. */
function namedByConnection(connection: string | undefined): ReadonlySet<string> {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return NO_NAMES
  const names = connection
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
  return new Set(names.filter((name) => name !== '' && !NEVER_NAMED.has(name)))
}

/** How the request that goes on differs from the one that came. */
export interface RequestChanges {
  /** Replaces the client's Host where given. */
  readonly host: string | undefined
  /** Whether the body is: without a last chunk there is no place for trailers, and Node refuses to name any. */
  readonly chunked: boolean
  /** Names of further fields that stay behind, in lower case. */
  readonly withheld: ReadonlySet<string>
}

/**
 * What goes to the upstream: everything but what speaks of the client's connection, and the request id.
 * A chunked body stays chunked, whatever the method is: a body without framing would become the next request.
 */
export function requestHeaders(
  raw: RawHeaders,
  connection: string | undefined,
  requestId: string,
  changes: RequestChanges,
): string[] {
  return endToEnd(raw, connection, requestId, { isResponse: false, ...changes })
}

/**
 * What goes to the client: Node frames the body anew, so the upstream's transfer coding stays behind too.
 * @param chunked whether the client's body will be
 */
export function responseHeaders(
  raw: RawHeaders,
  connection: string | undefined,
  requestId: string,
  chunked: boolean,
): string[] {
  return endToEnd(raw, connection, requestId, { isResponse: true, host: undefined, chunked, withheld: NO_NAMES })
}

function endToEnd(
  raw: RawHeaders,
  connection: string | undefined,
  requestId: string,
  { isResponse, host, chunked, withheld }: RequestChanges & { readonly isResponse: boolean },
): string[] {
  const named = namedByConnection(connection)
  const headers: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'x-request-id' || HOP_BY_HOP.has(lower) || named.has(lower) || withheld.has(lower)) continue
    if (lower === 'transfer-encoding' && isResponse) continue
    if (lower === 'trailer' && !chunked) continue
    headers.push(name, lower === 'host' ? (host ?? value) : value)
  }
  headers.push(REQUEST_ID, requestId)
  return headers
}

/** Whether a request's head announces a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || headers['content-length'] !== undefined
}

/** No transfer coding but chunked: any other could be read differently at the other end. RFC 9112, section 6.1. */
export function isPlainCoding(coding: string | undefined): boolean {
  return coding === undefined || coding.toLowerCase() === 'chunked'
}

/**
 * The fields behind a body that go on, as pairs, the form in which Node takes them: none that speaks of one connection,
 * frames or routes a message.
 * @param withheld names of further fields that stay behind, in lower case
 */
export function trailers(
  raw: RawHeaders,
  connection: string | undefined,
  withheld: ReadonlySet<string> = NO_NAMES,
): [string, string][] {
  const named = namedByConnection(connection)
  const result: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'x-request-id' || HOP_BY_HOP.has(lower) || NEVER_NAMED.has(lower)) continue
    if (named.has(lower) || withheld.has(lower)) continue
    result.push([name, raw[i + 1] ?? ''])
  }
  return result
}
