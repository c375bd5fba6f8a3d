import { isIP } from 'node:net'
import { proxyError, type ProxyError } from '../proxy/errors.ts'
import { matchesAuthority, parseAuthority, parseAuthorityPattern, type AuthorityPattern } from './authority.ts'
import type { AccessFields } from './fields.ts'
import type { AccessRules } from './rules.ts'

/** Ollama's own refusal has no body. */
export const SILENT_REFUSAL: ProxyError = {
  status: 403,
  message: '',
  verdict: { outcome: 'denied', errorType: 'forbidden' },
}

const UNLISTED = proxyError(
  421,
  'denied',
  'forbidden',
  'the Host of this request is not served here; use one that OLLASCOPE_ALLOWED_HOSTS lists, or add it there',
)

/**
 * The check of the Host fields: every one has to pass.
 * @param machineName passes under Ollama's rule
 * Throws a TypeError where a listed host is none.
 */
export function createHostCheck(
  allowed: AccessRules['allowedHosts'],
  machineName: string,
): (fields: AccessFields) => ProxyError | undefined {
  if (allowed === 'any') return () => undefined
  if (allowed === 'ollama') {
    const machine = machineName.toLowerCase()
    return ({ hosts }) => (hosts.every((host) => isLocal(host.toLowerCase(), machine)) ? undefined : SILENT_REFUSAL)
  }
  const patterns = allowed.map(parsePattern)
  return ({ hosts }) =>
    hosts.length > 0 && hosts.every((host) => isListed(host.toLowerCase(), patterns)) ? undefined : UNLISTED
}

const LOCAL_SUFFIX = /\.(?:localhost|local|internal)$/

function isLocal(host: string, machine: string): boolean {
  const name = parseAuthority(host)?.name
  if (name === undefined) return false
  return name === '' || name === 'localhost' || name === machine || isIP(name) !== 0 || LOCAL_SUFFIX.test(name)
}

function isListed(host: string, patterns: readonly AuthorityPattern[]): boolean {
  const asked = parseAuthority(host)
  return asked !== undefined && patterns.some((pattern) => matchesAuthority(pattern, asked))
}

function parsePattern(text: string): AuthorityPattern {
  const pattern = parseAuthorityPattern(text.toLowerCase())
  if (pattern === undefined) throw new TypeError(`OLLASCOPE_ALLOWED_HOSTS: ${text} is no host`)
  return pattern.port === '' ? { ...pattern, port: undefined } : pattern
}
