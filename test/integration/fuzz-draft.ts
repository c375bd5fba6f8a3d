import { randomEnds, type Random } from '../helpers/random.ts'

/** A request before it is bytes; each part may be spoilt. Text stands for bytes (Latin-1). */
export interface Draft {
  /** Its marker: nothing else on any connection has it. */
  readonly id: string
  method: string
  target: string
  /** With its blank: ` HTTP/1.1`. */
  version: string
  /** Header lines without their ends. */
  headers: string[]
  /** What the body says. */
  readonly content: string
  /** The body as it is sent: in one piece, or each chunk with its frame, the last chunk, the trailers, the end. */
  body: string[]
  readonly framing: 'none' | 'length' | 'chunked'
  /** What follows at once. */
  behind: string
}

type NotEmpty<T> = readonly [T, ...T[]]

export const HOST = 'Host: 127.0.0.1'
/** The product takes these hosts for its own machine's. */
const HOSTS: NotEmpty<string> = [HOST, 'Host: localhost', 'host: 127.0.0.1:11435', 'HOST:127.0.0.1', 'Host:\t[::1]:80 ']
const ROUTES: NotEmpty<readonly [method: string, target: string]> = [
  ['GET', '/'],
  ['HEAD', '/'],
  ['GET', '/api/tags'],
  ['GET', '/api/ps'],
  ['GET', '/api/version'],
  ['POST', '/api/generate'],
  ['POST', '/api/chat'],
  ['POST', '/api/embed'],
  ['POST', '/api/show'],
  ['POST', '/api/pull'],
  ['POST', '/api/create'],
  ['DELETE', '/api/delete'],
  ['HEAD', '/api/blobs/sha256:abc'],
  ['POST', '/api/blobs/sha256:abc'],
  ['GET', '/v1/models'],
  ['GET', '/v1/models/m:1b'],
  ['POST', '/v1/chat/completions'],
  ['POST', '/v1/responses'],
  ['POST', '/v1/messages'],
  ['OPTIONS', '/api/chat'],
]
const METHODS: NotEmpty<string> = ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']
const TARGETS: NotEmpty<string> = [
  '//api/version',
  '/x/../api/version',
  '/%61pi/version',
  '/%zz',
  '/?a=[1]&b={2}|"',
  '/a#b',
  '/a;b:c@d',
  '*',
  'http://127.0.0.1/api/chat',
  'http://127.0.0.1:1/api/tags?x',
]
const EXTRAS: NotEmpty<string> = [
  'Expect: 100-continue',
  'Accept-Encoding: gzip',
  'X-Empty:',
  'x_y: under',
  'X-Twice: 1',
  'X-Twice: 2',
  'X-High: \xe9\xff',
  'X-Tab: a\tb',
  "!#$%&'*+-.^_`|~: 1",
  'Keep-Alive: timeout=5',
  'TE: trailers',
  'Proxy-Connection: keep-alive',
  'Cookie: a=b; c="d"',
  'Authorization: Bearer t',
  'Content-Type: application/json',
  'Content-Type: multipart/form-data; boundary=b',
  'Content-Encoding: gzip',
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
]

/** A valid request. @param last nothing follows it on its connection */
export function draftRequest(random: Random, id: string, last: boolean): Draft {
  const [method, target] = random.chance(0.8)
    ? random.pick(ROUTES)
    : [random.pick(METHODS), random.pick(random.chance(0.5) ? TARGETS : ['/api/tags'])]
  const withBody = ['POST', 'PUT', 'PATCH'].includes(method) || random.chance(0.2)
  const old = last && random.chance(0.06)
  const framing = !withBody ? 'none' : old || random.chance(0.5) ? 'length' : 'chunked'
  const content = withBody ? contentOf(random, id, framing === 'chunked' ? 0.2 : 0.05) : ''
  const trailers = framing === 'chunked' && random.chance(0.25) ? [`X-Sum: ${id}`, 'X-Other:'] : []
  const headers = [random.pick(random.chance(0.7) ? [HOST] : HOSTS), `X-Fuzz: ${id}`]
  if (random.chance(0.5)) headers.push(`X-Request-ID: ${random.chance(0.9) ? `fuzz-${id}` : 'not one, at all'}`)
  for (let count = random.below(4); count > 0; count--) headers.push(random.pick(EXTRAS))
  if (framing === 'length') headers.push(`Content-Length: ${content.length}`)
  if (framing === 'chunked')
    headers.push(
      random.pick(['Transfer-Encoding: chunked', 'transfer-encoding:Chunked ', 'Transfer-Encoding: CHUNKED']),
    )
  if (trailers.length > 0 && random.chance(0.5)) headers.push('Trailer: X-Sum')
  if (last && random.chance(0.3)) headers.push('Connection: close')
  else if (random.chance(0.2)) headers.push('Connection: keep-alive')
  else if (last && random.chance(0.1)) headers.push('Connection: Upgrade', 'Upgrade: h2c')
  const lines = random.chance(0.3) ? shuffled(random, headers) : headers
  const body = framing === 'chunked' ? inChunks(random, content, trailers) : [content]
  return {
    id,
    method,
    target,
    version: old ? ' HTTP/1.0' : ' HTTP/1.1',
    headers: lines,
    content,
    body,
    framing,
    behind: '',
  }
}

/** A request that may never be taken for one: it stands in a body. */
export function hidden(id: string): string {
  return `GET /inside/${id} HTTP/1.1\r\n${HOST}\r\nX-Fuzz: ${id}-inside\r\nX-Request-ID: inside-${id}\r\n\r\n`
}

function contentOf(random: Random, id: string, large: number): string {
  if (random.chance(0.05)) return ''
  if (random.chance(0.4)) return `${random.chance(0.5) ? '{}\r\n\r\n' : ''}${hidden(id)}`
  const filler = random.chance(large) ? random.below(60_000) : random.below(200)
  const prompt = `${id} ${'p'.repeat(filler)}`
  return JSON.stringify({ model: `m${random.below(3)}`, stream: random.chance(0.5), prompt })
}

function inChunks(random: Random, content: string, trailers: readonly string[]): string[] {
  const extension = random.chance(0.15) ? random.pick([';a', ';a=b', ';a="b;\\"c"', ';a;b=1']) : ''
  let from = 0
  const chunks = chunkEnds(random, content.length).map((end) => {
    const data = content.slice(from, end)
    from = end
    const size = data.length.toString(16)
    return `${random.chance(0.1) ? `000${size.toUpperCase()}` : size}${extension}\r\n${data}\r\n`
  })
  return [
    ...chunks,
    `${random.chance(0.1) ? '000' : '0'}${extension}\r\n`,
    ...trailers.map((line) => `${line}\r\n`),
    '\r\n',
  ]
}

/** Much is cut into many equal chunks: they come faster than the other side takes them. */
function chunkEnds(random: Random, length: number): number[] {
  if (length < 5000) return randomEnds(random, length)
  const size = random.pick([10, 40, 200, 4000])
  return Array.from({ length: Math.ceil(length / size) }, (_, index) => Math.min(length, (index + 1) * size))
}

function shuffled(random: Random, lines: readonly string[]): string[] {
  const left = [...lines]
  return lines.flatMap(() => left.splice(random.below(left.length), 1))
}

export function textOf({ method, target, version, headers, body, behind }: Draft): string {
  return `${[`${method} ${target}${version}`, ...headers].join('\r\n')}\r\n\r\n${body.join('')}${behind}`
}
