import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { parseArgs } from 'node:util'
import { createReader } from '../config/reader.ts'
import { settings } from '../config/settings.ts'
import { formatAddress } from '../listen.ts'
import { reachable } from '../reachable.ts'
import type { Terminal } from '../terminal.ts'
import { UsageError } from '../usage-error.ts'

const USAGE = `Usage: ollascope healthcheck [--ready]

Asks the admin listener of OLLASCOPE_ADMIN_LISTEN whether its process lives. Exit 0: it does; 1: it does not.

  --ready   whether a request would be served now (/readyz)
`
const TIMEOUT_MS = 3000
const MAX_BODY = 4096

/** `ollascope healthcheck`, for containers that have no curl. It loads no more than it needs: it is started often. */
export async function healthcheck(argv: readonly string[], { env, stdout, stderr }: Terminal): Promise<number> {
  const { help, ready } = parse(argv)
  if (help) {
    stdout(USAGE)
    return 0
  }
  const { read, problems } = createReader(env, (path) => readFileSync(path, 'utf8'))
  const address = read(settings.adminListen)
  if (problems[0] !== undefined) throw new UsageError(problems[0])
  const url = `http://${formatAddress(reachable(address))}${ready ? '/readyz' : '/healthz'}`
  try {
    const { status, body } = await get(url)
    if (status === 200) {
      stdout(`ollascope: ${url} is answered 200\n`)
      return 0
    }
    stderr(`ollascope: ${url} is answered ${status}${reasonsIn(body)}\n`)
  } catch (error) {
    stderr(`ollascope: ${url}: ${whyOf(error)}; does ollascope run here, with this OLLASCOPE_ADMIN_LISTEN?\n`)
  }
  return 1
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: { ready: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
    }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** The time is for the whole answer, however it drips. */
function get(url: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) }, (answer) => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', (text: string) => (body = (body + text).slice(0, MAX_BODY)))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
      answer.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** Why it is not ready, in its own words. */
function reasonsIn(body: string): string {
  try {
    const json: unknown = JSON.parse(body)
    const reasons: unknown = typeof json === 'object' && json !== null && 'reasons' in json ? json.reasons : undefined
    return Array.isArray(reasons) && reasons.length > 0 ? `: ${reasons.join('; ')}` : ''
  } catch {
    return ''
  }
}

function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`
  const code = 'code' in error ? error.code : undefined
  return code === 'ECONNREFUSED' ? 'connection refused' : error.message || String(code)
}
