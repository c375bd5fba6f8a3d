import { BlockList, isIP } from 'node:net'

interface Address {
  readonly text: string
  readonly family: 'ipv4' | 'ipv6'
}

/**
 * Whose request it is, by address: an IPv4 address, an IPv6 network of 64 bits, or '' where it is not known.
 * A proxy that is trusted is believed who sent it the request, and so is a trusted one before it.
 * @param trustedProxies addresses, or networks as `10.0.0.0/8`
 */
export function createClientAddress(
  trustedProxies: readonly string[],
): (peer: string | undefined, forwardedFor: readonly string[]) => string {
  const trusted = createBlockList(trustedProxies)
  const isTrusted = ({ text, family }: Address) => trusted.check(text, family)
  return (peer, forwardedFor) => {
    let client = parseAddress(peer ?? '')
    if (client === undefined) return ''
    if (!isTrusted(client)) return networkOf(client)
    for (const hop of forwardedFor.join(',').split(',').reverse()) {
      const before = parseAddress(hop.trim())
      if (before === undefined) break
      client = before
      if (!isTrusted(client)) break
    }
    return networkOf(client)
  }
}

function createBlockList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [text = '', bits] = entry.split('/')
    const family = isIP(text)
    if (family === 0) throw new TypeError(`a trusted proxy is no address: ${entry}`)
    if (bits === undefined) list.addAddress(text, family === 4 ? 'ipv4' : 'ipv6')
    else list.addSubnet(text, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

/** An IPv4 address that is mapped into IPv6 is taken as what it is; the zone of a link-local one is left out. */
function parseAddress(text: string): Address | undefined {
  const family = isIP(text)
  if (family === 0) return undefined
  if (family === 4) return { text, family: 'ipv4' }
  const [address = ''] = text.split('%', 1)
  const groups = groupsOf(address)
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:65535') return { text: address, family: 'ipv6' }
  return { text: groups.slice(6).flatMap(bytesOf).join('.'), family: 'ipv4' }
}

function networkOf({ text, family }: Address): string {
  if (family === 'ipv4') return text
  const network = groupsOf(text).slice(0, 4)
  return `${network.map((group) => group.toString(16)).join(':')}::/64`
}

/** The eight numbers of an IPv6 address. */
function groupsOf(address: string): number[] {
  const [before = [], after] = address.split('::').map((part) => (part === '' ? [] : part.split(':').flatMap(groupOf)))
  if (after === undefined) return before
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

/** The last two groups may be written as an IPv4 address. */
function groupOf(text: string): number[] {
  if (!text.includes('.')) return [parseInt(text, 16)]
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number)
  return [a * 256 + b, c * 256 + d]
}

function bytesOf(group: number): number[] {
  return [group >> 8, group & 255]
}
