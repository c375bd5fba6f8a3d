import type { Socket } from 'node:net'
import { openRaw, parseMessage, type RawClient, type RawMessage } from '../helpers/raw.ts'
import { waitFor } from '../helpers/wait.ts'
import type { Ask, Goodbye, Visit } from './storm-plan.ts'

/** No job takes so long, however slow the machine. */
const HANGS_MS = 120_000

/** What the clients of a storm know of it. */
export interface Seen {
  /** Requests that the proxy surely had whole heads of, by their ids. */
  readonly sure: Map<string, Pick<Ask, 'id' | 'title'>>
  /** Behind another one on their connection, which may have ended before them. */
  readonly maybe: Map<string, Pick<Ask, 'id' | 'title'>>
  /** Answers that their clients got to the end. */
  readonly answers: Map<string, { readonly status: number; readonly bytes: number }>
  refused: number
  cut: number
}

export function createSeen(): Seen {
  return { sure: new Map(), maybe: new Map(), answers: new Map(), refused: 0, cut: 0 }
}

const LEAVE: Record<Goodbye, (socket: Socket) => void> = {
  closes: (socket) => socket.destroy(),
  // Behind the other side's end Node cannot reset any more, and would never close.
  resets: (socket) => (socket.readableEnded ? socket.destroy() : socket.resetAndDestroy()),
  'half-closes': (socket) => socket.end(),
}

/** Resolves when the bytes are with the kernel: false where the connection was over. */
export function write({ socket }: RawClient, bytes: Buffer | string): Promise<boolean> {
  return new Promise((resolve) => socket.write(bytes, (error) => resolve(!error)))
}

/** The final answer where it is whole. */
export function wholeAnswer(bytes: Buffer, method: string): RawMessage | undefined {
  if (/^HTTP\/1\.1 1\d\d /.test(bytes.toString('latin1', 0, 20))) {
    const end = bytes.indexOf('\r\n\r\n')
    return end === -1 ? undefined : wholeAnswer(bytes.subarray(end + 4), method)
  }
  if (!bytes.includes('\r\n\r\n')) return undefined
  const message = parseMessage(bytes, method === 'HEAD')
  return message.complete ? message : undefined
}

/** Notes what a client got. */
export function noteAnswer(seen: Seen, id: string, { startLine, body }: RawMessage): void {
  seen.answers.set(id, { status: Number(startLine.slice(9, 12)), bytes: body.length })
}

/** Whether the connection goes on. */
async function readAnswer(client: RawClient, from: number, ask: Ask, seen: Seen): Promise<boolean> {
  const whole = (bytes: Buffer) => wholeAnswer(bytes.subarray(from), ask.method)
  const { end } = await Promise.race([
    client.ended,
    client
      .until((bytes) => !ask.last && whole(bytes) !== undefined)
      .then(
        () => ({ end: 'fin' }),
        () => client.ended,
      ),
  ])
  const answer = end === 'fin' ? whole(client.received()) : undefined
  if (answer === undefined) return false
  noteAnswer(seen, ask.id, answer)
  return !answer.headers.some(([name, value]) => name.toLowerCase() === 'connection' && value === 'close')
}

async function sendAll(client: RawClient, { asks, pipelined, leaves }: Visit, seen: Seen): Promise<void> {
  for (const [index, ask] of asks.entries()) {
    const share = ask.last && leaves !== undefined ? leaves.sent : 1
    const body = ask.body.subarray(0, Math.floor(share * ask.body.length))
    const from = client.received().length
    if (!(await write(client, Buffer.concat([Buffer.from(ask.head, 'latin1'), body])))) return
    const known = pipelined && index > 0 ? seen.maybe : seen.sure
    known.set(ask.id, ask)
    if (pipelined || (ask.last && leaves !== undefined)) continue
    if (!(await readAnswer(client, from, ask, seen))) return
  }
}

/** Makes one connection as planned, until it is over. */
export async function visit(plan: Visit, port: number, seen: Seen): Promise<void> {
  const client = openRaw(port)
  if (plan.malformed !== undefined) {
    await write(client, Buffer.from(plan.malformed.text, 'latin1'))
    if (plan.malformed.kind === 'refused') seen.refused++
    else {
      seen.cut++
      client.socket.destroy()
    }
  }
  await sendAll(client, plan, seen)
  const { leaves } = plan
  if (leaves !== undefined) {
    const stays = await client.until((bytes) => bytes.length >= leaves.got).catch(() => undefined)
    // Node never says that a socket is closed which is reset while it ends.
    if (stays !== undefined) LEAVE[leaves.how](client.socket)
  }
  // What could go on is over, too: the last request of each connection says that it is the last.
  await client.ended
}

/** For people: what a visit asks for. */
export function titleOf({ asks, leaves }: Visit): string {
  return `${asks.map(({ id, title }) => `${id} (${title})`).join(', ')} ${JSON.stringify(leaves)}`
}

export interface Job {
  /** For people. */
  readonly title: string
  readonly run: () => Promise<void>
}

/** Does all jobs, so many at once. Rejects with their titles where some do not end. */
export async function rush(jobs: readonly Job[], atOnce: number, onDone: () => void = () => undefined): Promise<void> {
  const under = new Set<Job>()
  const left = jobs.values()
  const worker = async () => {
    for (const job of left) {
      under.add(job)
      await job.run()
      under.delete(job)
      onDone()
    }
  }
  const workers = Promise.all(Array.from({ length: atOnce }, worker))
  const done = waitFor('all clients to be done', () => under.size === 0, HANGS_MS)
  await Promise.race([workers, done]).catch((cause: unknown) => {
    const titles = [...under].map(({ title }) => title)
    throw new Error(`connections that do not end: ${titles.join('; ')}`, { cause })
  })
  await workers
}
