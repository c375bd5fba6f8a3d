import { createHash, timingSafeEqual } from 'node:crypto'
import { proxyError, type ProxyError } from '../proxy/errors.ts'
import type { AccessFields } from './fields.ts'
import type { AccessRules } from './rules.ts'

/** Names, in lower case, of the fields that carry a token. */
export const TOKEN_FIELDS: ReadonlySet<string> = new Set(['authorization', 'x-api-key'])

/** The one answer to a token that is missing or wrong: it does not tell which. */
const UNAUTHORIZED: ProxyError = proxyError(
  401,
  'denied',
  'unauthorized',
  'this needs a valid token; send "Authorization: Bearer TOKEN" or "x-api-key: TOKEN", once',
  ['WWW-Authenticate', 'Bearer realm="ollascope"'],
)

const MAX_TOKEN_BYTES = 4096
const SHA256_BYTES = 32

/**
 * The check of the token: gives its name, or a denial.
 * Throws a TypeError where a hash is no sha256.
 */
export function createTokenCheck(
  tokens: NonNullable<AccessRules['tokens']>,
): (fields: AccessFields) => string | ProxyError {
  const known = tokens.map(({ name, sha256 }) => ({ name, hash: parseHash(name, sha256) }))
  return ({ authorizations, apiKeys }) => {
    if (authorizations.length > 1 || apiKeys.length > 1) return UNAUTHORIZED
    return search(known, bearerToken(authorizations[0])) ?? search(known, apiKeys[0]) ?? UNAUTHORIZED
  }
}

function parseHash(name: string, sha256: string): Buffer {
  const hash = Buffer.from(sha256, 'hex')
  if (hash.length !== SHA256_BYTES) throw new TypeError(`the hash of the token ${name} is no sha256`)
  return hash
}

function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization?.slice(0, 7).toLowerCase() !== 'bearer ') return undefined
  return authorization.slice(7).trimStart()
}

interface Known {
  readonly name: string
  readonly hash: Buffer
}

/** Compares with every hash: how long it takes does not tell which one it was. */
function search(known: readonly Known[], token: string | undefined): string | undefined {
  if (token === undefined || token === '' || token.length > MAX_TOKEN_BYTES) return undefined
  // A header's characters are its bytes.
  const hash = createHash('sha256').update(token, 'latin1').digest()
  let found: string | undefined
  for (const { name, hash: other } of known) {
    if (timingSafeEqual(hash, other)) found = name
  }
  return found
}
