import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { hasBody } from './headers.ts'

/** How long a client may pause in sending what nobody wants any more. */
const IDLE_MS = 5000
/** How long it may go on at all, where it was told that its connection ends. */
const TOTAL_MS = 30_000

/**
 * Answered before the body was through: the rest is read, since closing at once would destroy the answer on its way.
 * https://www.rfc-editor.org/rfc/rfc9112#section-9.6
 * @param closes whether the connection ends with the answer
 * @param onLeft told where the connection ends before the body does; Node aborts no request that was answered
 */
export function linger(
  req: IncomingMessage,
  res: ServerResponse,
  closes: boolean,
  onLeft: () => void = () => undefined,
): void {
  if (req.complete || !hasBody(req)) return
  // Pipelined, and not its turn yet: the connection is that of the answers before it.
  if (res.socket === null && !res.writableFinished) {
    res.once('socket', () => linger(req, res, closes, onLeft))
    return
  }
  const { socket } = req
  const end = () => socket.destroy()
  const idle = setTimeout(end, IDLE_MS)
  const total = closes ? setTimeout(end, TOTAL_MS) : undefined
  idle.unref()
  total?.unref()
  const stop = () => {
    clearTimeout(idle)
    clearTimeout(total)
    socket.off('close', left)
  }
  const left = () => {
    stop()
    onLeft()
  }
  let isThrough = false
  if (closes) {
    // Node calls it behind the answer. What is written to a destroyed socket is reset, and the answer with it.
    socket.destroySoon = () => {
      if (isThrough) Socket.prototype.destroySoon.call(socket)
      else socket.end()
    }
  }
  req.on('data', () => idle.refresh())
  req.once('end', () => {
    isThrough = true
    stop()
    if (closes) socket.destroySoon()
  })
  socket.once('close', left)
}

/** Ends a connection whose bytes are no HTTP, behind what was written to it. */
export function lingerRaw(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), IDLE_MS)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}
