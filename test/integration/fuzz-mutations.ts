import type { Random } from '../helpers/random.ts'
import { hidden, HOST, type Draft } from './fuzz-draft.ts'

type NotEmpty<T> = readonly [T, ...T[]]
type Spoil = (random: Random, draft: Draft) => void

const CODINGS: NotEmpty<string> = [
  'chunked, identity', 'identity', 'identity, chunked', 'gzip, chunked', 'chunked, chunked', 'chunked,', ', chunked',
  ' chunked', '\tchunked', 'CHUNKED', 'cHuNkEd', 'chunked;q=1', 'xchunked', 'chunkedx', 'chunk', 'chun ked', '"chunked"',
  "'chunked'", '\x0bchunked', 'chunked\x0b', '\x0cchunked', 'chunked\x00', '\x00chunked', '\xa0chunked', 'chunked\xa0',
  'chunked\x7f', '', '\r\n chunked', 'chunked\r\n ', 'chunked\rX: y', 'chunked\nX: y',
] // prettier-ignore
const CODING_NAMES: NotEmpty<string> = [
  'Transfer-Encoding:', 'transfer-encoding:', 'Transfer-Encoding :', 'Transfer-Encoding\t:', ' Transfer-Encoding:',
  'Transfer_Encoding:', 'Transfer-Encoding', 'Transfer\xadEncoding:', 'Transfer-Encoding\x00:', '\x00Transfer-Encoding:',
  'X: y\nTransfer-Encoding:', 'X: y\rTransfer-Encoding:', 'X:\r\n\tTransfer-Encoding:', 'Transfer-Encoding::',
  'Tr\xe4nsfer-Encoding:', 'Content-Transfer-Encoding:', 'TransferEncoding:', '(Transfer-Encoding):',
] // prettier-ignore
const LENGTHS: NotEmpty<(length: number) => string> = [
  (length) => `${length}`,
  () => '0',
  (length) => `${length + 1}`,
  (length) => `${Math.max(0, length - 1)}`,
  (length) => `${length + 70}`,
  (length) => `${length >> 1}`,
  (length) => `-${length}`,
  (length) => `+${length}`,
  (length) => `00${length}`,
  (length) => `0x${length.toString(16)}`,
  (length) => `${length}, ${length}`,
  (length) => `${length},${length + 1}`,
  (length) => `${length} ${length}`,
  (length) => `${length}.0`,
  (length) => `${length}e0`,
  (length) => `${length};q=1`,
  (length) => `${length}_0`,
  (length) => `${length}\x00`,
  (length) => `\x0b${length}`,
  (length) => `${length}\xa0`,
  (length) => `${2n ** 64n + BigInt(length)}`,
  (length) => `${2n ** 32n + BigInt(length)}`,
  () => '9007199254740993',
  () => '99999999999999999999999999',
  () => '',
  () => ' ',
  () => 'chunked',
  (length) => `\r\n ${length}`,
]
const LENGTH_NAMES: NotEmpty<string> = [
  'Content-Length:', 'content-length:', 'CONTENT-LENGTH: ', 'Content-Length :', ' Content-Length:', 'Content_Length:',
  'Content-Length\x00:', 'X: y\nContent-Length:', 'X: y\rContent-Length:', 'Content-Length', 'Content\xadLength:',
  'Content-Length\t:', 'ContentLength:',
] // prettier-ignore
const HOSTS: NotEmpty<string> = [
  HOST, 'Host: localhost', 'host: elsewhere.invalid', 'Host:', 'Host: a b', 'Host: 127.0.0.1, x', 'Host: u@127.0.0.1',
  'Host: 127.0.0.1/x', 'Host: [::1', 'Host: 127.0.0.1:99999', 'Host: \xff', 'Host: \x01', 'Host : x', ' Host: x',
  'Host\x00: x', 'H\xf6st: x', 'X: y\nHost: x', 'Host:\r\n x', 'Host: 127.0.0.1\t', 'X_Host: x',
] // prettier-ignore
const LINES: NotEmpty<string> = [
  'X Y: 1', 'X\tY: 1', 'X_Y: 1', 'X\x01Y: 1', 'X\x7f: 1', 'X\xe4: 1', ': 1', ':', 'X', ' X: 1', '\tX: 1', ' ', '\t', 'X : 1',
  'X: a\x00b', 'X: a\x01b', 'X: a\x08b', 'X: a\x1bb', 'X: a\x7fb', 'X: 1\r\n folded', 'X: 1\r\n\tfolded', 'X: a\rb', 'X: a\nb',
  'X: a\r\rb', '"X": 1', 'X(: 1', 'X/Y: 1', 'X:Y: 1', 'X;Y: 1', '\xef\xbb\xbfX: 1', 'X: 1\r', 'X\r: 1', 'X:\x0b1', 'Expect: 200-ok',
  'Expect: 100-continue, x', 'Upgrade: websocket', 'HTTP/1.1 200 OK', 'GET /line HTTP/1.1', 'X-Request-ID: a\x01', 'X-Request-ID:',
  'X-Forwarded-For: 1.2.3.4', 'constructor: 1', '__proto__: 1', 'Trailer: Content-Length', 'Trailer: X-Sum', 'Date: x',
] // prettier-ignore
const CONNECTIONS: NotEmpty<string> = [
  'content-length', 'Transfer-Encoding', 'host', 'X-Request-ID', 'content-length, transfer-encoding, host', 'close, close',
  'Close', 'CLOSE', 'keep-alive, close', 'keep-alive', 'Keep-Alive', 'x-twice, cookie', 'x-empty', 'expect', 'trailer', 'connection',
  '', ',', ',,host,', 'closed', 'not-close', 'upgrade', 'Upgrade, HTTP2-Settings', '"close"', 'close;x', 'close\x00', 'te', 'a b',
] // prettier-ignore
const VERSIONS: NotEmpty<string> = [
  '', ' ', ' HTTP/0.9', ' HTTP/1.0', ' HTTP/1.2', ' HTTP/1.9', ' HTTP/2.0', ' HTTP/2', ' HTTP/3.0', ' HTTP/1.10', ' HTTP/01.1',
  ' HTTP/1,1', ' HTTP/11', ' HTTP/1.', ' HTTP/.1', ' http/1.1', ' Http/1.1', ' HTTP /1.1', ' HTTP/ 1.1', ' HTTP/1.1 ', '  HTTP/1.1',
  '\tHTTP/1.1', ' HTTP/1.1\t', ' HTTP/1.1x', ' HTTP/1.1\x00', ' RTSP/1.0', ' ICE/1.0', ' HTTPS/1.1', ' HTTP/-1.1', ' HTTP/1.1 HTTP/1.1',
  ' HTTP/1.1\r', ' x HTTP/1.1', '\x0bHTTP/1.1', '\xa0HTTP/1.1', '\0HTTP/1.1', ' HTTP/1.1\nHost: x',
] // prettier-ignore
const METHODS: NotEmpty<string> = [
  'get', 'Post', '', ' GET', '\tGET', 'GET ', 'GET\t', 'G ET', 'GET\x00', 'FOO', 'GE', 'GETT', 'POST\r', '\x00', '\x16\x03\x01', 'PRI',
  'M-SEARCH', 'CONNECT', 'SOURCE', 'DESCRIBE', 'SETUP', 'ANNOUNCE', 'LINK', 'PURGE', 'BIND', 'REPORT', 'G@T', 'G\xc9T', '\xef\xbb\xbfGET',
  'HTTP/1.1', '\r\nGET', '\nGET', '\rGET', '\r\n\r\n\r\nGET', ' \r\nGET',
] // prettier-ignore
const TARGETS: NotEmpty<string> = [
  '', 'api/tags', '/a b', '/a\tb', '/a\x00b', '/a\x01b', '/a\x7fb', '/a\xe9', '/\xc3\xa9', '/a\rb', '/a\nb', '/a\r\nX-Injected: 1\r\nX:',
  '*', '*a', '?a', '#', '/#a?b', 'http://', 'http:///', 'http://a b/', 'https://x/', 'ftp://x/', 'h:1', 'x:80', '127.0.0.1:80', '//x//', '\\',
  '/\\..\\', '/{}|^`"<>', '/%00', '/%0d%0aX:%201', '/a%', 'http://u:p@127.0.0.1/', 'http://[::1/', 'http://127.0.0.1:x/', '/é',
] // prettier-ignore
const SIZES: NotEmpty<(size: string) => string> = [
  (size) => `0x${size}`,
  (size) => `+${size}`,
  (size) => `-${size}`,
  (size) => ` ${size}`,
  (size) => `\t${size}`,
  (size) => `${size} `,
  (size) => `${size}\t`,
  (size) => `00000000000000000000${size}`,
  (size) => `1000000000000000${size.padStart(1, '0')}`,
  (size) => `FFFFFFFFFFFFFFF${size}`,
  (size) => `1${size}`,
  (size) => size.slice(0, -1),
  (size) => (Number.parseInt(size, 16) + 1).toString(16),
  (size) => Math.max(0, Number.parseInt(size, 16) - 1).toString(16),
  (size) => `${size}g`,
  (size) => `${size}.0`,
  (size) => `${size}_`,
  (size) => `${size}h`,
  (size) => `"${size}"`,
  (size) => `${size}\x00`,
  (size) => `${size},${size}`,
  (size) => `${size}\x0b`,
  () => '',
  () => '\r\n',
  (size) => `${size};`,
  (size) => `${size};;`,
  (size) => `${size};a=`,
  (size) => `${size};=b`,
  (size) => `${size};a="b`,
  (size) => `${size};a="b"c`,
  (size) => `${size};a=b c`,
  (size) => `${size};a\x00`,
  (size) => `${size};a\x01=b`,
  (size) => `${size};a\nb`,
  (size) => `${size};a\rb`,
  (size) => `${size};a="\r\n"`,
  (size) => `${size};${'x'.repeat(20_000)}`,
  (size) => `${size} ;a`,
  (size) => `${size}; a`,
  (size) => `${size};a =b`,
  (size) => `${size};a="\\\n"`,
  (size) => `${size};\xe4`,
]
const TRAILERS: NotEmpty<string> = [
  'Content-Length: 5', 'Content-Length: 99999', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity', 'Host: elsewhere.invalid',
  'Connection: close', 'Upgrade: h2c', 'X-Request-ID: trailer', 'X-Fuzz: trailer', 'Trailer: X', 'Expect: 100-continue', 'X : y', ' fold',
  'no colon', ': empty', 'X: a\x00b', 'X: a\nb', 'X: a\rb', 'X\x01: y', 'X: 1\r\n fold', 'X: \xff', '__proto__: 1', 'GET /trailer HTTP/1.1',
] // prettier-ignore
const ENDS: NotEmpty<string> = [
  '\n',
  '\r',
  '\r\r\n',
  '\n\r',
  '\r\n\r\n',
  '',
  '\r\x00\n',
  ' \r\n',
  '\x0b\r\n',
  '\x85',
  '\r\n\n',
]

function place(random: Random, draft: Draft, line: string): void {
  draft.headers.splice(random.below(draft.headers.length + 1), 0, line)
}

/** In place of the field where there is one, or beside it. */
function putField(random: Random, draft: Draft, name: RegExp, line: string): void {
  const at = draft.headers.findIndex((one) => name.test(one))
  if (at === -1 || random.chance(0.5)) place(random, draft, line)
  else draft.headers[at] = line
}

/** The n-th of all the places of a text, or the text as it is. */
function replaceOne(random: Random, text: string, what: string, by: string): string {
  const parts = text.split(what)
  if (parts.length === 1) return text
  const at = 1 + random.below(parts.length - 1)
  return parts.slice(0, at).join(what) + by + parts.slice(at).join(what)
}

function eachPart(draft: Draft, change: (text: string) => string, part: 'head' | 'body', random: Random): void {
  const list = part === 'head' ? draft.headers : draft.body
  const at = random.below(list.length)
  const text = list[at]
  if (text !== undefined) list[at] = change(text)
}

/** Bytes that stand where the length is not meant to reach. */
const coding: Spoil = (random, draft) => {
  const plain = random.chance(0.6)
  const name = plain ? 'Transfer-Encoding:' : random.pick(CODING_NAMES)
  const value = plain ? random.pick(CODINGS) : 'chunked'
  putField(random, draft, /^transfer-encoding/i, `${name} ${value}`)
}
const length: Spoil = (random, draft) => {
  const name = random.chance(0.7) ? 'Content-Length:' : random.pick(LENGTH_NAMES)
  const value = random.pick(LENGTHS)(draft.body.join('').length)
  putField(random, draft, /^content-length/i, `${name} ${value}`)
}

/** What may be wrong with a request, by name. */
const STRUCTURED = {
  coding,
  length,
  'both framings': (random, draft) => {
    length(random, draft)
    coding(random, draft)
  },
  'the same line twice': (random, draft) => {
    place(random, draft, random.pick([HOST, ...draft.headers]))
  },
  host: (random, draft) => putField(random, draft, /^host/i, random.pick(HOSTS)),
  'no host': (_, draft) => {
    draft.headers = draft.headers.filter((line) => !/^host/i.test(line))
  },
  line: (random, draft) => place(random, draft, random.pick(LINES)),
  connection: (random, draft) => place(random, draft, `Connection: ${random.pick(CONNECTIONS)}`),
  version: (random, draft) => {
    draft.version = random.pick(random.chance(0.3) ? [' HTTP/1.0'] : VERSIONS)
  },
  'coded otherwise': (random, draft) => {
    const line = random.pick(['gzip, chunked', 'identity, chunked', 'gzip', 'chunked\r\nTransfer-Encoding: chunked'])
    draft.headers = draft.headers.filter((one) => !/^(?:transfer-encoding|content-length):/i.test(one))
    place(random, draft, `Transfer-Encoding: ${line}`)
    const { content } = draft
    if (draft.framing !== 'chunked') draft.body = [`${content.length.toString(16)}\r\n${content}\r\n`, '0\r\n\r\n']
  },
  'chunked in HTTP/1.0': (random, draft) => {
    if (draft.framing !== 'chunked') return
    draft.version = ' HTTP/1.0'
    if (random.chance(0.5)) place(random, draft, 'Connection: keep-alive')
  },
  connect: (_, draft) => {
    draft.method = 'CONNECT'
  },
  method: (random, draft) => {
    draft.method = random.pick(METHODS)
  },
  target: (random, draft) => {
    draft.target = random.pick(TARGETS)
  },
  long: (random, draft) => {
    const size = random.pick([8000, 16_000, 64_000, 66_000, 90_000])
    const where = random.below(5)
    if (where === 0) draft.target += 'a'.repeat(size)
    else if (where === 1) draft.method += 'A'.repeat(size)
    else if (where === 2) place(random, draft, `X-${'n'.repeat(size)}: 1`)
    else if (where === 3) place(random, draft, `X: ${random.pick(['v', ' ', ','])}`.padEnd(size, 'v'))
    else place(random, draft, `Connection: ${'a,'.repeat(size / 4)}`)
  },
  'many lines': (random, draft) => {
    const count = random.pick([900, 1990, 2000, 2001, 2100, 5000])
    draft.headers.splice(random.below(draft.headers.length), 0, ...Array.from({ length: count }, (_, n) => `a${n}:`))
  },
  'chunk size': (random, draft) => {
    if (draft.framing !== 'chunked') return
    const spell = random.pick(SIZES)
    eachPart(draft, (text) => text.replace(/^[0-9a-f]+/i, (size) => spell(size)), 'body', random)
  },
  'chunk end': (random, draft) => {
    eachPart(draft, (text) => text.replace(/\r\n$/, () => random.pick(ENDS)), 'body', random)
  },
  'more in a chunk': (random, draft) => {
    if (draft.framing !== 'chunked') return
    eachPart(
      draft,
      (text) => text.replace(/\r\n$/, () => `${random.pick(['x', '\r\n', hidden(draft.id)])}\r\n`),
      'body',
      random,
    )
  },
  'no last chunk': (_, draft) => {
    if (draft.framing === 'chunked') draft.body = draft.body.filter((text) => !/^0+[;\r ]/.test(text))
  },
  trailer: (random, draft) => {
    if (draft.framing === 'chunked') draft.body.splice(-1, 0, `${random.pick(TRAILERS)}\r\n`)
  },
  'body cut': (random, draft) => {
    const whole = draft.body.join('')
    draft.body = [whole.slice(0, random.below(whole.length + 1))]
  },
  'more behind': (random, draft) => {
    draft.behind = random.pick([
      hidden(draft.id).replace('/inside', '/behind'),
      '\r\n',
      '\r\n\r\n\r\n',
      '\n',
      'x',
      '0\r\n\r\n',
      '{}',
      ' ',
      '\x00',
      'GET ',
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ])
  },
  'only hello': (random, draft) => {
    draft.version = ''
    draft.headers = []
    draft.body = []
    draft.behind = random.pick(['', hidden(draft.id).replace('/inside', '/behind')])
  },
} satisfies Record<string, Spoil>

/** Where bytes of a body may rightly become a request: its length was shortened, or its chunks. */
const NOT_EXPOSING = ['host', 'connection', 'trailer', 'long', 'many lines', 'no host']

const BYTES = '\0\t\n\r \v\f\x7f\x80\xff:;,"%0159aA-_+xX/'

/** What may happen to the bytes of a whole connection. */
const BYTEWISE = {
  'line end': (random, text) => replaceOne(random, text, '\r\n', random.pick(ENDS)),
  'byte changed': (random, text) => {
    const at = random.below(text.length)
    return text.slice(0, at) + anyByte(random) + text.slice(at + 1)
  },
  'byte inserted': (random, text) => {
    const at = random.below(text.length)
    return text.slice(0, at) + anyByte(random) + text.slice(at)
  },
  'bytes gone': (random, text) => {
    const at = random.below(text.length)
    return text.slice(0, at) + text.slice(at + 1 + random.below(5))
  },
  'bytes twice': (random, text) => {
    const at = random.below(text.length)
    const end = at + random.below(random.chance(0.5) ? 20 : 400)
    return text.slice(0, end) + text.slice(at)
  },
  cut: (random, text) => text.slice(0, random.below(text.length)),
  noise: (random, text) => {
    const noise = Array.from({ length: 1 + random.below(60) }, () => String.fromCharCode(random.below(256))).join('')
    return random.pick([noise + text, text + noise, noise])
  },
  preface: (random, text) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${random.chance(0.5) ? text : ''}`,
} satisfies Record<string, (random: Random, text: string) => string>

function anyByte(random: Random): string {
  return random.chance(0.7) ? (BYTES[random.below(BYTES.length)] ?? '') : String.fromCharCode(random.below(256))
}

interface Named<T> {
  readonly name: string
  readonly apply: T
}

function named<T>(spoils: Record<string, T>): NotEmpty<Named<T>> {
  const [first, ...rest] = Object.entries(spoils).map(([name, apply]) => ({ name, apply }))
  if (first === undefined) throw new Error('nothing to choose from')
  return [first, ...rest]
}

export const structured = named<Spoil>(STRUCTURED)
export const bytewise = named<(random: Random, text: string) => string>(BYTEWISE)

/** Whether what it does may let bytes of a body rightly become a request of their own. */
export function mayExpose(name: string): boolean {
  return !NOT_EXPOSING.includes(name)
}
