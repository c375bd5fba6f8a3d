import type { RecordedChunk, Recording } from './recordings.ts'

/** The status line and headers of a response, as they stand at the start of its bytes. */
export interface ResponseHead {
  readonly status: number
  /** Header lines without the status line, as sent. */
  readonly lines: readonly string[]
  /** Bytes up to and including the blank line. */
  readonly length: number
}

/** What to write for one request. */
export interface Plan {
  readonly chunks: readonly RecordedChunk[]
  /** The connection may carry another request afterwards. */
  readonly persistent: boolean
}

const blankLine = '\r\n\r\n'
const continueLine = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

/** The head that the bytes begin with; undefined where it is not whole or no HTTP/1.1. */
export function readHead(bytes: Buffer): ResponseHead | undefined {
  const end = bytes.indexOf(blankLine)
  if (end < 0) return undefined
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1]
  return status === undefined ? undefined : { status: Number(status), lines, length: end + blankLine.length }
}

/** The value of the first header of that name; undefined where there is none. */
export function headerOf(head: ResponseHead, name: string): string | undefined {
  const prefix = `${name.toLowerCase()}:`
  const line = head.lines.find((candidate) => candidate.toLowerCase().startsWith(prefix))
  return line?.slice(prefix.length).trim()
}

/** The bytes of the answer, without an interim 100 in front. */
export function answerBytes(recording: Recording): Buffer {
  const bytes = Buffer.concat(recording.response.chunks.map((chunk) => chunk.bytes))
  return startsWithContinue(bytes) ? bytes.subarray(continueLine.length) : bytes
}

function startsWithContinue(bytes: Buffer): boolean {
  return bytes.subarray(0, continueLine.length).equals(continueLine)
}

/** Walks the chunked framing: whether it ends with its last chunk, and nothing follows. */
function isWholeChunked(body: Buffer): boolean {
  let at = 0
  for (;;) {
    const lineEnd = body.indexOf('\r\n', at)
    if (lineEnd < 0) return false
    const size = Number.parseInt(body.toString('latin1', at, lineEnd), 16)
    if (Number.isNaN(size)) return false
    at = lineEnd + 2 + size + 2
    if (size === 0) return at === body.length
  }
}

/** How a response says where it ends, and whether it got there. */
function delimited(head: ResponseHead, body: Buffer, method: string): { declared: boolean; whole: boolean } {
  if (method === 'HEAD' || head.status === 204 || head.status === 304) return { declared: true, whole: true }
  if (headerOf(head, 'transfer-encoding')?.toLowerCase() === 'chunked') {
    return { declared: true, whole: isWholeChunked(body) }
  }
  const length = headerOf(head, 'content-length')
  return { declared: length !== undefined, whole: Number(length) === body.length }
}

/** The chunks from byte `from` on up to byte `to`; empty ones fall away. */
function sliceChunks(chunks: readonly RecordedChunk[], from: number, to: number): RecordedChunk[] {
  let at = 0
  return chunks.flatMap(({ atMs, bytes }) => {
    const start = at
    at += bytes.length
    const slice = bytes.subarray(Math.max(0, from - start), Math.max(0, to - start))
    return slice.length === 0 ? [] : [{ atMs, bytes: slice }]
  })
}

/** The chunks without the head's `Connection: close`; undefined where the first chunk does not hold the whole head. */
function withoutClose(head: ResponseHead, chunks: readonly RecordedChunk[]): RecordedChunk[] | undefined {
  const [first, ...rest] = chunks
  if (first === undefined || first.bytes.length < head.length) return undefined
  const text = first.bytes.toString('latin1', 0, head.length).replace(/\r\nconnection: *close(?=\r\n)/i, '')
  const bytes = Buffer.concat([Buffer.from(text, 'latin1'), first.bytes.subarray(head.length)])
  return [{ atMs: first.atMs, bytes }, ...rest]
}

/**
 * What to write for a request, from the recording chosen for it.
 *
 * The recorder asked for `Connection: close`, so every recorded head says so; a client that keeps its connection gets
 * the head without that line, and may use the connection again where the answer says where it ends and was whole. An
 * interim 100 is left out: whoever reads the request writes it when the client waits for it. A HEAD gets the head.
 */
export function planResponse(recording: Recording, method: string, keepAlive: boolean): Plan {
  const all = Buffer.concat(recording.response.chunks.map((chunk) => chunk.bytes))
  const skip = startsWithContinue(all) ? continueLine.length : 0
  const answer = all.subarray(skip)
  const head = readHead(answer)
  if (head === undefined) return { chunks: sliceChunks(recording.response.chunks, skip, all.length), persistent: false }

  const end = method === 'HEAD' ? skip + head.length : all.length
  const chunks = sliceChunks(recording.response.chunks, skip, end)
  const { declared, whole } = delimited(head, answer.subarray(head.length), method)
  const open = keepAlive && declared ? withoutClose(head, chunks) : undefined
  if (open === undefined) return { chunks, persistent: false }
  return { chunks: open, persistent: whole && recording.response.end === 'fin' }
}
