import { LineReader, MAX_LINE_BYTES, type LineSink } from './lines.ts'
import type { RecordReader, RecordSink } from './records.ts'

const DATA = Buffer.from('data:')
const DONE = Buffer.from('[DONE]')
const BYTE_ORDER_MARK = Buffer.from('\ufeff')
const SPACE = 0x20
const LF = Buffer.from('\n')

/**
 * Server-sent events, as `/v1` streams them: a record an event, made of its `data` lines. Other fields are ignored,
 * and so is an event that no empty line ends.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export function createSseReader(sink: RecordSink): RecordReader {
  return new LineReader(new SseLines(sink))
}

class SseLines implements LineSink {
  readonly #sink: RecordSink
  /** The first data line of the event under way. */
  #data: Buffer | undefined
  #start = 0
  #end = 0
  /** Its further lines, copied, each behind the line end that joins it. */
  #more: Buffer[] = []
  #size = 0
  /** The event is too long to be kept: its data are passed on as they come. */
  #long = false
  /** What the long line under way is: `undefined` outside of one. */
  #longIsData: boolean | undefined
  #atStart = true

  constructor(sink: RecordSink) {
    this.#sink = sink
  }

  line(bytes: Buffer, start: number, end: number): void {
    const from = this.#behindMark(bytes, start, end)
    if (end === from) this.#dispatch()
    else if (startsWith(bytes, from, end, DATA)) this.#take(bytes, valueStart(bytes, from, end), end)
  }

  longLine(bytes: Buffer, start: number, end: number): void {
    if (this.#longIsData === undefined) {
      const from = this.#behindMark(bytes, start, end)
      this.#longIsData = startsWith(bytes, from, end, DATA)
      if (!this.#longIsData) return
      this.#passOn()
      this.#sink.longRecord(bytes, valueStart(bytes, from, end), end)
    } else if (this.#longIsData) {
      this.#sink.longRecord(bytes, start, end)
    }
  }

  longLineEnd(): void {
    this.#longIsData = undefined
  }

  #take(bytes: Buffer, start: number, end: number): void {
    if (!this.#long && this.#data === undefined) {
      this.#data = bytes
      this.#start = start
      this.#end = end
      this.#size = end - start
      return
    }
    this.#size += LF.length + end - start
    if (this.#long || this.#size > MAX_LINE_BYTES) {
      this.#passOn()
      this.#sink.longRecord(bytes, start, end)
    } else {
      this.#more.push(LF, Buffer.from(bytes.subarray(start, end)))
    }
  }

  /** Gives what there is of the event, up to the data line that comes next. */
  #passOn(): void {
    if (this.#data !== undefined) {
      this.#sink.longRecord(this.#data, this.#start, this.#end)
      for (const part of this.#more) this.#sink.longRecord(part, 0, part.length)
    }
    if (this.#long || this.#data !== undefined) this.#sink.longRecord(LF, 0, LF.length)
    this.#long = true
    this.#data = undefined
    this.#more = []
  }

  #dispatch(): void {
    if (this.#long) {
      this.#long = false
      this.#sink.longRecordEnd()
      return
    }
    let data = this.#data
    if (data === undefined) return
    this.#data = undefined
    if (this.#more.length > 0) {
      data = Buffer.concat([data.subarray(this.#start, this.#end), ...this.#more])
      this.#more = []
      this.#start = 0
      this.#end = data.length
    }
    if (this.#end - this.#start === DONE.length && startsWith(data, this.#start, this.#end, DONE)) {
      this.#sink.doneMarker()
    } else {
      this.#sink.record(data, this.#start, this.#end)
    }
  }

  /** A byte order mark may stand before the first line. */
  #behindMark(bytes: Buffer, start: number, end: number): number {
    if (!this.#atStart) return start
    this.#atStart = false
    return startsWith(bytes, start, end, BYTE_ORDER_MARK) ? start + BYTE_ORDER_MARK.length : start
  }
}

function valueStart(bytes: Buffer, start: number, end: number): number {
  const at = start + DATA.length
  return at < end && bytes[at] === SPACE ? at + 1 : at
}

function startsWith(bytes: Buffer, start: number, end: number, prefix: Buffer): boolean {
  if (end - start < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (bytes[start + i] !== prefix[i]) return false
  return true
}
