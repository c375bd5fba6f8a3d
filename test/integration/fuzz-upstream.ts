import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { serveRaw } from '../helpers/raw.ts'
import { answerFor } from './fuzz-answers.ts'
import { fingerprint, forwardedHead, hopByHop } from './fuzz-oracle.ts'
import { readRequest, valuesOf, type WireRequest } from './fuzz-wire.ts'

/** A request as the upstream saw it; not whole where its connection ended before. */
export interface Sighting {
  readonly request: WireRequest
  readonly whole: boolean
  readonly requestId: string
  /** Its head as one text, as of forwardedHead. */
  readonly head: string
  /** As it came. */
  readonly bytes: Buffer
}

/** Bytes that a strict upstream does not take, or cannot explain. */
interface Complaint {
  readonly what: string
  readonly bytes: Buffer
}

export interface StrictUpstream {
  readonly port: number
  readonly host: string
  readonly sightings: readonly Sighting[]
  readonly complaints: readonly Complaint[]
  readonly close: () => Promise<void>
}

const BUSY = Buffer.from('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n')
const LATE_MS = 20
const POLLED = ['/api/ps', '/api/tags', '/api/version']

/** An upstream that reads every byte strictly, tells what it saw, and answers each request in a way of its own. */
export async function serveStrict(): Promise<StrictUpstream> {
  const sightings: Sighting[] = []
  const complaints: Complaint[] = []
  const server = await serveRaw((socket) => {
    let held: Buffer = Buffer.alloc(0)
    let answered = false
    let over = false
    const host = `127.0.0.1:${socket.localPort ?? 0}`
    const sight = (request: WireRequest, whole: boolean, bytes: Buffer) => {
      const ids = valuesOf(request.fields, 'x-request-id')
      const wrong = hopByHop(request)
      if (ids.length !== 1) complaints.push({ what: `${ids.length} request ids`, bytes })
      if (wrong.length > 0) complaints.push({ what: `fields of another connection: ${wrong.join(', ')}`, bytes })
      if (request.version !== '1.1') complaints.push({ what: `HTTP/${request.version}`, bytes })
      const head = forwardedHead(request, host)
      sightings.push({ request, whole, requestId: ids[0] ?? '', head, bytes: Buffer.from(bytes) })
    }
    let sent = Promise.resolve()
    const send = (pieces: readonly Buffer[]) => {
      for (const piece of pieces) {
        sent = sent.then(async () => {
          if (socket.writable) socket.write(piece)
          // In the second turn the other side has read it.
          await nextTurn()
          await nextTurn()
        })
      }
    }
    const finish = () => {
      sent = sent.then(() => {
        if (socket.writable) socket.end()
      })
    }
    /** One step; false when it needs more bytes, or takes no more. */
    const step = (): boolean => {
      if (over || held.length === 0) return false
      const reading = readRequest(held)
      const { message } = reading
      if (reading.kind === 'broken') {
        complaints.push({ what: `not HTTP: ${reading.why}`, bytes: held })
        over = true
        socket.destroy()
        return false
      }
      if (message === undefined) return false
      const poll = isPoll(message)
      const whole = reading.kind === 'whole'
      const answer = answerFor(fingerprint(forwardedHead(message, host)), message.method)
      if (!answered && (whole || answer.early)) {
        answered = true
        if (answer.late) sent = sent.then(() => pause(LATE_MS))
        send(poll ? [BUSY] : answer.pieces)
      }
      if (reading.kind !== 'whole') return false
      if (!poll) sight(message, true, held.subarray(0, reading.end))
      held = held.subarray(reading.end)
      answered = false
      if (poll || !answer.closes) return true
      finish()
      return false
    }
    const leave = () => {
      if (over) return
      over = true
      if (held.length === 0) return
      const reading = readRequest(held)
      if (reading.message === undefined) complaints.push({ what: `half a head: ${reading.kind}`, bytes: held })
      else if (!isPoll(reading.message)) sight(reading.message, false, held)
    }
    socket.on('data', (bytes: Buffer) => {
      held = Buffer.concat([held, bytes])
      while (step());
    })
    socket.on('end', () => {
      leave()
      finish()
    })
    socket.on('close', leave)
  })
  return { port: server.port, host: `127.0.0.1:${server.port}`, sightings, complaints, close: server.close }
}

function isPoll({ method, target, fields }: WireRequest): boolean {
  return method === 'GET' && POLLED.includes(target) && valuesOf(fields, 'x-request-id').length === 0
}
