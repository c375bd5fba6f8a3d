import { matchEndpoint, rawPathOf, type Endpoint, type Policy } from '../ollama/endpoints.ts'
import { proxyError, type ProxyError } from '../proxy/errors.ts'
import type { AccessFields } from './fields.ts'

interface Asked {
  readonly method: string
  readonly target: string
}

/**
 * The check of method and path. Where the policy is not `full`, it is a list of what is allowed: anything unknown, or
 * spelled so that Ollama could read it as another path, is denied.
 */
export function createPolicyCheck(policy: Policy): (asked: Asked, fields: AccessFields) => ProxyError | undefined {
  if (policy === 'full') return () => undefined
  const denial = proxyError(
    403,
    'denied',
    'forbidden',
    `this method and path are not served under OLLASCOPE_POLICY=${policy}; use another API, or a wider policy`,
  )
  return (asked, { overridesMethod }) => (!overridesMethod && serves(policy, asked) ? undefined : denial)
}

/** A path, or a whole URL as one sends it to a proxy; Ollama takes any scheme. */
const PLAIN_FORM = /^(?:\/|https?:\/\/)/i

function serves(policy: Policy, { method, target }: Asked): boolean {
  if (!PLAIN_FORM.test(target)) return false
  const endpoint = matchEndpoint(target)
  const narrowest = narrowestPolicy(endpoint, method)
  return (narrowest === policy || narrowest === 'inference-only') && isSpelledAs(endpoint.label, rawPathOf(target))
}

/** The narrowest policy under which this method is served there. */
function narrowestPolicy(endpoint: Endpoint, method: string): Policy | undefined {
  // A preflight asks for leave to use the method that the endpoint has.
  if (method === endpoint.method || method === 'OPTIONS') return endpoint.policy
  return method === 'HEAD' ? endpoint.headPolicy : undefined
}

/** Whether the path is the label, character for character, but for its one variable segment. */
function isSpelledAs(label: string, path: string): boolean {
  const variable = label.indexOf(':')
  if (variable === -1) return path === label
  return path.startsWith(label.slice(0, variable)) && isPlainSegment(path.slice(variable))
}

/** https://www.rfc-editor.org/rfc/rfc3986#section-3.3, less the semicolon, which some take for a parameter. */
const SEGMENT = /^[\w.~!$&'()*+,=:@%-]+$/
const ODD = /[/\\\p{Cc}]/u

function isPlainSegment(raw: string): boolean {
  if (!SEGMENT.test(raw)) return false
  try {
    const segment = decodeURIComponent(raw)
    return segment !== '.' && segment !== '..' && !ODD.test(segment)
  } catch {
    return false
  }
}
