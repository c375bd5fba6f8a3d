import { LineReader, type LineSink } from './lines.ts'
import type { RecordReader, RecordSink } from './records.ts'

/** Newline-delimited JSON, as `/api/generate` and `/api/chat` stream it: a record a line, empty lines ignored. */
export function createNdjsonReader(sink: RecordSink): RecordReader {
  const lines: LineSink = {
    line(bytes, start, end) {
      if (end > start) sink.record(bytes, start, end)
    },
    longLine: (bytes, start, end) => sink.longRecord(bytes, start, end),
    longLineEnd: () => sink.longRecordEnd(),
  }
  return new LineReader(lines)
}
