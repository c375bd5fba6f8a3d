import type { Admission, AskedHead } from '../proxy/admission.ts'
import { proxyError, type ProxyError } from '../proxy/errors.ts'
import { createClientAddress } from './client-address.ts'
import { readFields } from './fields.ts'
import { createHostCheck } from './hosts.ts'
import { createOriginCheck } from './origins.ts'
import { createPolicyCheck } from './policy.ts'
import { createRateLimit } from './rate-limit.ts'
import type { AccessRules } from './rules.ts'
import { createTokenCheck, TOKEN_FIELDS } from './tokens.ts'

export type { AccessRules } from './rules.ts'

export interface Gate {
  /** What a request is answered at once, if it may not pass. */
  admit: (head: AskedHead) => Admission
  /** Replaces the tokens; throws a TypeError, and keeps the old ones, where a hash is no sha256. */
  setTokens: (tokens: AccessRules['tokens']) => void
  /** Names, in lower case, of the fields that were meant for this gate and no one behind it. */
  credentialHeaders: () => ReadonlySet<string>
}

const NONE: ReadonlySet<string> = new Set()

/**
 * Throws a TypeError where a rule is not in the form that it should have.
 * @param now milliseconds, monotonic
 * @param machineName what Ollama's Host rule takes for the machine's own
 */
export function createGate(rules: AccessRules, now: () => number, machineName: string): Gate {
  const checkHost = createHostCheck(rules.allowedHosts, machineName)
  const checkOrigin = createOriginCheck(rules.allowedOrigins)
  const checkPolicy = createPolicyCheck(rules.policy)
  const addressOf = createClientAddress(rules.trustedProxies)
  const perMinute = rules.requestsPerMinute
  const checkRate = perMinute === undefined ? undefined : createRateCheck(perMinute, now)
  let checkToken = rules.tokens && createTokenCheck(rules.tokens)

  return {
    admit: (head) => {
      const fields = readFields(head.rawHeaders)
      const foreign = checkHost(fields) ?? checkOrigin(fields)
      if (foreign !== undefined) return { client: undefined, denial: foreign }
      const client = checkToken?.(fields)
      if (typeof client === 'object') return { client: undefined, denial: client }
      const denial = checkPolicy(head, fields) ?? checkRate?.(client ?? addressOf(head.peer, fields.forwardedFor))
      return denial === undefined ? { client } : { client, denial }
    },
    setTokens: (tokens) => {
      checkToken = tokens && createTokenCheck(tokens)
    },
    credentialHeaders: () => (checkToken === undefined ? NONE : TOKEN_FIELDS),
  }
}

function createRateCheck(perMinute: number, now: () => number): (client: string) => ProxyError | undefined {
  const secondsToWait = createRateLimit(perMinute, now)
  return (client) => {
    const seconds = secondsToWait(client)
    return seconds === undefined ? undefined : rateLimited(perMinute, seconds)
  }
}

function rateLimited(perMinute: number, seconds: number): ProxyError {
  return proxyError(
    429,
    'denied',
    'rate_limited',
    `more than ${perMinute} requests in a minute (OLLASCOPE_MAX_REQUESTS_PER_MINUTE); try again in ${seconds} s`,
    ['Retry-After', String(seconds)],
  )
}
