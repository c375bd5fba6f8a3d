const LF = 0x0a
const DASH = 0x2d
const EMPTY = Buffer.alloc(0)

/** A longer value is not told. */
export const MAX_FIELD_BYTES = 4 * 1024
/** A part whose headers are longer is passed over. */
export const MAX_PART_HEADER_BYTES = 16 * 1024
/** Go refuses a form of more, so nothing more is told. */
export const MAX_PARTS = 1000
/** The blanks that may stand between a boundary and the end of its line, and that end. */
const MAX_PADDING_BYTES = 256

/** RFC 2046, 5.1.1: 1 to 70 of these, the last no space. */
const BOUNDARY = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const PARAMETER = new RegExp(
  `[ \\t]*;[ \\t]*(?:(${TOKEN})[ \\t]*=[ \\t]*(?:(${TOKEN})|"((?:[^"\\\\]|\\\\[^])*)"))?`,
  'y',
)
const HEADER = new RegExp(`^(${TOKEN}):([^\\r\\n]*)$`)

/** The boundary that a `Content-Type` names; `undefined` where it is no `multipart/form-data`, or a broken one. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  const boundary = parametersOf(contentType ?? '', 'multipart/form-data')?.get('boundary')
  return boundary !== undefined && BOUNDARY.test(boundary) ? boundary : undefined
}

/** What the reader is in. Plain constants, since `erasableSyntaxOnly` has no enums. */
const DATA = 0
const DELIMITER_LINE = 1
const HEADERS = 2
const DONE = 3

/** A delimiter that may not be one, since the bytes that decide it are still to come. */
const UNDECIDED = -1

/**
 * Reads form fields out of a `multipart/form-data` body that arrives in pieces, in whatever part they stand. All other
 * data is searched for its end and not kept, so memory is bounded. Never throws: behind a place that is no multipart
 * nothing more is told. It takes what Go's `mime/multipart`, which reads the body next, takes for a delimiter.
 */
export class MultipartReader {
  readonly #boundary: string
  readonly #onField: (name: string, value: string) => void
  readonly #wanted: readonly string[]
  /** What stands before the first boundary is data too, of no part. */
  #state = DATA
  #parts = 0
  /** The line end of this body: CRLF, or LF where the first boundary's line ends so. A delimiter begins with it. */
  #lineEnd = '\n'
  #delimiter: Buffer
  /** What is not read yet. It begins with a line end that is not there, since the first boundary needs none. */
  #bytes: Buffer = Buffer.from('\n')
  #at = 0
  /** Of the wanted field that is being read; `undefined` in any other part. */
  #name: string | undefined
  /** The line end before the value, and the value. */
  readonly #value = Buffer.alloc(2 + MAX_FIELD_BYTES)
  #valueLength = 0

  /** @param onField is called when a wanted field's end was seen, in the order of the body; a name can come again. */
  constructor(boundary: string, onField: (name: string, value: string) => void, wanted: readonly string[]) {
    this.#boundary = boundary
    this.#onField = onField
    this.#wanted = wanted
    this.#delimiter = Buffer.from(`\n--${boundary}`)
  }

  push(bytes: Buffer): void {
    if (this.#state === DONE) return
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
    this.#at = 0
    while (this.#step());
    // A copy: the piece can be large, and what is left of it is little.
    this.#bytes = this.#state === DONE ? EMPTY : Buffer.from(this.#bytes.subarray(this.#at))
  }

  /** False where it takes more bytes to go on, or nothing more is wanted. */
  #step(): boolean {
    if (this.#state === DELIMITER_LINE) return this.#delimiterLine()
    if (this.#state === HEADERS) return this.#headers()
    return this.#state === DONE ? false : this.#data()
  }

  #data(): boolean {
    const bytes = this.#bytes
    for (let from = this.#at; ;) {
      const found = bytes.indexOf(this.#delimiter, from)
      if (found === -1) return this.#keep(this.#tailFrom(from))
      from = found + this.#delimiter.length
      const end = delimiterEnd(bytes, from)
      if (end === UNDECIDED) return this.#keep(found)
      if (end === undefined) continue
      this.#keep(found)
      this.#tell()
      this.#at = from
      this.#state = end === DASH ? DONE : DELIMITER_LINE
      return true
    }
  }

  /** The data goes on up to there. */
  #keep(end: number): false {
    const start = this.#at
    this.#at = end
    if (this.#name === undefined) return false
    if (this.#valueLength + end - start > this.#lineEnd.length + MAX_FIELD_BYTES) this.#name = undefined
    else this.#valueLength += this.#bytes.copy(this.#value, this.#valueLength, start, end)
    return false
  }

  #tell(): void {
    if (this.#name === undefined) return
    // An empty value's line end is the delimiter's own.
    this.#onField(this.#name, this.#value.toString('utf8', this.#lineEnd.length, this.#valueLength))
    this.#name = undefined
  }

  /** Where the last bytes may be the first of a delimiter: those wait for more. */
  #tailFrom(from: number): number {
    const bytes = this.#bytes
    const tail = Math.max(from, bytes.length - this.#delimiter.length + 1)
    // A delimiter has its first byte only once, so it can only begin at the last of them.
    const start = tail + bytes.subarray(tail).lastIndexOf(this.#lineEnd.charCodeAt(0))
    if (start < tail) return bytes.length
    return this.#delimiter.subarray(0, bytes.length - start).equals(bytes.subarray(start)) ? start : bytes.length
  }

  #delimiterLine(): boolean {
    const bytes = this.#bytes.subarray(this.#at, this.#at + MAX_PADDING_BYTES)
    const end = bytes.indexOf(LF)
    if (end === -1 && bytes.length < MAX_PADDING_BYTES) return false
    const lineEnd = /^[ \t]*(\r?\n)$/.exec(bytes.toString('latin1', 0, end + 1))?.[1]
    if (lineEnd === undefined || (this.#parts > 0 && lineEnd !== this.#lineEnd)) {
      this.#state = this.#parts > 0 ? DONE : DATA
      return true
    }
    this.#parts++
    this.#lineEnd = lineEnd
    this.#delimiter = Buffer.from(`${lineEnd}--${this.#boundary}`)
    this.#at += end + 1 - lineEnd.length
    this.#state = this.#parts > MAX_PARTS ? DONE : HEADERS
    return true
  }

  /** From the end of the boundary's line to the empty line, whose end stays: it can be the delimiter's. */
  #headers(): boolean {
    const bytes = this.#bytes.subarray(this.#at, this.#at + MAX_PART_HEADER_BYTES)
    const end = bytes.indexOf(this.#lineEnd + this.#lineEnd)
    if (end === -1 && bytes.length < MAX_PART_HEADER_BYTES) return false
    this.#at += end === -1 ? bytes.length : end + this.#lineEnd.length
    this.#state = DATA
    const name = end === -1 ? undefined : fieldNameOf(bytes.toString('utf8', 0, end), this.#lineEnd)
    if (name === undefined || !this.#wanted.includes(name)) return true
    this.#name = name
    this.#valueLength = 0
    return true
  }
}

/** The byte that ends the delimiter before it; `undefined` where it was none, but a longer word: `--ab` for `--a`. */
function delimiterEnd(bytes: Buffer, at: number): number | undefined {
  const next = bytes[at]
  if (next === undefined) return UNDECIDED
  if (next === DASH) return at + 1 === bytes.length ? UNDECIDED : bytes[at + 1] === DASH ? DASH : undefined
  return next === LF || next === 0x0d || next === 0x20 || next === 0x09 ? next : undefined
}

/** The name of the form field that a part with these headers is; `undefined` for a file, or what is no headers. */
function fieldNameOf(headers: string, lineEnd: string): string | undefined {
  let disposition: string | undefined
  const unfolded = headers.replace(/\r?\n[ \t]+/g, ' ')
  for (const line of unfolded.split(lineEnd).slice(1)) {
    const [, name, value] = HEADER.exec(line) ?? []
    if (name === undefined) return undefined
    if (name.toLowerCase() === 'content-disposition') disposition ??= value
  }
  const parameters = parametersOf(disposition ?? '', 'form-data')
  // An extended notation (RFC 2231) of the file's name ends in a star.
  for (const name of parameters?.keys() ?? []) if (/^filename(\*|$)/.test(name)) return undefined
  return parameters?.get('name')
}

/** The parameters by their lower-case names; `undefined` where the text is of another type, or broken. */
function parametersOf(text: string, type: string): Map<string, string> | undefined {
  const found = /^[ \t]*([^\s;]+)/.exec(text)
  if (found?.[1]?.toLowerCase() !== type) return undefined
  const parameters = new Map<string, string>()
  const end = text.trimEnd().length
  for (let at = found[0].length; at < end; at = PARAMETER.lastIndex) {
    PARAMETER.lastIndex = at
    const [whole, key, token, quoted] = PARAMETER.exec(text) ?? []
    if (whole === undefined) return undefined
    if (key === undefined) continue
    const name = key.toLowerCase()
    if (parameters.has(name)) return undefined
    parameters.set(name, token ?? quoted?.replace(/\\([^])/g, '$1') ?? '')
  }
  return parameters
}
