import { isIP, isIPv4, isIPv6 } from 'node:net'
import { COLLECTOR_NAMES, type CollectorName } from './collector-names.ts'
import { shown } from './parsers.ts'
import type { Parsed, Parser } from './parsers.ts'

/** What is let in: by Ollama's own rule, anything, or what is on the list, in lower case. */
export type Allowed = 'ollama' | 'any' | readonly string[]

/** Addresses and CIDRs, separated by commas; none of ''. */
export const parseNetworks: Parser<readonly string[]> = (text) =>
  text === ''
    ? { value: [] }
    : parseList(text, isNetwork, 'an address or a CIDR; write 10.0.0.0/8, 192.0.2.1 or fd00::/8')

/** `auto`, `*` for any, or hosts, separated by commas: `name`, `name:port`, `*.suffix`, `[::1]`. */
export const parseHosts = autoOr((text) =>
  parseList(text, isHost, 'a host; write name, name:port, *.suffix or [::1], without scheme or path'),
)

/** As `parseHosts`, of origins: `scheme://host` or `scheme://host:port`, `*` for the first label, all of the host, or the port. */
export const parseOrigins = autoOr((text) => {
  const origins = parseList(text, isOrigin, 'an origin; write scheme://host or scheme://host:port, without a path')
  // A browser leaves out the port that the scheme has anyway.
  return 'value' in origins ? { value: origins.value.map((one) => one.replace(IMPLIED_PORT, '$1$2')) } : origins
})

/** Names of collectors, separated by commas; `none`, or undefined of '': all that can run. */
export const parseCollectors: Parser<readonly CollectorName[] | undefined> = (text) => {
  if (text === '') return { value: undefined }
  if (text === 'none') return { value: [] }
  const entries = entriesOf(text)
  const wrong = entries.find((entry) => !COLLECTOR_NAMES.some((name) => name === entry))
  if (wrong === undefined) return { value: COLLECTOR_NAMES.filter((name) => entries.includes(name)) }
  return { problem: `${shown('', wrong)} is none of ${COLLECTOR_NAMES.join(', ')}; write a list of them, or none` }
}

/** Names of containers, separated by commas; none of ''. */
export const parseContainers: Parser<readonly string[]> = (text) => {
  if (text === '') return { value: [] }
  const entries = text.split(',').map((entry) => entry.trim())
  const wrong = entries.find((entry) => !CONTAINER.test(entry))
  if (wrong === undefined) return { value: [...new Set(entries)] }
  return { problem: wrong === '' ? 'an entry is empty; write a,b' : `${shown('', wrong)} is no name of a container` }
}

function autoOr(parse: Parser<readonly string[]>): Parser<'auto' | Exclude<Allowed, 'ollama'>> {
  return (text) => {
    if (text === 'auto') return { value: 'auto' }
    if (text === '*') return { value: 'any' }
    const alone = ['auto', '*'].find((word) => entriesOf(text).includes(word))
    return alone === undefined ? parse(text) : { problem: `${alone} goes with nothing else; write it alone` }
  }
}

function parseList(text: string, isEntry: (entry: string) => boolean, wanted: string): Parsed<readonly string[]> {
  const entries = entriesOf(text)
  const wrong = entries.find((entry) => !isEntry(entry))
  if (wrong === undefined) return { value: entries }
  return { problem: wrong === '' ? 'an entry is empty; write a,b' : `${shown('', wrong)} is not ${wanted}` }
}

function entriesOf(text: string): string[] {
  return text.split(',').map((entry) => entry.trim().toLowerCase())
}

function isNetwork(entry: string): boolean {
  const [, address = '', bits = '0'] = NETWORK.exec(entry) ?? []
  const family = isIP(address)
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128)
}

function isHost(entry: string): boolean {
  const [, ipv6, name = '', port = '1'] = HOST.exec(entry) ?? []
  return isPort(port) && (ipv6 === undefined ? isName(name) : isIPv6(ipv6))
}

function isOrigin(entry: string): boolean {
  const [, ipv6, name = '', port = '*'] = ORIGIN.exec(entry) ?? []
  return (port === '*' || isPort(port)) && (ipv6 === undefined ? isName(name) : isIPv6(ipv6))
}

function isName(name: string): boolean {
  // Digits and dots alone are meant as an address.
  return name !== '' && (!/^[*\d.]*\d$/.test(name) || isIPv4(name))
}

function isPort(digits: string): boolean {
  return Number(digits) >= 1 && Number(digits) <= 65_535
}

/** As Docker has it, and Podman too. */
const CONTAINER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/
const NETWORK = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/
const HOST = /^(?:\[([\da-f:.]+)\]|((?:\*\.)?[\w-]+(?:\.[\w-]+)*))(?::(\d{1,5}))?$/
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/(?:\[([\da-f:.]+)\]|(\*|(?:\*\.)?[\w-]+(?:\.[\w-]+)*))(?::(\d{1,5}|\*))?$/
const IMPLIED_PORT = /^(http:.*):80$|^(https:.*):443$/
