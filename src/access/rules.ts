import type { Policy } from '../ollama/endpoints.ts'

/** Who may ask what. */
export interface AccessRules {
  readonly policy: Policy
  /** `sha256` in hex; undefined: nobody needs a token, empty: nobody has one. */
  readonly tokens: readonly { readonly name: string; readonly sha256: string }[] | undefined
  /** Addresses, or networks as `10.0.0.0/8`. */
  readonly trustedProxies: readonly string[]
  /** `ollama`: Ollama's own rule. Or `name`, `name:port`, `*.suffix`. */
  readonly allowedHosts: 'ollama' | 'any' | readonly string[]
  /** `ollama`: what Ollama allows by default. Or `scheme://host`, with `*`, `*.suffix` and `:*`. */
  readonly allowedOrigins: 'ollama' | 'any' | readonly string[]
  /** Of each client; at least 1. */
  readonly requestsPerMinute: number | undefined
}
