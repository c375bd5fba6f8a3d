/** Strict readers of HTTP/1 messages, written after RFC 9112 and after no parser: what two could read differently is broken. */
export type Field = readonly [name: string, value: string]

interface Content {
  readonly fields: readonly Field[]
  readonly framing: Framing['kind']
  /** What came of it, its chunks taken off. */
  readonly body: Buffer
  readonly trailers: readonly Field[]
}

export interface WireRequest extends Content {
  readonly method: string
  readonly target: string
  readonly version: '1.0' | '1.1'
}

export interface WireResponse extends Content {
  readonly status: number
}

/** `partial`: more has to come. The message is there as soon as its head is whole. */
export type Reading<T> =
  | { readonly kind: 'whole'; readonly message: T; readonly end: number }
  | { readonly kind: 'partial' | 'broken'; readonly why: string; readonly message: T | undefined }

type Framing = { readonly kind: 'none' | 'chunked' | 'close' } | { readonly kind: 'length'; readonly length: number }

const TCHAR = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]"
const REQUEST_LINE = new RegExp(`^(${TCHAR}+) +([!-~]+) +(?:HTTP|RTSP|ICE)/(1\\.[01])$`)
const OTHER_LINE = new RegExp(`^${TCHAR}+ +[!-~]+(?: +HTTP/\\d\\.\\d)?$`)
const STATUS_LINE = /^HTTP\/1\.1 ([1-9]\d\d) [\t -~\x80-\xff]*$/
const FIELD = new RegExp(`^(${TCHAR}+):([\\t -~\\x80-\\xff]*)$`)
const QUOTED = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"'
/** As Node's parser takes them: without blanks, which it refuses; a name or a value may be missing. */
const EXTENSION = `;${TCHAR}*(?:=${TCHAR}*(?:${QUOTED})?)?`
const CHUNK_LINE = new RegExp(`^([0-9a-fA-F]+)(?:${EXTENSION})*$`)

class Stop extends Error {
  readonly kind: 'partial' | 'broken'

  constructor(kind: 'partial' | 'broken', why: string) {
    super(why)
    this.kind = kind
  }
}

class Cursor {
  readonly #bytes: Buffer
  at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  skipLineEnds(): void {
    while (this.#bytes[this.at] === 0x0d || this.#bytes[this.at] === 0x0a) this.at++
  }

  /** Up to the CRLF, which is taken too. */
  line(): string {
    const end = this.#bytes.indexOf('\n', this.at)
    if (end === -1) throw new Stop('partial', 'a line without an end')
    const text = this.#bytes.toString('latin1', this.at, end)
    if (!text.endsWith('\r') || text.indexOf('\r') < text.length - 1) throw new Stop('broken', 'a bare CR or LF')
    this.at = end + 1
    return text.slice(0, -1)
  }

  /** Takes what there is of so many bytes. */
  take(length: number, into: Buffer[]): void {
    const piece = this.#bytes.subarray(this.at, this.at + length)
    into.push(piece)
    this.at += piece.length
    if (piece.length < length) throw new Stop('partial', 'a body without an end')
  }
}

/**
 * Four liberties are taken, since they hurt nobody: line ends in front of a request (RFC 9112, section 2.2), more than
 * one space between the parts of its first line (section 3), odd extensions of a chunk, and the names of two
 * other protocols, which Node's parser takes for HTTP's.
 */
export function readRequest(bytes: Buffer, from = 0): Reading<WireRequest> {
  const cursor = new Cursor(bytes, from)
  cursor.skipLineEnds()
  return read(cursor, false, () => {
    const line = cursor.line()
    const [, method, target, version] = REQUEST_LINE.exec(line) ?? []
    if (!REQUEST_LINE.test(line) && !OTHER_LINE.test(line)) throw new Stop('broken', 'no request line')
    const fields = readFields(cursor)
    if (method === undefined || target === undefined || (version !== '1.0' && version !== '1.1'))
      throw new Stop('broken', 'another version')
    const framing: Framing = (method === 'CONNECT' ? undefined : framingOf(fields)) ?? { kind: 'none' }
    if (framing.kind === 'chunked' && version === '1.0') throw new Stop('broken', 'Transfer-Encoding in HTTP/1.0')
    return { head: { method, target, version, fields }, framing }
  })
}

/** @param ended the connection is over: the body may be all that came */
export function readResponse(bytes: Buffer, from: number, method: string, ended: boolean): Reading<WireResponse> {
  const cursor = new Cursor(bytes, from)
  return read(cursor, ended, () => {
    const status = Number(STATUS_LINE.exec(cursor.line())?.[1])
    if (Number.isNaN(status)) throw new Stop('broken', 'no status line')
    const fields = readFields(cursor)
    const framing = framingOf(fields) ?? { kind: 'close' }
    const bodyless = method === 'HEAD' || status < 200 || status === 204 || status === 304
    return { head: { status, fields }, framing: bodyless ? { kind: 'none' } : framing }
  })
}

function read<H extends object>(
  cursor: Cursor,
  ended: boolean,
  readHead: () => { readonly head: H; readonly framing: Framing },
): Reading<H & Omit<Content, 'fields'>> {
  const parts: Buffer[] = []
  const trailers: Field[] = []
  let read: ReturnType<typeof readHead> | undefined
  const message = ({ head, framing }: ReturnType<typeof readHead>) => ({
    ...head,
    framing: framing.kind,
    body: Buffer.concat(parts),
    trailers,
  })
  try {
    read = readHead()
    readBody(cursor, read.framing, ended, parts, trailers)
    return { kind: 'whole', message: message(read), end: cursor.at }
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    return { kind: error.kind, why: error.message, message: read && message(read) }
  }
}

function readFields(cursor: Cursor): Field[] {
  const fields: Field[] = []
  for (let line = cursor.line(); line !== ''; line = cursor.line()) {
    const [, name, value] = FIELD.exec(line) ?? []
    if (name === undefined || value === undefined) throw new Stop('broken', `no field: ${line.slice(0, 80)}`)
    fields.push([name, value.replaceAll(/^[\t ]+|[\t ]+$/g, '')])
  }
  return fields
}

export function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
}

/** The members of a field that is a list, in lower case. */
export function listOf(fields: readonly Field[], name: string): string[] {
  return valuesOf(fields, name)
    .flatMap((value) => value.toLowerCase().split(','))
    .map((member) => member.replaceAll(/^[\t ]+|[\t ]+$/g, ''))
}

/** RFC 9112, section 6.3. `undefined` where nothing is said. */
function framingOf(fields: readonly Field[]): Framing | undefined {
  const codings = valuesOf(fields, 'transfer-encoding')
  const lengths = valuesOf(fields, 'content-length')
  if (codings.length + lengths.length > 1) throw new Stop('broken', 'framed twice')
  const [coding] = codings
  const [length] = lengths
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') throw new Stop('broken', `coded ${coding}`)
  if (coding !== undefined) return { kind: 'chunked' }
  if (length === undefined) return undefined
  if (!/^\d+$/.test(length)) throw new Stop('broken', `a length of ${length}`)
  return { kind: 'length', length: Number(length) }
}

function readBody(cursor: Cursor, framing: Framing, ended: boolean, parts: Buffer[], trailers: Field[]): void {
  if (framing.kind === 'length') cursor.take(framing.length, parts)
  else if (framing.kind === 'chunked') readChunks(cursor, parts, trailers)
  else if (framing.kind === 'close') {
    try {
      cursor.take(Infinity, parts)
    } catch (error) {
      if (!ended) throw error
    }
  }
}

function readChunks(cursor: Cursor, parts: Buffer[], trailers: Field[]): void {
  for (;;) {
    const line = cursor.line()
    const digits = CHUNK_LINE.exec(line)?.[1]
    if (digits === undefined) throw new Stop('broken', `no chunk: ${line.slice(0, 80)}`)
    const size = Number.parseInt(digits, 16)
    if (size === 0) break
    cursor.take(size, parts)
    const rest: Buffer[] = []
    cursor.take(2, rest)
    if (rest[0]?.toString('latin1') !== '\r\n') throw new Stop('broken', 'a chunk longer than its size')
  }
  trailers.push(...readFields(cursor))
  if (framingOf(trailers) !== undefined) throw new Stop('broken', 'framed again by a trailer')
}
