import type { RecordReader, RecordSink } from '../../../src/ollama/records.ts'

/** The records that a reader makes of these pieces; the marker of the end is `<done>`. */
export function collectRecords(create: (sink: RecordSink) => RecordReader, pieces: readonly Buffer[]): string[] {
  const records: string[] = []
  let long: Buffer[] = []
  const reader = create({
    record: (bytes, start, end) => records.push(bytes.toString('utf8', start, end)),
    longRecord: (bytes, start, end) => long.push(Buffer.from(bytes.subarray(start, end))),
    longRecordEnd() {
      records.push(Buffer.concat(long).toString())
      long = []
    },
    doneMarker: () => records.push('<done>'),
  })
  for (const piece of pieces) reader.push(piece)
  reader.end()
  return records
}
