// The product's own stand-in for Ollama, with recordings made up for the load:
//   POST /api/chat                       one small JSON answer
//   POST /api/chat?chunks=N              N lines, one write each, as fast as they go
//   POST /api/chat?chunks=N&join=M       the same, M lines a write
//   POST /api/chat?chunks=N&pace=MS      N lines, MS apart, each with the time at which it was sent
// Arguments: the targets to play. Prints its port. It ends with its parent's standard input.
import type { Recording } from '../src/demo/recordings.ts'
import { createStandIn } from '../src/demo/stand-in.ts'
import { ANSWER, BODY, chunk, LAST_LINE, line, stamp } from './lines.ts'

const DATE = 'Date: Sat, 21 Nov 2026 09:53:24 GMT\r\n'
const STREAM_HEAD = `HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n`
const JSON_HEAD = `HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n${DATE}Content-Length: `
/** The HTTP chunk size before a line: `83\r\n`. */
const LINE_AT = chunk(line(0n)).indexOf('{')

function record(path: string, chunks: Recording['response']['chunks']): Recording {
  const headers = { 'Content-Type': 'application/json' }
  const request = { method: 'POST', path, headers, body: BODY }
  const response = { end: 'fin', durationMs: chunks.at(-1)?.atMs ?? 0, chunks }
  return { name: path, note: '', ollama: 'made up', version: 'ollama-0.33', request, response }
}

function invent(path: string): Recording {
  const query = new URLSearchParams(path.split('?')[1])
  const lines = Number(query.get('chunks') ?? 0)
  const join = Number(query.get('join') ?? 1)
  const pace = Number(query.get('pace') ?? 0)
  if (lines === 0)
    return record(path, [{ atMs: 0, bytes: Buffer.from(`${JSON_HEAD}${ANSWER.length}\r\n\r\n${ANSWER}`) }])
  const chunks = []
  for (let done = 0; done < lines - 1; done += join) {
    const text = chunk(line(0n)).repeat(Math.min(join, lines - 1 - done))
    // Headers leave with the first line, as Ollama's do.
    chunks.push({ atMs: done * pace, bytes: Buffer.from(done === 0 ? STREAM_HEAD + text : text) })
  }
  chunks.push({ atMs: (lines - 1) * pace, bytes: Buffer.from(`${chunk(LAST_LINE)}0\r\n\r\n`) })
  return record(path, chunks)
}

const recordings = process.argv.slice(2).map(invent)
const paced = recordings.some(({ name }) => name.includes('pace='))
const standIn = createStandIn({
  recordings,
  // The gate opens right before a chunk is written: the moment to write the time into it.
  ...(paced ? { gate: stampChunk } : {}),
})

function stampChunk(recording: Recording, index: number): Promise<void> {
  const bytes = recording.response.chunks[index]?.bytes
  const isLine = index < recording.response.chunks.length - 1
  const headLength = index === 0 ? STREAM_HEAD.length : 0
  if (bytes !== undefined && isLine) stamp(bytes, headLength + LINE_AT, process.hrtime.bigint())
  return Promise.resolve()
}

const { port } = await standIn.listen(0, '127.0.0.1')
console.log(port)
process.stdin.on('end', () => process.exit(0)).resume()
