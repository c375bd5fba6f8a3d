import { bodyFraming, parseHead, type RequestHead } from './request-head.ts'

export interface ReadRequest extends RequestHead {
  /** The decoded body, up to the limit of what is kept. */
  readonly body: Buffer
  /** How long the whole decoded body was. */
  readonly bodyBytes: number
}

export interface RequestReaderEvents {
  /** The head is whole; its body may be under way. */
  readonly onHead: (head: RequestHead) => void
  /** The request is whole. */
  readonly onRequest: (request: ReadRequest) => void
  /** The bytes are no request: 400, or 431 where a head is too large. Nothing is read afterwards. */
  readonly onError: (status: 400 | 431) => void
}

export interface RequestReader {
  readonly push: (bytes: Buffer) => void
}

export const headLimit = 64 * 1024
export const keptBodyLimit = 8 * 1024 * 1024

const empty = Buffer.alloc(0)
// A chunk size is 16 hex digits at most; the rest is room for extensions.
const sizeLineLimit = 1024

type State = 'head' | 'fixed' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'failed'

/**
 * Reads HTTP/1 requests from the bytes of one connection, however they are cut, one after the other.
 *
 * Holds at most one head (64 KiB) and one body (8 MiB of it; the rest is counted).
 */
export function createRequestReader(events: RequestReaderEvents): RequestReader {
  let state: State = 'head'
  let held: Buffer = empty
  let head: RequestHead | undefined
  let parts: Buffer[] = []
  let kept = 0
  let bodyBytes = 0
  /** Bytes to come of the body, or of the chunk. */
  let left = 0
  let trailerBytes = 0

  const fail = (status: 400 | 431) => {
    state = 'failed'
    held = empty
    parts = []
    events.onError(status)
  }

  const finish = () => {
    const request = head === undefined ? undefined : { ...head, body: Buffer.concat(parts), bodyBytes }
    state = 'head'
    head = undefined
    parts = []
    kept = bodyBytes = trailerBytes = 0
    if (request !== undefined) events.onRequest(request)
  }

  /** Takes a line of at most `limit` bytes off the front; undefined until it is whole. */
  const takeLine = (limit: number): string | undefined => {
    const end = held.indexOf('\r\n')
    if (end > limit || (end < 0 && held.length > limit + 1)) {
      fail(400)
      return undefined
    }
    if (end < 0) return undefined
    const line = held.toString('latin1', 0, end)
    held = held.subarray(end + 2)
    return line
  }

  const readHead = (): boolean => {
    // Empty lines in front of a request are allowed (RFC 9112, section 2.2).
    while (held[0] === 0x0d && held[1] === 0x0a) held = held.subarray(2)
    const end = held.indexOf('\r\n\r\n')
    if (end + 4 > headLimit || (end < 0 && held.length > headLimit)) {
      fail(431)
      return false
    }
    if (end < 0) return false
    // A copy, so that a slice of a large read is not held for as long as the head is.
    const parsed = parseHead(Buffer.from(held.subarray(0, end + 4)))
    held = held.subarray(end + 4)
    const framing = parsed && bodyFraming(parsed)
    if (parsed === undefined || framing === undefined) {
      fail(400)
      return false
    }
    head = parsed
    left = framing === 'chunked' ? 0 : framing
    state = framing === 'chunked' ? 'chunk-size' : 'fixed'
    events.onHead(parsed)
    return true
  }

  /** Takes what there is of `left`; true when nothing is left. */
  const takeData = (): boolean => {
    const data = held.subarray(0, left)
    held = held.subarray(data.length)
    left -= data.length
    bodyBytes += data.length
    const room = data.subarray(0, keptBodyLimit - kept)
    if (room.length > 0) parts.push(room)
    kept += room.length
    return left === 0
  }

  const readChunkSize = (): boolean => {
    const line = takeLine(sizeLineLimit)
    if (line === undefined) return false
    const digits = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(line)?.[1]
    if (digits === undefined) {
      fail(400)
      return false
    }
    left = Number.parseInt(digits, 16)
    state = left === 0 ? 'trailers' : 'chunk-data'
    return true
  }

  const readTrailer = (): boolean => {
    const line = takeLine(headLimit)
    if (line === undefined) return false
    trailerBytes += line.length + 2
    if (trailerBytes > headLimit) fail(431)
    else if (line === '') finish()
    return true
  }

  /** One step; false when it needs more bytes or reads no more. */
  const step = (): boolean => {
    switch (state) {
      case 'head':
        return readHead()
      case 'fixed':
        if (!takeData()) return false
        finish()
        return true
      case 'chunk-size':
        return readChunkSize()
      case 'chunk-data':
        if (!takeData()) return false
        state = 'chunk-end'
        return true
      case 'chunk-end': {
        const line = takeLine(0)
        if (line === undefined) return false
        state = 'chunk-size'
        return true
      }
      case 'trailers':
        return readTrailer()
      case 'failed':
        return false
    }
  }

  return {
    push: (bytes) => {
      if (state === 'failed') return
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
      while (step());
    },
  }
}
