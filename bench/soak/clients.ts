// Clients that the storm does not have: strangers, and people who are slow.
import { setTimeout as pause } from 'node:timers/promises'
import { openRaw, type RawClient } from '../../test/helpers/raw.ts'
import { noteAnswer, wholeAnswer, write, type Job, type Seen } from '../../test/integration/storm-client.ts'
import { PLAY_HEADER } from '../../test/integration/storm-upstream.ts'
import type { Tokens } from './tokens.ts'

/** Where the clients of one round go, and what is known of them. */
export interface Scene {
  readonly port: number
  readonly seen: Seen
  readonly tokens: Tokens
  /** Requests whose answers have no end: when they are over, the proxy has left the upstream. */
  readonly endless: Set<string>
  /** Waits until the proxy has told of a request that it is over. */
  readonly over: (id: string) => Promise<void>
}

interface Asking {
  readonly method?: string
  readonly target?: string
  /** Left out: a good token's. */
  readonly credentials?: readonly string[]
  readonly headers?: readonly string[]
}

const PIECE = 'p'.repeat(4000)
const PIECES = 6
/** Of all such clients together, more than a model's name has slots for. */
const NAMES = 10
/** Shorter than any limit. */
const BREATH_MS = 40

interface Conversation {
  readonly client: RawClient
  readonly id: string
  readonly scene: Scene
}

/** Sends a head, and a body, or the first part of one. */
async function ask(scene: Scene, id: string, asking: Asking, body = '', length = body.length): Promise<Conversation> {
  const { method = 'POST', target = '/api/chat', headers = [] } = asking
  const { credentials = [`Authorization: Bearer ${scene.tokens.good(id.length)}`] } = asking
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: localhost', `X-Request-ID: ${id}`, ...credentials, ...headers]
  if (length > 0) lines.push(`Content-Length: ${length}`)
  const client = openRaw(scene.port)
  const sent = await write(client, `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`)
  if (sent) scene.seen.sure.set(id, { id, title: `${id}: ${method} ${target}` })
  return { client, id, scene }
}

/** Reads to the end of the connection. */
async function hear({ client, id, scene }: Conversation, method = 'POST'): Promise<void> {
  const { bytes, end } = await client.ended
  const answer = end === 'fin' ? wholeAnswer(bytes, method) : undefined
  if (answer !== undefined) noteAnswer(scene.seen, id, answer)
}

const play = (name: string): Asking => ({ headers: [`${PLAY_HEADER}: ${name}`] })
const SMALL = '{"model":"m1","prompt":"p"}'

type Act = (scene: Scene, id: string) => Promise<void>

async function denied(scene: Scene, id: string, credentials: readonly string[]): Promise<void> {
  await hear(await ask(scene, id, { credentials }, SMALL))
}

async function waitInVain(scene: Scene, id: string, name: string): Promise<void> {
  scene.endless.add(id)
  await hear(await ask(scene, id, play(name), SMALL))
}

async function sendSlowly({ client }: Conversation): Promise<void> {
  for (let i = 0; i < PIECES; i++) {
    await pause(BREATH_MS)
    if (!(await write(client, PIECE))) return
  }
}

const ACTS: Readonly<Record<string, Act>> = {
  'without a token': (scene, id) => denied(scene, id, []),
  'with a wrong token': (scene, id) => denied(scene, id, ['x-api-key: wrong']),
  'with two tokens': (scene, id) => {
    const field = `Authorization: Bearer ${scene.tokens.good(0)}`
    return denied(scene, id, [field, field])
  },
  'with a token that comes and goes': (scene, id) =>
    denied(scene, id, [`x-api-key: ${scene.tokens.passing(id.length)}`]),
  'says nothing': async ({ port }) => {
    const client = openRaw(port)
    client.socket.on('connect', () => client.socket.destroy())
    await client.ended
  },
  'names that nobody has heard of': async (scene, id) => {
    for (let i = 0; i < NAMES; i++) {
      const name = `${id}-${i}`
      const path = { method: 'REPORT', target: `/new/${name}?${name}`, ...play('trailers') }
      await hear(await ask(scene, name, path, SMALL))
      await hear(await ask(scene, `${name}-model`, play('trailers'), `{"model":"${name}"}`))
    }
  },
  'waits for an answer that does not come': (scene, id) => waitInVain(scene, id, 'no answer'),
  'waits for more of a stream': (scene, id) => waitInVain(scene, id, 'stream held'),
  'sends slowly': async (scene, id) => {
    const conversation = await ask(scene, id, play('interim'), PIECE, PIECE.length * (PIECES + 1))
    await sendSlowly(conversation)
    await hear(conversation)
  },
  'sends slowly, and not all': async (scene, id) => hear(await ask(scene, id, {}, PIECE, PIECE.length * (PIECES + 1))),
  'sends slowly, and resets': async (scene, id) => {
    const conversation = await ask(scene, id, {}, PIECE, PIECE.length * 1000)
    await sendSlowly(conversation)
    conversation.client.socket.resetAndDestroy()
    await hear(conversation)
  },
  'reads slowly': async (scene, id) => {
    const conversation = await ask(scene, id, play('flood'), SMALL)
    const { socket } = conversation.client
    for (let i = 0; i < PIECES; i++) {
      socket.pause()
      await pause(BREATH_MS)
      socket.resume()
      await pause(1)
    }
    await hear(conversation)
  },
  'does not read': async (scene, id) => {
    const conversation = await ask(scene, id, play('flood'), SMALL)
    conversation.client.socket.pause()
    await scene.over(id)
    // What the kernel has of it, and then the end.
    conversation.client.socket.resume()
    await hear(conversation)
  },
}

/** So many clients of each kind. Their ids begin with the prefix. */
export function planActs(scene: Scene, prefix: string, each: number): Job[] {
  return Object.entries(ACTS).flatMap(([title, act], kind) =>
    Array.from({ length: each }, (_, index) => {
      const id = `${prefix}-act-${kind}-${index}`
      return { title: `${id}: ${title}`, run: () => act(scene, id) }
    }),
  )
}
