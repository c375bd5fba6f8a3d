import { createHash } from 'node:crypto'
import { createGate, type AccessRules } from '../../../src/access/gate.ts'
import type { Admission, AskedHead } from '../../../src/proxy/admission.ts'

/** Rules that let everything through. */
export const OPEN: AccessRules = {
  policy: 'full',
  tokens: undefined,
  trustedProxies: [],
  allowedHosts: 'any',
  allowedOrigins: 'any',
  requestsPerMinute: undefined,
}

/** A request with these header fields: name, value, name, value. */
export function asked(rawHeaders: readonly string[], method = 'GET', target = '/'): AskedHead {
  return { method, target, rawHeaders, peer: '192.0.2.1' }
}

/** The token's rule. */
export function token(name: string, text: string): { name: string; sha256: string } {
  return { name, sha256: createHash('sha256').update(text).digest('hex') }
}

/** What one request is answered by the gate; 0 where it is let through. */
export function statusOf(rules: Partial<AccessRules>, head: AskedHead): number {
  return status(createGate({ ...OPEN, ...rules }, () => 0, 'Big-Box').admit(head))
}

export function status(admission: Admission): number {
  return 'denial' in admission ? admission.denial.status : 0
}
