// A client that stays: whatever it asks, in all rounds, goes over one connection.
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Scene } from './clients.ts'

export interface Regular {
  /** Asks a few times for everything; ids begin with the prefix. */
  readonly visit: (scene: Scene, prefix: string) => Promise<void>
  readonly leave: () => void
}

interface Wish {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** Sent when the answer is there. */
  readonly rest?: string
}

const recorded = (name: string) => ({ 'X-Demo-Recording': name })
const CHAT = '{"model":"chat:270m","messages":[]}'

const WISHES: readonly Wish[] = [
  { method: 'GET', path: '/api/tags', headers: recorded('tags') },
  { method: 'POST', path: '/api/chat', headers: recorded('chat-stream'), body: CHAT },
  // Answered while half of it is on its way: the other half is nobody's.
  {
    method: 'POST',
    path: '/api/blobs/sha256:abc',
    headers: recorded('ollama/blob-upload-there'),
    body: 'half',
    rest: 'rest',
  },
]
/** How often each is wished for in a visit. */
const TIMES = 40

export function createRegular(): Regular {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })

  async function ask({ port, seen, tokens }: Scene, id: string, wish: Wish): Promise<void> {
    const { method, path, body = '', rest = '' } = wish
    const length = body === '' ? {} : { 'Content-Length': body.length + rest.length }
    const headers = { 'X-Request-ID': id, 'x-api-key': tokens.good(0), ...length, ...wish.headers }
    const sent = request({ agent, port, host: '127.0.0.1', method, path, headers })
    const title = `${id}: ${method} ${path}`
    sent.on('error', () => undefined) // behind the answer, too
    if (rest === '') sent.end(body)
    else sent.write(body)
    try {
      const [answer] = (await once(sent, 'response')) as [IncomingMessage]
      seen.sure.set(id, { id, title })
      const bytes = (await buffer(answer)).length
      seen.answers.set(id, { status: answer.statusCode ?? 0, bytes })
    } catch {
      seen.maybe.set(id, { id, title }) // on a slow machine it may be cut off
    }
    if (rest !== '') sent.end(rest)
  }

  return {
    async visit(scene, prefix) {
      for (let i = 0; i < TIMES; i++) {
        for (const [index, wish] of WISHES.entries()) await ask(scene, `${prefix}-regular-${index}-${i}`, wish)
      }
    },
    leave: () => agent.destroy(),
  }
}
