// Flat arrays of name, value, name, value (rawHeaders) keep case, order and duplicates; only what concerns one hop
// of the way is left out (RFC 9110, 7.6.1).

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'upgrade',
])
// A header of any other length cannot be one of those: most names are never lower-cased.
const LENGTHS = new Set([...HOP_BY_HOP].map((name) => name.length))
// Whoever names one of these in Connection wants the framing or the routing gone: never.
const PROTECTED = new Set(['content-length', 'transfer-encoding', 'host', 'trailer'])

function namedInConnection(raw: string[]): Set<string> | undefined {
  let names: Set<string> | undefined
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.length !== 10 || raw[i]?.toLowerCase() !== 'connection') continue
    const value = raw[i + 1] ?? ''
    if (value === 'keep-alive' || value === 'close') continue
    for (const token of value.split(',')) {
      const name = token.trim().toLowerCase()
      if (!PROTECTED.has(name)) (names ??= new Set()).add(name)
    }
  }
  return names
}

export function endToEnd(raw: string[], drop?: (lowerName: string) => boolean): string[] {
  const named = namedInConnection(raw)
  const out: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (named !== undefined || drop !== undefined || LENGTHS.has(name.length)) {
      const lower = name.toLowerCase()
      if (HOP_BY_HOP.has(lower) || named?.has(lower) === true || drop?.(lower) === true) continue
    }
    out.push(name, raw[i + 1] ?? '')
  }
  return out
}

export function has(raw: string[], lowerName: string): boolean {
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]
    if (name?.length === lowerName.length && name.toLowerCase() === lowerName) return true
  }
  return false
}

export function pairs(raw: string[]): [string, string][] {
  const out: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) out.push([raw[i] ?? '', raw[i + 1] ?? ''])
  return out
}
