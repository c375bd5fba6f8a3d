import { readFileSync } from 'node:fs'
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { AnswerError, askJson, reasonOf, type Target } from './ask.ts'

/** A mistake in the call: exit code 2. */
export class CallError extends Error {
  override readonly name = 'CallError'
}

/** What each of the scripts takes. */
const COMMON = {
  url: { type: 'string' },
  'token-file': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

export const COMMON_USAGE = `  --url URL           whom to ask (default OLLAMA_BASE_URL, else http://127.0.0.1:11435, the proxy)
  --token-file FILE   the client's token, where the proxy wants one
  --help              prints this`

/** Reads the call; throws a CallError that says what is wrong with it. */
export function readCall<const T extends ParseArgsOptionsConfig>(options: T) {
  try {
    return parseArgs({ options: { ...COMMON, ...options }, allowPositionals: true })
  } catch (cause) {
    throw new CallError(reasonOf(cause), { cause })
  }
}

type Env = Readonly<Record<string, string | undefined>>

export function targetOf(values: { readonly url?: unknown; readonly 'token-file'?: unknown }, env: Env): Target {
  const asked = typeof values.url === 'string' ? values.url : env.OLLAMA_BASE_URL
  const text = asked === undefined || asked === '' ? 'http://127.0.0.1:11435' : asked
  const url = URL.parse(text)
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new CallError(`${text} is not an http:// or https:// URL`)
  }
  const file = values['token-file']
  return { url, token: typeof file === 'string' ? readToken(file) : undefined }
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new CallError(`--token-file: ${reasonOf(cause)}`, { cause })
  }
}

/** A whole number from `min` on. */
export function numberOf(name: string, text: string, min = 1): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN
  if (!(value >= min && value <= 1_000_000)) throw new CallError(`--${name} must be a whole number from ${min} on`)
  return value
}

/** `90s`, `5m`, `500ms`, `1h`, or a plain number of seconds, in milliseconds. */
export function timeOf(name: string, text: string): number {
  const [, digits = '', unit = 's'] = /^(\d+)(ms|s|m|h)?$/.exec(text) ?? []
  const value = Number(digits) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? NaN)
  if (!(value > 0 && value < 2 ** 31)) throw new CallError(`--${name} must be a time such as 90s or 5m`)
  return value
}

/** Names separated by commas; the positional ones count too. */
export function namesOf(...texts: readonly (string | undefined)[]): string[] {
  const names = texts.flatMap((text) => (text ?? '').split(',')).map((name) => name.trim())
  return [...new Set(names.filter((name) => name !== ''))]
}

/** Waits until Ollama answers; throws with the last reason where it does not in time. A refusal is no reason to wait. */
export async function waitForOllama(target: Target, withinMs: number): Promise<string> {
  const deadline = performance.now() + withinMs
  for (;;) {
    try {
      const { version } = await askJson(target, '/api/version', undefined, AbortSignal.timeout(5000))
      return typeof version === 'string' ? version : 'unknown'
    } catch (error) {
      if (error instanceof AnswerError && error.status >= 400 && error.status < 500) throw error
      if (performance.now() > deadline) {
        throw new Error(`no Ollama answers at ${target.url.origin}: ${reasonOf(error)}`, { cause: error })
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(1000, withinMs / 10)))
    }
  }
}

/** Runs a script's body and sets the exit code: what it gives, 1 for a failure, 2 for a mistake in the call. */
export async function runScript(name: string, body: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await body()
  } catch (error) {
    console.error(`${name}: ${reasonOf(error)}${error instanceof CallError ? `; see ${name} --help` : ''}`)
    process.exitCode = error instanceof CallError ? 2 : 1
  }
}
