import { isIPv4, isIPv6 } from 'node:net'

/** A name or an address, in lower case and without brackets, and a port, '' where there is none. */
export interface Authority {
  readonly name: string
  readonly port: string
}

const AUTHORITY = /^(?:\[([\da-f:.]+)\]|([\w-]+(?:\.[\w-]+)*)?)(?::(\d*))?$/

/** `host`, `host:port`, `[address]:port` or a bare IPv6 address; undefined for all else. `text` is in lower case. */
export function parseAuthority(text: string): Authority | undefined {
  const match = AUTHORITY.exec(text)
  if (match === null) return isIPv6(text) && !text.includes('%') ? { name: text, port: '' } : undefined
  const [, address, name = '', port = ''] = match
  if (address === undefined) return { name, port }
  return isIPv6(address) ? { name: address, port } : undefined
}

/** What an authority has to look like. */
export interface AuthorityPattern {
  /** `*` stands for any one label, and as the first one for one or more. */
  readonly labels: readonly string[]
  /** It is of digits and stars: a name that begins with the same digits must not pass for an address. */
  readonly address: boolean
  /** undefined: with any port or none. */
  readonly port: string | undefined
}

const LABELS = /^(?:\[([\da-f:.]+)\]|((?:\*|[\w-]+)(?:\.(?:\*|[\w-]+))*))(?::(\d+|\*))?$/

/** `host`, `host:port` or `[address]:port`, with `*` for a label, or for any port or none. `text` is in lower case. */
export function parseAuthorityPattern(text: string): AuthorityPattern | undefined {
  const match = LABELS.exec(text)
  if (match === null) return undefined
  const [, ipv6, name = '', port = ''] = match
  const address = /\d/.test(name) && /^[\d.*]+$/.test(name)
  return { labels: (ipv6 ?? name).split('.'), address, port: port === '*' ? undefined : port }
}

export function matchesAuthority({ labels, address, port }: AuthorityPattern, asked: Authority): boolean {
  if (port !== undefined && port !== asked.port) return false
  if (address && !isIPv4(asked.name)) return false
  const given = asked.name.split('.')
  const more = given.length - labels.length
  if (more < 0 || (more > 0 && labels[0] !== '*')) return false
  return labels.every((label, index) => label === '*' || label === given[more + index])
}
