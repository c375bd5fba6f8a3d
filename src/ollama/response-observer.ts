import { errorTextExtractor } from './error-text.ts'
import { emptyNotes, type Extractor, type RecordNotes } from './extractor.ts'
import { createFacts, type ResponseFacts } from './facts.ts'
import { addGap, createGaps } from './gaps.ts'
import { JsonScanner } from './json-scanner.ts'
import { createNdjsonReader } from './ndjson.ts'
import type { RecordReader, RecordSink } from './records.ts'
import { createSseReader } from './sse.ts'

/** How the answer is cut into records. `none`: nothing can be read of it (compressed, or no JSON). */
export type Framing = 'ndjson' | 'sse' | 'json' | 'none'

export interface ResponseHead {
  readonly status: number
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
}

/** The framing that a response declares. Ollama answers a streaming request with plain JSON where it only loads. */
export function framingOf(head: ResponseHead): Framing {
  if (isCoded(head.contentEncoding)) return 'none'
  const type = head.contentType ?? ''
  if (type.startsWith('application/x-ndjson')) return 'ndjson'
  if (type.startsWith('text/event-stream')) return 'sse'
  return type.startsWith('application/json') ? 'json' : 'none'
}

/** Whether a body in this Content-Encoding must be decoded before it can be read. */
export function isCoded(contentEncoding: string | undefined): boolean {
  return contentEncoding !== undefined && contentEncoding !== '' && contentEncoding.toLowerCase() !== 'identity'
}

/** The end of a stream stands in its last records: a reason, the usage, and the end itself. */
const KEPT_RECORDS = 3
const ERROR_START = Buffer.from('{"error"')

interface Kept {
  bytes: Buffer
  start: number
  end: number
}

/**
 * Reads one response as it passes. A record is decoded only where it can matter: up to the first token, where it
 * looks like an error, and the last few when the stream is over. In between a record costs the search for its end.
 */
export class ResponseObserver implements RecordSink {
  readonly facts: ResponseFacts = createFacts()
  readonly framing: Framing
  readonly #extractor: Extractor
  readonly #scanner: JsonScanner
  readonly #reader: RecordReader | undefined
  #notes: RecordNotes
  #kept: Kept[] = []
  #nowMs: number | undefined
  #chunkAtMs = 0

  /** @param extractor where this API keeps its numbers; `undefined` for one of which only errors are read. */
  constructor(head: ResponseHead, extractor: Extractor | undefined) {
    this.framing = framingOf(head)
    this.#extractor = head.status < 400 && extractor !== undefined ? extractor : errorTextExtractor
    this.#notes = emptyNotes()
    this.#scanner = new JsonScanner(this.#extractor.paths, (path, value) => {
      this.#extractor.value(this.#notes, path, value)
    })
    if (this.framing === 'ndjson') this.#reader = createNdjsonReader(this)
    else if (this.framing === 'sse') this.#reader = createSseReader(this)
  }

  /** Whether a complete answer must have said so in its body. */
  get saysFinished(): boolean {
    return this.framing !== 'none' && this.#extractor.saysFinished
  }

  /** @param nowMs when this piece arrived, on the caller's monotonic clock; `undefined` where that is not known. */
  push(bytes: Buffer, nowMs: number | undefined): void {
    this.#nowMs = nowMs
    if (this.#reader !== undefined) this.#reader.push(bytes)
    else if (this.framing === 'json') this.#scanner.push(bytes)
  }

  /** The body is over, or was cut off: decode what was kept. */
  end(): void {
    this.#reader?.end()
    if (this.framing === 'json') this.#commit()
    this.#readKept()
  }

  record(bytes: Buffer, start: number, end: number): void {
    this.#countChunk()
    if (!this.facts.hasContent || looksLikeError(bytes, start, end)) {
      this.#readKept() // in the order in which they came
      this.#read(bytes, start, end)
      return
    }
    if (this.#kept.length < KEPT_RECORDS) {
      this.#kept.push({ bytes, start, end })
      return
    }
    const oldest = this.#kept.shift()
    if (oldest === undefined) return
    oldest.bytes = bytes
    oldest.start = start
    oldest.end = end
    this.#kept.push(oldest)
  }

  longRecord(bytes: Buffer, start: number, end: number): void {
    this.#readKept() // in the order in which they came
    this.#scanner.push(bytes, start, end)
  }

  longRecordEnd(): void {
    this.#countChunk()
    this.#commit()
  }

  doneMarker(): void {
    if (this.#extractor.doneMarker) this.facts.finished = true
  }

  #countChunk(): void {
    const { facts } = this
    facts.chunks++
    if (this.#nowMs === undefined) return
    if (facts.firstTokenAtMs !== undefined)
      addGap((facts.gaps ??= createGaps()), (this.#nowMs - this.#chunkAtMs) / 1000)
    this.#chunkAtMs = this.#nowMs
  }

  #readKept(): void {
    const kept = this.#kept
    if (kept.length === 0) return
    this.#kept = []
    for (const { bytes, start, end } of kept) this.#read(bytes, start, end)
  }

  #read(bytes: Buffer, start: number, end: number): void {
    this.#scanner.push(bytes, start, end)
    this.#commit()
  }

  /** A record counts only when it is whole JSON: a cut or a broken one says nothing that could be trusted. */
  #commit(): void {
    const { facts } = this
    if (this.#scanner.complete) {
      const hadContent = facts.hasContent
      this.#extractor.commit(this.#notes, facts, this.framing !== 'json')
      if (!hadContent && facts.hasContent && this.framing !== 'json') facts.firstTokenAtMs = this.#nowMs
    }
    this.#scanner.reset()
    this.#notes = emptyNotes()
  }
}

function looksLikeError(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < ERROR_START.length) return false
  for (let i = 0; i < ERROR_START.length; i++) if (bytes[start + i] !== ERROR_START[i]) return false
  return true
}
