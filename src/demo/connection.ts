import type { Socket } from 'node:net'

import type { Picker } from './pick.ts'
import { play, type Tempo } from './player.ts'
import { answersEarly, type Recording } from './recordings.ts'
import { plainAnswer } from './refusals.ts'
import { expectsContinue, keepsAlive, type RequestHead } from './request-head.ts'
import { createRequestReader, type ReadRequest } from './request-reader.ts'
import { answerBytes, type Plan } from './wire.ts'

/** A request that came, and what was chosen for it. */
export interface SeenRequest {
  readonly request: ReadRequest
  readonly recording: Recording
  /** Counts connections from 1: two requests with one number shared a connection. */
  readonly connection: number
}

/** What the connections of one stand-in share. */
export interface ConnectionContext {
  readonly picker: Picker
  readonly planFor: (recording: Recording, method: string, keepAlive: boolean) => Plan
  readonly tempo: Tempo
  readonly onRequest?: ((seen: SeenRequest) => void) | undefined
  readonly onLeft?: ((seen: SeenRequest) => void) | undefined
}

// Bounds what one client can make us hold; nobody pipelines so much.
const queueLimit = 64

const continueLine = 'HTTP/1.1 100 Continue\r\n\r\n'

const refusals = {
  400: answerBytes(plainAnswer('400 Bad Request', '400 Bad Request')),
  431: answerBytes(plainAnswer('431 Request Header Fields Too Large', '431 Request Header Fields Too Large')),
}

/**
 * Answers the requests of one connection, one after the other.
 *
 * A client that closes its connection, or its sending side, has left: as Ollama does, the stand-in stops at once.
 */
export function serveConnection(socket: Socket, connection: number, context: ConnectionContext): void {
  const { picker, planFor, tempo, onRequest, onLeft } = context
  const left = new AbortController()
  const queue: SeenRequest[] = []
  let busy = false
  /** Nothing that comes now is answered. */
  let over = false
  /** Waits for its 100 until the answers before it are out. */
  let uninvited: RequestHead | undefined
  /** Answered before its body was there. */
  let early: RequestHead | undefined

  const answerQueue = async () => {
    if (busy) return
    busy = true
    for (let seen = queue.shift(); seen !== undefined && !over; seen = queue.shift()) {
      const { request, recording } = seen
      const plan = planFor(recording, request.method, keepsAlive(request))
      over = !plan.persistent
      const ended = await play(recording, plan, socket, tempo, left.signal)
      if (!ended) {
        over = true
        onLeft?.(seen)
      }
    }
    busy = false
    invite()
  }

  const invite = () => {
    if (uninvited === undefined || busy || over) return
    uninvited = undefined
    socket.write(continueLine)
  }

  const enqueue = (request: ReadRequest, recording: Recording) => {
    if (over) return
    const seen = { request, recording, connection }
    onRequest?.(seen)
    queue.push(seen)
    if (queue.length > queueLimit) socket.destroy()
    else void answerQueue()
  }

  const reader = createRequestReader({
    onHead: (head) => {
      const recording = picker.named(head.rawHeaders)
      if (recording !== undefined && answersEarly(recording)) {
        early = head
        enqueue({ ...head, body: Buffer.alloc(0), bodyBytes: 0 }, recording)
      } else if (expectsContinue(head)) {
        uninvited = head
        invite()
      }
    },
    onRequest: (request) => {
      // Whoever sent the body without waiting needs no 100 any more (RFC 9110, section 10.1.1).
      if (request.rawHead === uninvited?.rawHead) uninvited = undefined
      if (request.rawHead !== early?.rawHead) enqueue(request, picker.pick(request))
    },
    onError: (status) => {
      over = true
      if (busy) socket.destroy()
      else socket.end(refusals[status])
    },
  })

  const leave = () => left.abort()
  socket.on('data', (bytes) => {
    if (!over) reader.push(bytes)
  })
  socket.on('end', leave)
  socket.on('close', leave)
  // A reset by the client; the close that follows says so to all who wait.
  socket.on('error', leave)
}
