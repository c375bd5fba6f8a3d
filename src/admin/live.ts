import type { IncomingMessage, ServerResponse } from 'node:http'
import { receiptWithTime, type KeptReceipt } from '../receipt.ts'

export interface LiveOptions {
  /** The document of `/status`. */
  readonly status: () => object
  readonly onError: (error: unknown) => void
}

/** What goes on, as server-sent events. */
export interface Live {
  /** Answers `/events`. */
  readonly listen: (req: IncomingMessage, res: ServerResponse) => void
  /** A request ended. Where nobody listens, that is all; else it is told with the next tick. */
  readonly note: (kept: KeptReceipt) => void
  /** Ends all listeners. */
  readonly close: () => void
}

interface Listener {
  readonly res: ServerResponse
  /** How many receipts of this tick were in the document that it began with. */
  known: number
  /** For how many ticks in a row it did not take what it has. */
  behind: number
}

const MAX_LISTENERS = 16
const TICK_MS = 1000
/** A listener that reads nothing for so many ticks is cut. */
const PATIENCE = 30
/** Receipts between two ticks. Beyond, listeners get the whole document, which has the newest. */
const MAX_UNTOLD = 1000
/** A listener that lost its connection comes back after this time. */
const RETRY_MS = 2000

/**
 * Who begins to listen gets the whole document, and then with each tick the new receipts and the document without
 * receipts. It is made and written as JSON once for all. For a listener that does not read, events are dropped: it gets
 * the whole document again as soon as it has room.
 */
export function createLive({ status, onError }: LiveOptions): Live {
  const listeners = new Set<Listener>()
  let untold: KeptReceipt[] = []
  let timer: NodeJS.Timeout | undefined

  function tick(): void {
    try {
      tellAll()
    } catch (error) {
      onError(error)
      close()
    }
  }

  function tellAll(): void {
    const document = status()
    const tooMany = untold.length > MAX_UNTOLD
    const receipts = tooMany ? [] : untold.map((kept) => event('receipt', receiptWithTime(kept)))
    const brief = event('status', { ...document, receipts: undefined })
    let whole: string | undefined
    untold = []
    for (const listener of listeners) {
      const { res, known, behind } = listener
      listener.known = 0
      if (res.writableNeedDrain) {
        listener.behind += 1
        if (listener.behind >= PATIENCE) cut(listener)
      } else if (behind > 0 || tooMany) {
        listener.behind = 0
        res.write((whole ??= event('status', document)))
      } else {
        res.write(receipts.slice(known).join('') + brief)
      }
    }
  }

  function cut(listener: Listener): void {
    leave(listener)
    listener.res.destroy()
  }

  function leave(listener: Listener): void {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
    untold = []
  }

  function close(): void {
    for (const listener of listeners) {
      leave(listener)
      listener.res.end()
    }
  }

  return {
    listen(req, res) {
      if (listeners.size >= MAX_LISTENERS) {
        const error = `ollascope: ${MAX_LISTENERS} others listen to /events already; ask /status`
        res.writeHead(503, { 'Content-Type': 'application/json; charset=utf-8', 'Retry-After': '5' })
        res.end(JSON.stringify({ error }))
        return
      }
      const first = `retry: ${RETRY_MS}\n${event('status', status())}`
      // nginx would gather the events otherwise.
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' })
      if (req.method === 'HEAD') {
        res.end()
        return
      }
      const listener: Listener = { res, known: untold.length, behind: 0 }
      listeners.add(listener)
      timer ??= setInterval(tick, TICK_MS)
      res.on('close', () => leave(listener))
      res.write(first)
    },
    note(kept) {
      if (listeners.size > 0 && untold.length <= MAX_UNTOLD) untold.push(kept)
    },
    close,
  }
}

function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
