import { request, type Agent, type ClientRequest } from 'node:http'

export interface UpstreamTarget {
  readonly host: string
  readonly port: number
  readonly agent: Agent
  readonly method: string
  /** The request target as it came: nothing is normalised. */
  readonly path: string
}

/** Methods to which Node's client gives a chunked body of its own accord. */
const CHUNKED_BY_DEFAULT = new Set(['POST', 'PUT', 'PATCH', 'PROPFIND', 'REPORT', 'SEARCH', 'QUERY'])

/**
 * Opens the upstream request with exactly these header fields.
 * @param headers name, value, name, value; Node adds nothing to them but `Connection`
 * @param framed whether they have a Content-Length or a Transfer-Encoding
 */
export function openUpstreamRequest(to: UpstreamTarget, headers: readonly string[], framed: boolean): ClientRequest {
  if (framed || !CHUNKED_BY_DEFAULT.has(to.method)) return request({ ...to, headers })
  // A POST without any body: Node would frame an empty one, unless both fields are taken away from it.
  const upstreamRequest = request({ ...to, headers: asObject(headers), setHost: false })
  upstreamRequest.removeHeader('Content-Length')
  upstreamRequest.removeHeader('Transfer-Encoding')
  return upstreamRequest
}

/** Header fields as an object, the values of a repeated one in an array. */
export function asObject(raw: readonly string[]): Record<string, string[]> {
  const object: Record<string, string[]> = {}
  const names = new Map<string, string>()
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const key = names.get(name.toLowerCase()) ?? name
    names.set(name.toLowerCase(), key)
    ;(object[key] ??= []).push(raw[i + 1] ?? '')
  }
  return object
}
