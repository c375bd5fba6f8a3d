import type { Problem } from './problem.ts'
import { entriesOf } from './targets.ts'
import { unreadable } from './wording.ts'

/** Who a client is, and what is known of its token. */
export interface Token {
  readonly name: string
  /** Of the token, lower-case hex. */
  readonly sha256: string
}

/** What a name looks like. */
export const TOKEN_NAME = '^[A-Za-z0-9._-]{1,64}$'
/** What a hash looks like. */
export const TOKEN_HASH = '^[0-9A-Fa-f]{64}$'

export const NO_NAME = 'the name is not usable; write 1 to 64 letters, digits, dots, underscores and hyphens'
export const HOW_TO_HASH = 'write the 64 hex digits that printf %s "$TOKEN" | sha256sum prints'

const name = new RegExp(TOKEN_NAME)
const hash = new RegExp(TOKEN_HASH)

// What is printed where TOKEN was not set.
const HASH_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

type ParsedTokens = { readonly value: readonly Token[] } | { readonly problems: readonly string[] }

/** The tokens file at that path. `readFile` may throw. */
export function readTokensFile(path: string, readFile: (path: string) => string): ParsedTokens {
  let text: string
  try {
    text = readFile(path)
  } catch (error) {
    return { problems: [unreadable(error)] }
  }
  return parseTokens(text)
}

/** The tokens of a file, one `name:sha256hex` a line, or what is wrong with which lines; never what stands there. */
export function parseTokens(text: string): ParsedTokens {
  const tokens = new Map<string, Token>()
  const lines = text.split('\n')
  const problems = lines.flatMap((raw, index) => {
    const line = raw.trim() // of a byte order mark too
    const why = line === '' || line.startsWith('#') ? undefined : addLine(tokens, line)
    return why === undefined ? [] : [`line ${index + 1}: ${why}`]
  })
  if (problems.length > 0) return { problems }
  return tokens.size > 0
    ? { value: [...tokens.values()] }
    : { problems: ['no token in it; write name:sha256hex lines'] }
}

/** The tokens under `tokens` in the config file; what has another shape is left to the schema. */
export function readTokens(value: unknown) {
  const tokens = new Map<string, Token>()
  const problems: Problem[] = []
  for (const [client, hashes] of entriesOf(value)) {
    for (const one of Array.isArray(hashes) ? (hashes as unknown[]) : [hashes]) {
      if (typeof one !== 'string' || !hash.test(one) || !name.test(client)) continue
      const why = add(tokens, client, one)
      if (why !== undefined) problems.push({ path: ['tokens', client], why })
    }
  }
  return { tokens: [...tokens.values()], problems }
}

/** Adds the token of a line, or says why not. */
function addLine(tokens: Map<string, Token>, line: string): string | undefined {
  const [, client = '', digits = ''] = /^([^:]*):(.*)$/.exec(line) ?? []
  if (!hash.test(digits)) return `not name:sha256hex; ${HOW_TO_HASH}, after the name and a colon`
  return name.test(client) ? add(tokens, client, digits) : NO_NAME
}

/** Adds a token by its hash, or says why not. */
function add(tokens: Map<string, Token>, client: string, digits: string): string | undefined {
  const sha256 = digits.toLowerCase()
  if (sha256 === HASH_OF_NOTHING) return 'the hash of an empty token; set TOKEN before you hash it'
  if (tokens.has(sha256)) return 'a hash that stands above already; write it once'
  tokens.set(sha256, { name: client, sha256 })
  return undefined
}
