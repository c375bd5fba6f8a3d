/** The values of the header fields that decide on access, each as often as it came. */
export interface AccessFields {
  readonly hosts: readonly string[]
  readonly origins: readonly string[]
  readonly authorizations: readonly string[]
  readonly apiKeys: readonly string[]
  readonly forwardedFor: readonly string[]
  /** There is a field that asks to be served by another method than the request line's. */
  readonly overridesMethod: boolean
}

/** @param raw name, value, name, value */
export function readFields(raw: readonly string[]): AccessFields {
  const hosts: string[] = []
  const origins: string[] = []
  const authorizations: string[] = []
  const apiKeys: string[] = []
  const forwardedFor: string[] = []
  let overridesMethod = false
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const value = raw[i + 1] ?? ''
    switch ((raw[i] ?? '').toLowerCase()) {
      case 'host':
        hosts.push(value)
        break
      case 'origin':
        origins.push(value)
        break
      case 'authorization':
        authorizations.push(value)
        break
      case 'x-api-key':
        apiKeys.push(value)
        break
      case 'x-forwarded-for':
        forwardedFor.push(value)
        break
      case 'x-http-method-override':
      case 'x-http-method':
      case 'x-method-override':
        overridesMethod = true
    }
  }
  return { hosts, origins, authorizations, apiKeys, forwardedFor, overridesMethod }
}
