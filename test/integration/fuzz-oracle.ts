import { createHash } from 'node:crypto'
import { listOf, readRequest, valuesOf, type Field, type WireRequest } from './fuzz-wire.ts'

/** What a strict reader makes of all that a client sends on one connection. */
export interface Spoken {
  readonly requests: readonly WireRequest[]
  /** What follows them: nothing, the beginning of a request, none, or what nobody may read behind the last one. */
  readonly tail: {
    readonly kind: 'clean' | 'partial' | 'broken' | 'closed'
    readonly why: string
    readonly message: WireRequest | undefined
    /** It may be taken for a HEAD, and then its answer has no body. */
    readonly maybeHead: boolean
  }
  /** How many of the requests must be answered where the client stays. */
  readonly owed: number
  /** Something broken follows, and the proxy has to end the connection. */
  readonly mustClose: boolean
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r'

/** @param unharmed so many requests at the beginning are valid for sure */
export function readConnection(bytes: Buffer, unharmed = 0): Spoken {
  const requests: WireRequest[] = []
  let at = 0
  const spoken = (kind: Spoken['tail']['kind'], why: string, message?: WireRequest): Spoken => {
    const all = message === undefined ? requests : [...requests, message]
    // What follows an Upgrade may be the other protocol's, and Node's parser finds nothing wrong with it.
    const upgrade = all.findIndex(({ fields }) => valuesOf(fields, 'upgrade').length > 0)
    const rest = bytes.toString('latin1', at)
    // A head without an end may be waited for, and so may the preface of HTTP/2.
    const isEnded = /\n\r?\n/.test(rest) && !PREFACE.startsWith(rest)
    const isBroken = kind === 'broken' && (message !== undefined || isEnded)
    return {
      requests,
      tail: { kind, why, message, maybeHead: /^\s*HEAD\b/.test(rest) },
      owed: upgrade === -1 ? requests.length : Math.min(upgrade < unharmed ? upgrade + 1 : upgrade, requests.length),
      mustClose: upgrade === -1 && (isBroken || why === 'closes'),
    }
  }
  while (at < bytes.length && !/^[\r\n]*$/.test(bytes.toString('latin1', at))) {
    const reading = readRequest(bytes, at)
    if (reading.kind !== 'whole') return spoken(reading.kind, reading.why, reading.message)
    requests.push(reading.message)
    at = reading.end
    const { fields, trailers } = reading.message
    if (closes(reading.message, fields)) return spoken('closed', 'closes')
    // Node's parser takes no more then, either, when its answer has long said that the connection stays.
    if (closes(reading.message, [...fields, ...trailers])) return spoken('closed', 'closes by a trailer')
  }
  return spoken('clean', '')
}

/**
 * Whether nothing may follow on the connection. Node's parser takes Proxy-Connection for Connection, and believes an
 * HTTP/1.0 client that says both keep-alive and close the former.
 */
function closes({ method, version }: WireRequest, fields: readonly Field[]): boolean {
  const options = [...listOf(fields, 'connection'), ...listOf(fields, 'proxy-connection')]
  if (method === 'CONNECT') return true
  return version === '1.0' ? !options.includes('keep-alive') : options.includes('close')
}

const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade']
const KEPT = ['content-length', 'transfer-encoding', 'host']

/** The head that the upstream must see, as one text; of a head that it saw, the same. The request's id is left out. */
export function forwardedHead(request: WireRequest, upstreamHost: string): string {
  const named = listOf(request.fields, 'connection').filter((name) => !KEPT.includes(name))
  const dropped = new Set([...HOP_BY_HOP, 'x-request-id', ...named])
  if (request.framing !== 'chunked') dropped.add('trailer')
  const fields = request.fields.filter(([name]) => !dropped.has(name.toLowerCase()))
  const hostless = request.version === '1.0' && valuesOf(fields, 'host').length === 0
  if (hostless) fields.push(['Host', upstreamHost])
  return [`${request.method} ${request.target}`, ...fields.map(([name, value]) => `${name}: ${value}`)].join('\n')
}

/** The trailers that the upstream must see: none that would frame, route or name it. */
export function forwardedTrailers({ fields, trailers }: WireRequest): Field[] {
  const dropped = new Set([...HOP_BY_HOP, ...KEPT, 'x-request-id', ...listOf(fields, 'connection')])
  return trailers.filter(([name]) => !dropped.has(name.toLowerCase()))
}

/** Well framed, and yet for nobody: with two Hosts, the upstream could take the other. */
export function isForNobody({ fields }: WireRequest): boolean {
  return valuesOf(fields, 'host').length > 1
}

/** Fields that the upstream may not see, since they speak of the client's connection. */
export function hopByHop(request: WireRequest): string[] {
  return request.fields
    .filter(([name, value]) => HOP_BY_HOP.includes(name.toLowerCase()) && !isOwnConnection(name, value))
    .map(([name, value]) => `${name}: ${value}`)
}

function isOwnConnection(name: string, value: string): boolean {
  return name === 'Connection' && (value === 'keep-alive' || value === 'close')
}

export function fingerprint(head: string): string {
  return createHash('sha256').update(head, 'latin1').digest('hex').slice(0, 16)
}
