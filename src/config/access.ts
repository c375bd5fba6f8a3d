import type { Allowed } from './lists.ts'
import { isLoopback } from './parsers.ts'
import type { ReadFile, Reader } from './reader.ts'
import { settings } from './settings.ts'
import { readTokensFile } from './tokens.ts'
import type { Token } from './tokens.ts'

/** Who may ask for what. */
export interface Access {
  readonly policy: 'full' | 'read-only' | 'inference-only'
  /** Those of the tokens file and of the config file together; undefined where neither is configured. */
  readonly tokens: readonly Token[] | undefined
  readonly tokensFile: string | undefined
  /** Those of the config file alone: they stay when the tokens file is read again. */
  readonly fileTokens: readonly Token[]
  /** Addresses and CIDRs. */
  readonly trustedProxies: readonly string[]
  /** `auto` is resolved already. */
  readonly allowedHosts: Allowed
  readonly allowedOrigins: Allowed
  /** Of one client; undefined is without limit. */
  readonly requestsPerMinute: number | undefined
}

/** The settings of access, with the tokens of the config file. `host` is where the proxy listens. */
export function readAccess(
  { read, refuse }: Reader,
  readFile: ReadFile,
  { host, fileTokens }: { readonly host: string; readonly fileTokens: readonly Token[] },
): Access {
  const tokensFile = read(settings.tokensFile)
  const own = tokensFile === undefined ? { value: [] } : readTokensFile(tokensFile, readFile)
  const problems = 'problems' in own ? own.problems : sharedTokens(own.value, fileTokens)
  for (const why of problems) refuse(settings.tokensFile, why)
  const tokens = [...fileTokens, ...('value' in own ? own.value : [])]
  const automatic = isLoopback(host) ? 'ollama' : 'any'
  const hosts = read(settings.allowedHosts)
  const origins = read(settings.allowedOrigins)
  return {
    policy: read(settings.policy),
    tokens: tokens.length > 0 ? tokens : undefined,
    tokensFile,
    fileTokens,
    trustedProxies: read(settings.trustedProxies),
    allowedHosts: hosts === 'auto' ? automatic : hosts,
    allowedOrigins: origins === 'auto' ? automatic : origins,
    requestsPerMinute: read(settings.requestsPerMinute),
  }
}

/** What is wrong with a tokens file beside the config file's tokens. */
export function sharedTokens(tokens: readonly Token[], fileTokens: readonly Token[]): string[] {
  return tokens.flatMap(({ name, sha256 }) => {
    const twin = fileTokens.find((token) => token.sha256 === sha256)
    return twin === undefined ? [] : [`${name} has the token of ${twin.name} in OLLASCOPE_CONFIG; write it once`]
  })
}
