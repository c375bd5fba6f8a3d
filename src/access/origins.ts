import { proxyError, type ProxyError } from '../proxy/errors.ts'
import { matchesAuthority, parseAuthority, parseAuthorityPattern, type AuthorityPattern } from './authority.ts'
import type { AccessFields } from './fields.ts'
import { SILENT_REFUSAL } from './hosts.ts'
import type { AccessRules } from './rules.ts'

const UNLISTED = proxyError(
  403,
  'denied',
  'forbidden',
  'pages of this origin may not ask here; add the origin to OLLASCOPE_ALLOWED_ORIGINS',
)

/**
 * The check of the Origin fields: every one has to pass, an empty one is none.
 * Throws a TypeError where a listed origin is none.
 */
export function createOriginCheck(
  allowed: AccessRules['allowedOrigins'],
): (fields: AccessFields) => ProxyError | undefined {
  if (allowed === 'any') return () => undefined
  if (allowed === 'ollama') {
    return ({ origins, hosts }) =>
      origins.every((origin) => origin === '' || isOllamas(origin.toLowerCase(), hosts)) ? undefined : SILENT_REFUSAL
  }
  const patterns = allowed.map(parsePattern)
  return ({ origins }) =>
    origins.every((origin) => origin === '' || isListed(origin.toLowerCase(), patterns)) ? undefined : UNLISTED
}

/** The parts before and after `://`; both are '' where it is missing. */
function split(origin: string): readonly [scheme: string, rest: string] {
  const at = origin.indexOf('://')
  return at === -1 ? ['', ''] : [origin.slice(0, at), origin.slice(at + 3)]
}

const APP_SCHEMES = new Set(['app', 'file', 'tauri', 'vscode-webview', 'vscode-file'])
const LOCAL_NAMES = new Set(['localhost', '127.0.0.1', '0.0.0.0'])

/** What Ollama allows where OLLAMA_ORIGINS is not set, and a page that came from the very Host it asks. */
function isOllamas(origin: string, hosts: readonly string[]): boolean {
  const [scheme, rest] = split(origin)
  if (APP_SCHEMES.has(scheme)) return true
  if (scheme !== 'http' && scheme !== 'https') return false
  if (rest !== '' && hosts.length === 1 && rest === hosts[0]?.toLowerCase()) return true
  return LOCAL_NAMES.has(parseAuthority(rest)?.name ?? '')
}

interface OriginPattern {
  readonly scheme: string
  readonly authority: AuthorityPattern
}

function isListed(origin: string, patterns: readonly OriginPattern[]): boolean {
  const [scheme, rest] = split(origin)
  const asked = parseAuthority(rest)
  if (asked === undefined) return false
  return patterns.some((pattern) => pattern.scheme === scheme && matchesAuthority(pattern.authority, asked))
}

function parsePattern(text: string): OriginPattern {
  const [scheme, rest] = split(text.toLowerCase())
  const authority = parseAuthorityPattern(rest)
  if (authority === undefined || !/^[a-z][\w+.-]*$/.test(scheme)) {
    throw new TypeError(`OLLASCOPE_ALLOWED_ORIGINS: ${text} is no origin`)
  }
  return { scheme, authority }
}
