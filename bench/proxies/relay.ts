// The response side, shared by both candidates: status and headers as they came, and the chunks of one socket read
// in one write.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { endToEnd, has, pairs } from './headers.ts'

/**
 * What must not be said: chunks to HTTP/1.0, chunks beside 204 and 304 (node:http would close the connection), trailers
 * where nothing is chunked (node:http throws).
 */
function responseHeaders(answer: IncomingMessage, req: IncomingMessage, status: number): string[] {
  const raw = answer.rawHeaders
  const unchunked = req.httpVersion === '1.0' || status === 204 || status === 304
  if (unchunked) return endToEnd(raw, (name) => name === 'transfer-encoding' || name === 'trailer')
  if (has(raw, 'transfer-encoding') || !has(raw, 'trailer')) return endToEnd(raw)
  return endToEnd(raw, (name) => name === 'trailer')
}

/** Ends the connection without the last chunk, after what is on its way: a truncated answer must look truncated. */
function cut(res: ServerResponse): void {
  if (res.socket === null) res.destroy()
  else res.socket.destroySoon()
}

export function answerError(res: ServerResponse, text: string): void {
  if (res.headersSent || res.destroyed) return
  const body = JSON.stringify({ error: `upstream: ${text}` })
  res.writeHead(502, 'Bad Gateway', {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  })
  res.end(body)
}

export function relay(answer: IncomingMessage, req: IncomingMessage, res: ServerResponse): void {
  const status = answer.statusCode ?? 502
  res.sendDate = false
  try {
    res.writeHead(status, answer.statusMessage ?? '', responseHeaders(answer, req, status))
  } catch {
    // The parser lets through what the writer refuses: a control byte in the reason, a status of 099.
    answer.on('error', () => undefined).destroy()
    answerError(res, 'bad status line')
    return
  }

  let pending: Buffer | Buffer[] | undefined
  let waiting = false
  let over = false

  function finish(last: Buffer | undefined): void {
    over = true
    if (answer.rawTrailers.length > 0) res.addTrailers(pairs(answer.rawTrailers))
    res.end(last)
  }

  function take(): Buffer | undefined {
    const taken = pending
    pending = undefined
    return Array.isArray(taken) ? Buffer.concat(taken) : taken
  }

  function flush(): void {
    if (over) return
    const data = take()
    // The parser has seen the end and nothing waits in the stream: one write less, and no need for 'end'.
    if (answer.complete && answer.readableLength === 0) {
      finish(data)
      return
    }
    if (data === undefined || res.write(data)) return
    answer.pause()
    if (waiting) return
    waiting = true
    res.once('drain', () => {
      waiting = false
      answer.resume()
    })
  }

  function first(): void {
    if (over || pending !== undefined) return
    if (answer.complete && answer.readableLength === 0) finish(undefined)
    else res.flushHeaders()
  }

  answer.on('data', (chunk: Buffer) => {
    if (pending === undefined) {
      pending = chunk
      process.nextTick(flush)
    } else if (Array.isArray(pending)) pending.push(chunk)
    else pending = [pending, chunk]
  })
  answer.on('end', () => {
    if (!over) finish(take())
  })
  answer.on('error', () => {
    if (over) return
    over = true
    const data = take()
    if (data !== undefined) res.write(data)
    // node:http corks what is written until the next tick: cut only after that.
    process.nextTick(cut, res)
  })
  process.nextTick(first)
}
