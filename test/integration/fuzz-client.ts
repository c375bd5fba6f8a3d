import type { Socket } from 'node:net'
import { cutAt } from '../helpers/random.ts'
import { openRaw, type RawClient } from '../helpers/raw.ts'
import { answerFor } from './fuzz-answers.ts'
import { fingerprint, forwardedHead, type Spoken } from './fuzz-oracle.ts'
import type { FuzzCase, Leaving } from './fuzz-plan.ts'
import { listOf, readResponse, valuesOf, type Reading, type WireResponse } from './fuzz-wire.ts'

/** What a client got on its connection. */
export interface Got {
  readonly bytes: Buffer
  /** Whole answers, 1xx among them. */
  readonly answers: readonly WireResponse[]
  /** What follows them. */
  readonly rest: Reading<WireResponse> | undefined
  /** How the connection ended; `hangs` where it did not. */
  readonly end: string
}

/** No connection of the fuzzer takes so long, however slow the machine. */
const HANGS_MS = 20_000

/** Sends a case, stays for as long as it says, and gives what came back. */
export async function playCase(port: number, one: FuzzCase, spoken: Spoken): Promise<Got> {
  const client = openRaw(port)
  let timer: NodeJS.Timeout | undefined
  const hangs = new Promise<'hangs'>((resolve) => {
    timer = setTimeout(() => resolve('hangs'), HANGS_MS)
  })
  const end = await Promise.race([hangs, visit(client, one, spoken)])
  clearTimeout(timer)
  client.socket.destroy()
  return { bytes: client.received(), ...readAnswers(client.received(), spoken, end !== 'hangs'), end }
}

async function visit(client: RawClient, one: FuzzCase, spoken: Spoken): Promise<string> {
  for (const piece of cutAt(one.bytes, one.ends)) {
    if (!(await write(client.socket, piece))) break
  }
  if (one.leaving === 'answered') {
    await client.until((bytes) => hasAll(bytes, spoken)).catch(() => undefined)
    LEAVE['half-closes'](client.socket)
  } else {
    LEAVE[one.leaving](client.socket)
  }
  return (await client.ended).end
}

const LEAVE: Record<Exclude<Leaving, 'answered'>, (socket: Socket) => void> = {
  'half-closes': (socket) => socket.end(),
  closes: (socket) => socket.destroy(),
  // Behind the other side's end Node cannot reset any more, and would never close.
  resets: (socket) => (socket.readableEnded ? socket.destroy() : socket.resetAndDestroy()),
}

/** Resolves when the bytes are with the kernel: false where the connection was over. */
function write(socket: Socket, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve) => socket.write(bytes, (error) => resolve(!error)))
}

/** Whether all came that the client waits for. Where the proxy has to end the connection, it waits for that, too. */
function hasAll(bytes: Buffer, spoken: Spoken): boolean {
  const { answers } = readAnswers(bytes, spoken, false)
  const finals = answers.filter(({ status }) => status >= 200)
  const awaited = spoken.owed + (isAnsweredEarly(spoken) ? 1 : 0)
  return !spoken.mustClose && !finals.some(saysClose) && finals.length >= awaited
}

/** Whether an answer comes to what was begun last, and never ended. */
function isAnsweredEarly({ requests, tail, owed }: Spoken): boolean {
  const { message } = tail
  if (tail.kind !== 'partial' || message?.version !== '1.1' || owed < requests.length) return false
  const { early, closes } = answerFor(fingerprint(forwardedHead(message, '')), message.method)
  return early && !closes && valuesOf(message.fields, 'upgrade').length === 0
}

export function saysClose({ fields }: WireResponse): boolean {
  return listOf(fields, 'connection').includes('close')
}

function readAnswers(bytes: Buffer, { requests, tail }: Spoken, ended: boolean): Pick<Got, 'answers' | 'rest'> {
  const answers: WireResponse[] = []
  let finals = 0
  for (let at = 0; at < bytes.length;) {
    const method = (requests[finals] ?? tail.message)?.method ?? ''
    const reading = readAnswer(bytes, at, method === '' && tail.maybeHead ? 'HEAD' : method, ended)
    if (reading.kind !== 'whole') return { answers, rest: reading }
    answers.push(reading.message)
    at = reading.end
    if (reading.message.status >= 200) finals++
  }
  return { answers, rest: undefined }
}

/** The parser's errors do not know the method: to a HEAD, they may well have a body. Nothing follows them. */
function readAnswer(bytes: Buffer, at: number, method: string, ended: boolean): Reading<WireResponse> {
  const reading = readResponse(bytes, at, method, ended)
  const isLast = reading.kind === 'whole' && reading.message.status >= 400 && saysClose(reading.message)
  const more = method === 'HEAD' && isLast && reading.end < bytes.length
  return more ? readResponse(bytes, at, '', ended) : reading
}
