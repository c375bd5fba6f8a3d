import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Usage } from '../ollama/facts.ts'

export interface Asked {
  /** Of the proxy, or of Ollama. */
  readonly url: string
  readonly model: string
  readonly prompt: string
  readonly maxTokens: number
  /** Bearer; `undefined` where none is needed. */
  readonly token?: string | undefined
  readonly signal: AbortSignal
}

/** One answer, by the clocks of here and of the server. */
export interface Generation {
  /** `undefined` where no token came. */
  readonly ttftSeconds: number | undefined
  readonly totalSeconds: number
  readonly usage: Usage
}

/** Streams one answer of /api/generate to its end. Rejects with an Error whose message a person understands. */
export async function generate({ url, model, prompt, maxTokens, token, signal }: Asked): Promise<Generation> {
  const startedMs = performance.now()
  const seconds = () => (performance.now() - startedMs) / 1000
  const options = { num_predict: maxTokens, temperature: 0 }
  const body = JSON.stringify({ model, prompt, stream: true, options })
  try {
    const answer = await post(new URL('/api/generate', url), body, token, signal)
    if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}: ${errorIn(await textOf(answer))}`)
    let ttftSeconds: number | undefined
    for await (const record of recordsOf(answer)) {
      if (typeof record.error === 'string') throw new Error(record.error)
      if (isText(record.response) || isText(record.thinking)) ttftSeconds ??= seconds()
      if (record.done === true) return { ttftSeconds, totalSeconds: seconds(), usage: usageOf(record) }
    }
    throw new Error('the answer ended before it was done')
  } catch (error) {
    throw explained(error, url)
  }
}

type Fields = Readonly<Record<string, unknown>>

function post(url: URL, body: string, token: string | undefined, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    }
    const send = url.protocol === 'https:' ? requestHttps : requestHttp
    // A certificate says who somebody is; here only speed is asked for, often by an address that none is made out to.
    const outgoing = send(url, { method: 'POST', headers, agent: false, signal, rejectUnauthorized: false }, resolve)
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

async function* recordsOf(answer: IncomingMessage): AsyncGenerator<Fields> {
  let rest = ''
  answer.setEncoding('utf8')
  for await (const text of answer as AsyncIterable<string>) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield parse(line)
  }
  yield parse(rest)
}

function parse(line: string): Fields {
  if (line.trim() === '') return {}
  try {
    const json: unknown = JSON.parse(line)
    return typeof json === 'object' && json !== null ? (json as Fields) : {}
  } catch {
    throw new Error("the answer is not Ollama's")
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

/** Nanoseconds; a field that is absent was 0, and is not known to have been anything. */
function usageOf(record: Fields): Usage {
  const seconds = (name: string) => (typeof record[name] === 'number' ? record[name] / 1e9 : undefined)
  const count = (name: string) => (typeof record[name] === 'number' ? record[name] : undefined)
  return {
    totalSeconds: seconds('total_duration'),
    loadSeconds: seconds('load_duration'),
    inputTokens: count('prompt_eval_count'),
    promptEvalSeconds: seconds('prompt_eval_duration'),
    outputTokens: count('eval_count'),
    evalSeconds: seconds('eval_duration'),
  }
}

const MAX_ERROR = 64 * 1024

async function textOf(answer: IncomingMessage): Promise<string> {
  let body = ''
  answer.setEncoding('utf8')
  for await (const text of answer as AsyncIterable<string>) {
    body += text
    if (body.length > MAX_ERROR) break
  }
  return body
}

function errorIn(body: string): string {
  try {
    const { error } = JSON.parse(body) as Fields
    if (typeof error === 'string') return error
  } catch {
    // not Ollama's words
  }
  return body.trim().slice(0, 200)
}

function explained(error: unknown, url: string): Error {
  if (!(error instanceof Error)) return new Error(String(error))
  const cause = { cause: error }
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return new Error('no whole answer in time', cause)
  const code = 'code' in error ? String(error.code) : undefined
  if (code === 'ECONNREFUSED') return new Error(`nobody listens at ${url} (connection refused)`, cause)
  if (code === 'ECONNRESET') return new Error(`${url} ended the connection`, cause)
  return code === undefined ? error : new Error(`${url} cannot be reached (${code})`, cause)
}
