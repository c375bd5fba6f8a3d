import { request, type Agent, type IncomingMessage } from 'node:http'

import type { Scene } from './traffic-mix.ts'

/** How one request of the load went. */
export interface TrafficResult {
  readonly scene: string
  /** `left`: by the client's own will. `failed`: no answer, or one that broke off. */
  readonly outcome: 'answered' | 'left' | 'failed'
  /** Undefined where no head came. */
  readonly status: number | undefined
  /** Bytes of the body that were read. */
  readonly bytes: number
  /** The code or message of the error of a failed one. */
  readonly error: string | undefined
}

export interface SendOptions {
  readonly url: URL
  readonly agent: Agent
  /** Ends the request when the load stops. */
  readonly signal: AbortSignal
}

function errorText(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

/** Sends one request and reads all of its answer, or leaves as the scene says. Never rejects. */
export function sendScene(scene: Scene, { url, agent, signal }: SendOptions): Promise<TrafficResult> {
  return new Promise((resolve) => {
    let response: IncomingMessage | undefined
    let bytes = 0
    const body = typeof scene.body === 'object' ? JSON.stringify(scene.body) : scene.body
    const length =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const outgoing = request(new URL(scene.path, url), { method: scene.method, agent, headers: length })

    const finish = (outcome: TrafficResult['outcome'], error?: Error) => {
      clearTimeout(leaveTimer)
      signal.removeEventListener('abort', leave)
      const text = error && errorText(error)
      resolve({ scene: scene.name, outcome, status: response?.statusCode, bytes, error: text })
    }
    const leave = () => {
      finish('left')
      outgoing.destroy()
    }
    const { leave: leaving } = scene
    const leaveTimer = leaving && 'afterMs' in leaving ? setTimeout(leave, leaving.afterMs) : undefined
    signal.addEventListener('abort', leave)

    outgoing.on('error', (error) => finish('failed', error))
    outgoing.on('response', (incoming) => {
      response = incoming
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (leaving && 'afterBytes' in leaving && bytes >= leaving.afterBytes) leave()
      })
      incoming.on('end', () => finish('answered'))
      incoming.on('error', (error) => finish('failed', error))
    })
    outgoing.end(body)
    if (signal.aborted) leave()
  })
}
