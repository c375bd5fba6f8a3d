import { LineReader, type LineSink } from './lines.ts'
import type { RecordReader, RecordSink } from './records.ts'

const DATA = Buffer.from('data:')
const DONE = Buffer.from('[DONE]')
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
  #data: Buffer | undefined
  #start = 0
  #end = 0
  /** What the long line under way is: `undefined` outside of one. */
  #longIsData: boolean | undefined

  constructor(sink: RecordSink) {
    this.#sink = sink
  }

  line(bytes: Buffer, start: number, end: number): void {
    if (end === start) this.#dispatch()
    else if (startsWith(bytes, start, end, DATA)) this.#take(bytes, valueStart(bytes, start, end), end)
  }

  longLine(bytes: Buffer, start: number, end: number): void {
    if (this.#longIsData === undefined) {
      this.#longIsData = startsWith(bytes, start, end, DATA)
      if (this.#longIsData) this.#sink.longRecord(bytes, valueStart(bytes, start, end), end)
    } else if (this.#longIsData) {
      this.#sink.longRecord(bytes, start, end)
    }
  }

  longLineEnd(): void {
    if (this.#longIsData) this.#sink.longRecordEnd()
    this.#longIsData = undefined
  }

  #take(bytes: Buffer, start: number, end: number): void {
    if (this.#data === undefined) {
      this.#data = bytes
      this.#start = start
      this.#end = end
      return
    }
    const joined = Buffer.concat([this.#data.subarray(this.#start, this.#end), LF, bytes.subarray(start, end)])
    this.#data = joined
    this.#start = 0
    this.#end = joined.length
  }

  #dispatch(): void {
    const data = this.#data
    if (data === undefined) return
    this.#data = undefined
    if (this.#end - this.#start === DONE.length && startsWith(data, this.#start, this.#end, DONE)) {
      this.#sink.doneMarker()
    } else {
      this.#sink.record(data, this.#start, this.#end)
    }
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
