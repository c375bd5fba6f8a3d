import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'

export interface Reply {
  readonly status: number
  /** Names and values by turns, as they came. */
  readonly rawHeaders: readonly string[]
  readonly header: (name: string) => string | undefined
  readonly body: Buffer
  readonly text: string
  /** Throws where it is none. */
  readonly json: () => unknown
}

export interface AskOptions {
  readonly signal: AbortSignal
  readonly headers?: Readonly<Record<string, string>>
  /** A Unix socket; the host of the URL is a name only. */
  readonly socketPath?: string | undefined
  /** Takes no more than this, and calls that the whole; left out, more is an error. */
  readonly takeBytes?: number | undefined
  /** POSTs this as JSON in the place of a GET. */
  readonly post?: unknown
}

/** Nobody answered, or not in time. The message says who did not, and how. */
export class NoReply extends Error {
  override readonly name = 'NoReply'
  readonly reason: 'refused' | 'timeout' | 'other'

  constructor(reason: NoReply['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

const MAX_BYTES = 16 * 1024 * 1024

/** Gets an answer of any status. Rejects with a NoReply. Certificates are not judged: who answers is not the question. */
export async function ask(url: string, { signal, headers, socketPath, takeBytes, post }: AskOptions): Promise<Reply> {
  const target = new URL(url)
  const send = target.protocol === 'https:' ? requestHttps : requestHttp
  const sent =
    post === undefined
      ? { method: 'GET', headers: { ...headers } }
      : { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } }
  try {
    signal.throwIfAborted()
    return await new Promise<Reply>((resolve, reject) => {
      const options = { ...sent, signal, agent: false, rejectUnauthorized: false, ...(socketPath && { socketPath }) }
      const outgoing = send(target, options, (answer) => {
        const parts: Buffer[] = []
        let length = 0
        const finish = () => {
          const body = Buffer.concat(parts).subarray(0, takeBytes)
          const text = body.toString()
          const header = (name: string) => [answer.headers[name] ?? []].flat()[0]
          const json = () => JSON.parse(text) as unknown
          resolve({ status: answer.statusCode ?? 0, rawHeaders: answer.rawHeaders, header, body, text, json })
        }
        answer.on('data', (bytes: Buffer) => {
          parts.push(bytes)
          length += bytes.length
          if (takeBytes !== undefined && length >= takeBytes) {
            finish()
            answer.destroy()
          } else if (length > MAX_BYTES) answer.destroy(new Error(`it is longer than ${MAX_BYTES} bytes`))
        })
        answer.on('end', finish)
        answer.on('error', reject)
      })
      outgoing.on('error', reject)
      outgoing.end(post === undefined ? undefined : JSON.stringify(post))
    })
  } catch (error) {
    throw explain(error, socketPath ?? target.origin)
  }
}

function explain(error: unknown, where: string): NoReply {
  const cause = { cause: error }
  if (!(error instanceof Error)) return new NoReply('other', `${where}: ${String(error)}`, cause)
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return new NoReply('timeout', `${where} does not answer in time`, cause)
  }
  const code = 'code' in error ? String(error.code) : undefined
  if (code === 'ECONNREFUSED') return new NoReply('refused', `nobody listens at ${where} (connection refused)`, cause)
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new NoReply('other', `nobody knows the host of ${where}`, cause)
  return new NoReply('other', `${where}: ${error.message || (code ?? 'no answer')}`, cause)
}
