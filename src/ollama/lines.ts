const LF = 0x0a
const CR = 0x0d

/** A line that is longer than this is given in pieces, so that a reader's memory stays bounded. */
export const MAX_LINE_BYTES = 64 * 1024

export interface LineSink {
  /** A whole line, without its end, lying in `bytes` from `start` to `end`; `bytes` is not changed afterwards. */
  line(bytes: Buffer, start: number, end: number): void
  /** The next part of a line that is longer than MAX_LINE_BYTES; the first part is longer already. */
  longLine(bytes: Buffer, start: number, end: number): void
  /** The long line is over. */
  longLineEnd(): void
}

/** Cuts a byte stream that arrives in arbitrary pieces into lines, for `\n` and `\r\n`. */
export class LineReader {
  readonly #sink: LineSink
  #parts: Buffer[] = []
  #size = 0
  #long = false

  constructor(sink: LineSink) {
    this.#sink = sink
  }

  push(bytes: Buffer): void {
    let start = 0
    for (;;) {
      const end = bytes.indexOf(LF, start)
      if (end === -1) break
      if (this.#long) this.#endLong(bytes, start, end)
      else if (this.#size > 0) this.#join(bytes, start, end)
      else this.#sink.line(bytes, start, withoutCr(bytes, start, end))
      start = end + 1
    }
    if (start < bytes.length) this.#keep(bytes, start)
  }

  /** The stream is over: what follows the last line end is given as a line of its own. */
  end(): void {
    if (this.#long) this.#endLong(Buffer.alloc(0), 0, 0)
    else if (this.#size > 0) this.#join(Buffer.alloc(0), 0, 0)
  }

  #keep(bytes: Buffer, start: number): void {
    if (this.#long) {
      this.#sink.longLine(bytes, start, bytes.length)
      return
    }
    this.#parts.push(start === 0 ? bytes : bytes.subarray(start))
    this.#size += bytes.length - start
    if (this.#size <= MAX_LINE_BYTES) return
    this.#long = true
    // In one piece: who takes it tells by how it begins what it is.
    const line = Buffer.concat(this.#parts)
    this.#parts = []
    this.#size = 0
    this.#sink.longLine(line, 0, line.length)
  }

  #join(bytes: Buffer, start: number, end: number): void {
    this.#parts.push(bytes.subarray(start, end))
    const line = Buffer.concat(this.#parts)
    this.#parts = []
    this.#size = 0
    this.#sink.line(line, 0, withoutCr(line, 0, line.length))
  }

  #endLong(bytes: Buffer, start: number, end: number): void {
    this.#long = false
    if (end > start) this.#sink.longLine(bytes, start, end)
    this.#sink.longLineEnd()
  }
}

function withoutCr(bytes: Buffer, start: number, end: number): number {
  return end > start && bytes[end - 1] === CR ? end - 1 : end
}
