import { decodeLiteral, foldCase, isNumeral, longNumber, unescape, type JsonValue } from './json-value.ts'
import { ELEMENTS, type PathNode } from './paths.ts'

export type OnValue = (path: string, value: JsonValue) => void

/** A longer string is given cut to this many bytes of its JSON text: enough to know it, never the whole of a prompt. */
export const MAX_STRING_BYTES = 2048
/** A longer key is cut, and none of the wanted ones: they would be shorter were all of their characters escaped. */
const MAX_KEY_BYTES = 256
/** A longer number is told as one that is not known. */
const MAX_LITERAL_BYTES = 64

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const COLON = 0x3a
const COMMA = 0x2c

/** What the scanner expects next. Plain constants, since `erasableSyntaxOnly` has no enums. */
const VALUE = 0
const FIRST_KEY = 1
const KEY = 2
const IN_KEY = 3
const AFTER_KEY = 4
const IN_STRING = 5
const IN_LITERAL = 6
const AFTER_VALUE = 7
const SKIP = 8
const SKIP_STRING = 9
const DONE = 10
const FAILED = 11
const FIRST_ELEMENT = 12

interface Level {
  readonly isArray: boolean
  readonly node: PathNode
}

/**
 * Reads one JSON object that arrives in pieces, and tells the values at the wanted places as they pass.
 *
 * Nothing is buffered but a key or a wanted short value that straddles two pieces, so memory is bounded whatever the
 * text is. It is lenient where nothing is wanted (a skipped part is only balanced, not validated) and never throws: a
 * text that is no JSON object ends as `failed`.
 */
export class JsonScanner {
  readonly #root: PathNode
  readonly #onValue: OnValue
  readonly #foldCase: boolean
  #state = VALUE
  #levels: Level[] = []
  /** The place of the value that is being read, if that place is on the way to a wanted one. */
  #node: PathNode | undefined
  #text = ''
  /** True where the last byte seen was a backslash that escapes the byte to come. */
  #escape = false
  #skipDepth = 0

  /** @param foldCase keys are compared without case, as Go's decoder in Ollama compares those of a request. */
  constructor(root: PathNode, onValue: OnValue, foldCase = false) {
    this.#root = root
    this.#onValue = onValue
    this.#foldCase = foldCase
  }

  /** The object was read to its closing brace. */
  get complete(): boolean {
    return this.#state === DONE
  }

  /** The text is not a JSON object, or not JSON. */
  get failed(): boolean {
    return this.#state === FAILED
  }

  /** Ready for another object. */
  reset(): void {
    this.#state = VALUE
    this.#levels = []
    this.#node = undefined
    this.#escape = false
    this.#skipDepth = 0
  }

  push(bytes: Buffer, start = 0, end = bytes.length): void {
    let at = start
    while (at < end) {
      switch (this.#state) {
        case IN_KEY:
        case IN_STRING:
          at = this.#readString(bytes, at, end)
          break
        case SKIP:
          at = this.#skip(bytes, at, end)
          break
        case SKIP_STRING:
          at = this.#skipString(bytes, at, end)
          break
        case IN_LITERAL:
          at = this.#readLiteral(bytes, at, end)
          break
        case FAILED:
          return
        default:
          this.#structure(bytes[at] ?? 0)
          at++
      }
    }
  }

  #structure(byte: number): void {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return
    switch (this.#state) {
      case FIRST_ELEMENT:
        if (byte === CLOSE_ARRAY) this.#close(true)
        else this.#beginValue(byte)
        return
      case VALUE:
        this.#beginValue(byte)
        return
      case FIRST_KEY:
        if (byte === CLOSE_OBJECT) this.#close(false)
        else this.#beginKey(byte)
        return
      case KEY:
        this.#beginKey(byte)
        return
      case AFTER_KEY:
        this.#state = byte === COLON ? VALUE : FAILED
        return
      case AFTER_VALUE:
        if (byte === COMMA) this.#nextMember()
        else if (byte === CLOSE_OBJECT) this.#close(false)
        else if (byte === CLOSE_ARRAY) this.#close(true)
        else this.#state = FAILED
        return
      default:
        this.#state = FAILED // anything but white space after the end
    }
  }

  #beginKey(byte: number): void {
    this.#text = ''
    this.#state = byte === QUOTE ? IN_KEY : FAILED
  }

  #beginValue(byte: number): void {
    if (this.#levels.length === 0) {
      if (byte === OPEN_OBJECT) this.#open(this.#root, false)
      else this.#state = FAILED
      return
    }
    const node = this.#node
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (node?.path !== undefined) this.#onValue(node.path, undefined)
      if (node !== undefined && node.children.size > 0) this.#open(node, byte === OPEN_ARRAY)
      else {
        this.#skipDepth = 1
        this.#state = SKIP
      }
    } else if (byte === QUOTE) {
      this.#text = ''
      this.#state = node?.path === undefined ? SKIP_STRING : IN_STRING
    } else if (byte === COMMA || byte === COLON || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      this.#state = FAILED
    } else {
      this.#text = String.fromCharCode(byte)
      this.#state = IN_LITERAL
    }
  }

  #open(node: PathNode, isArray: boolean): void {
    this.#levels.push({ isArray, node })
    this.#node = isArray ? node.children.get(ELEMENTS) : undefined
    this.#state = isArray ? FIRST_ELEMENT : FIRST_KEY
  }

  #close(isArray: boolean): void {
    const level = this.#levels.pop()
    if (level?.isArray !== isArray) this.#state = FAILED
    else this.#state = this.#levels.length === 0 ? DONE : AFTER_VALUE
  }

  #nextMember(): void {
    const level = this.#levels.at(-1)
    if (level?.isArray) {
      this.#node = level.node.children.get(ELEMENTS)
      this.#state = VALUE
    } else {
      this.#state = KEY
    }
  }

  #readString(bytes: Buffer, start: number, end: number): number {
    const isKey = this.#state === IN_KEY
    const limit = isKey ? MAX_KEY_BYTES : MAX_STRING_BYTES
    const close = this.#findQuote(bytes, start, end)
    const stop = Math.min(close === -1 ? end : close, start + limit - this.#text.length)
    if (close !== -1 && this.#text === '') {
      this.#endString(isKey, bytes.toString('utf8', start, stop)) // the usual case: it lies in this piece
      return close + 1
    }
    if (stop > start) this.#text += bytes.toString('latin1', start, stop)
    if (close === -1) return end
    this.#endString(isKey, Buffer.from(this.#text, 'latin1').toString('utf8'))
    return close + 1
  }

  #endString(isKey: boolean, raw: string): void {
    const text = unescape(raw)
    if (isKey) {
      const key = this.#foldCase ? foldCase(text) : text
      this.#node = key === ELEMENTS ? undefined : this.#levels.at(-1)?.node.children.get(key)
      this.#state = AFTER_KEY
    } else {
      this.#tell(text)
    }
  }

  #tell(value: JsonValue): void {
    if (this.#node?.path !== undefined) this.#onValue(this.#node.path, value)
    this.#state = AFTER_VALUE
  }

  /** The index of the quote that ends the string, or -1 where the piece ends first. */
  #findQuote(bytes: Buffer, start: number, end: number): number {
    let at = start
    if (this.#escape) {
      this.#escape = false
      at++
    }
    for (;;) {
      // A native search: a prompt with an image in it is megabytes long and has no quote and no backslash.
      const quote = bytes.indexOf(QUOTE, at)
      const stop = quote === -1 || quote >= end ? end : quote
      let backslashes = 0
      while (stop - 1 - backslashes >= at && bytes[stop - 1 - backslashes] === BACKSLASH) backslashes++
      if (stop === end) {
        this.#escape = backslashes % 2 === 1
        return -1
      }
      if (backslashes % 2 === 0) return quote
      at = quote + 1
    }
  }

  #skipString(bytes: Buffer, start: number, end: number): number {
    const close = this.#findQuote(bytes, start, end)
    if (close === -1) return end
    this.#state = this.#skipDepth > 0 ? SKIP : AFTER_VALUE
    return close + 1
  }

  #skip(bytes: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = bytes[at]
      if (byte === QUOTE) {
        this.#state = SKIP_STRING
        return at + 1
      }
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#skipDepth++
      else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --this.#skipDepth === 0) {
        this.#state = AFTER_VALUE
        return at + 1
      }
    }
    return end
  }

  #readLiteral(bytes: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = bytes[at] ?? 0
      if (byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || byte <= 0x20) {
        const value = this.#text.length > MAX_LITERAL_BYTES ? longNumber(this.#text) : decodeLiteral(this.#text)
        if (value === undefined) this.#state = FAILED
        else this.#tell(value)
        return at
      }
      if (this.#text.length <= MAX_LITERAL_BYTES) this.#text += String.fromCharCode(byte)
      else if (!isNumeral(byte)) {
        this.#state = FAILED
        return end
      }
    }
    return end
  }
}
