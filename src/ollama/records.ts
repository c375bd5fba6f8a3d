/** Takes the records of a streamed answer: an NDJSON line, or the data of a server-sent event. */
export interface RecordSink {
  /** A whole record, lying in `bytes` from `start` to `end`; `bytes` is not changed afterwards and may be kept. */
  record(bytes: Buffer, start: number, end: number): void
  /** The next part of a record too long to be kept whole. */
  longRecord(bytes: Buffer, start: number, end: number): void
  longRecordEnd(): void
  /** The marker that says in so many words that the stream is over (`data: [DONE]`). */
  doneMarker(): void
}

/** A push parser: pieces in, records out. It never throws, whatever comes. */
export interface RecordReader {
  push(bytes: Buffer): void
  /** The body is over. */
  end(): void
}
