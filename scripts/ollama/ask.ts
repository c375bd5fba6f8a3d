import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'

/** Whom to ask: Ollama, or the proxy in front of it. */
export interface Target {
  readonly url: URL
  /** Sent as a bearer token. */
  readonly token?: string | undefined
}

export type Fields = Readonly<Record<string, unknown>>

/** An answer that is no 2xx, or an error inside of a stream (status 200). */
export class AnswerError extends Error {
  override readonly name = 'AnswerError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const MAX_LINE = 16 * 1024 * 1024

/**
 * Asks, and gives each line of the answer as it comes. Ends where the answer does; the signal ends it earlier.
 * By node:http, since fetch gives up on an answer that begins after five minutes, and a cold load can take longer.
 * Throws an AnswerError for a refusal, another error where the connection fails or the answer is cut.
 */
export async function* askLines(
  target: Target,
  path: string,
  body?: Fields,
  signal?: AbortSignal,
): AsyncGenerator<Fields> {
  const answer = await send(target, path, body, signal)
  if (answer.statusCode === undefined || answer.statusCode >= 300) throw await refusal(answer)
  let rest = ''
  for await (const text of answer.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE) throw new Error('a line of the answer has no end')
    for (const line of lines) if (line.trim() !== '') yield parse(line)
  }
  if (rest.trim() !== '') yield parse(rest)
}

/** Asks for one object. */
export async function askJson(target: Target, path: string, body?: Fields, signal?: AbortSignal): Promise<Fields> {
  let last: Fields = {}
  for await (const line of askLines(target, path, body, signal)) last = line
  return last
}

/** Why it failed, in a line. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message
  return error.message
}

function send({ url, token }: Target, path: string, body?: Fields, signal?: AbortSignal): Promise<IncomingMessage> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const headers = {
    ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const method = text === undefined ? 'GET' : 'POST'
    const request = open(new URL(path, url), { method, headers, ...(signal && { signal }) })
    request.on('response', resolve)
    request.on('error', reject)
    request.end(text)
  })
}

async function refusal(answer: IncomingMessage): Promise<AnswerError> {
  let text = ''
  for await (const part of answer.setEncoding('utf8') as AsyncIterable<string>) text = (text + part).slice(0, 4096)
  const status = answer.statusCode ?? 0
  const told = /"error"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1]
  const why = told === undefined ? text.trim().slice(0, 200) : String(JSON.parse(told))
  return new AnswerError(status, `${status} ${why}`.trim())
}

function parse(line: string): Fields {
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('the answer is no object')
  const fields = value as Fields
  if (typeof fields.error === 'string') throw new AnswerError(200, fields.error)
  return fields
}
