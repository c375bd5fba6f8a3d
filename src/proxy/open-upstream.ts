import { request as httpRequest, type Agent, type ClientRequest, type IncomingMessage } from 'node:http'
import { requestHeaders } from './headers.ts'

/** Ollama itself takes 1 MiB; this is more than anybody is known to send, and bounds what a stranger can make us hold. */
export const MAX_HEADER_BYTES = 64 * 1024

interface Target {
  readonly upstream: { readonly host: string; readonly port: number; readonly url: string }
  /** `false`: a connection of its own. */
  readonly agent: Agent | false
  readonly hostHeader: string | undefined
  /** Names of fields that stay behind, in lower case. */
  readonly withheld: ReadonlySet<string>
}

/** The request that goes on to the upstream: what came, but for what speaks of the client's connection. */
export function openUpstream(
  { upstream, agent, hostHeader, withheld }: Target,
  req: IncomingMessage,
  requestId: string,
  chunked: boolean,
): ClientRequest {
  const headers = requestHeaders(req.rawHeaders, req.headers.connection, requestId, {
    host: hostHeader,
    chunked,
    withheld,
  })
  // HTTP/1.0 needs no Host, the HTTP/1.1 that goes on does. RFC 9110, section 7.2.
  if (req.httpVersion === '1.0' && req.headers.host === undefined) headers.push('Host', new URL(upstream.url).host)
  const to = { host: upstream.host, port: upstream.port, agent, method: req.method ?? '', path: req.url ?? '/' }
  const upstreamReq = httpRequest({ ...to, headers, setDefaultHeaders: false, maxHeaderSize: MAX_HEADER_BYTES })
  upstreamReq.maxHeadersCount = 0 // Node would drop those beyond 1,000 without a word: the size is the limit
  return upstreamReq
}
