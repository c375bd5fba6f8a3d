/** The head of a request as it came. */
export interface RequestHead {
  readonly method: string
  readonly target: string
  /** `1.1` or `1.0`. */
  readonly httpVersion: string
  /** Names and values by turns, in order, case as sent. */
  readonly rawHeaders: readonly string[]
  /** The bytes of the head, blank line included. */
  readonly rawHead: Buffer
}

/** How long the body is: a number of bytes, or chunked until the last chunk. */
export type BodyFraming = number | 'chunked'

/** The value of the first header of that name; undefined where there is none. */
export function rawHeader(rawHeaders: readonly string[], name: string): string | undefined {
  const wanted = name.toLowerCase()
  const at = rawHeaders.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === wanted)
  return at < 0 ? undefined : rawHeaders[at + 1]
}

/** Method, target and headers of a head's bytes, blank line included; undefined where they are no HTTP/1 request. */
export function parseHead(rawHead: Buffer): RequestHead | undefined {
  const [requestLine = '', ...lines] = rawHead.toString('latin1', 0, rawHead.length - 4).split('\r\n')
  const [, method, target, httpVersion] = /^([!-~]+) ([!-~]+) HTTP\/(1\.[01])$/.exec(requestLine) ?? []
  if (method === undefined || target === undefined || httpVersion === undefined) return undefined
  if (!lines.every((line) => /^[^\s:]+:/.test(line))) return undefined
  const rawHeaders = lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  return { method, target, httpVersion, rawHeaders, rawHead }
}

/**
 * The framing of a request's body (RFC 9112, section 6.3); undefined where the headers contradict each other.
 *
 * Chunked wins over a Content-Length, as in Go's server.
 */
export function bodyFraming(head: RequestHead): BodyFraming | undefined {
  const values = (name: string) =>
    head.rawHeaders.filter((_, index) => head.rawHeaders[index - 1]?.toLowerCase() === name && index % 2 === 1)
  const codings = values('transfer-encoding')
  if (codings.length > 0) return codings.join().toLowerCase() === 'chunked' ? 'chunked' : undefined
  const [length = '0', ...others] = values('content-length')
  if (!/^\d{1,15}$/.test(length) || others.some((other) => other !== length)) return undefined
  return Number(length)
}

/** Whether the connection may carry another request after this one. */
export function keepsAlive(head: RequestHead): boolean {
  const tokens = (rawHeader(head.rawHeaders, 'connection') ?? '').toLowerCase().split(/\s*,\s*/)
  return head.httpVersion === '1.1' && !tokens.includes('close')
}

/** Whether the client waits for a 100 before it sends the body (RFC 9110, section 10.1.1). */
export function expectsContinue(head: RequestHead): boolean {
  return head.httpVersion === '1.1' && rawHeader(head.rawHeaders, 'expect')?.toLowerCase() === '100-continue'
}
