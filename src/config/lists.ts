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
    : parseList(wordsOf(text), isNetwork, 'an address or a CIDR; write 10.0.0.0/8, 192.0.2.1 or fd00::/8')

/** `auto`, `*` for any, or hosts, separated by commas: `name`, `name:port`, `*.suffix`, `[::1]`. */
export const parseHosts = autoOr((text) =>
  parseList(wordsOf(text), isHost, 'a host; write name, name:port, *.suffix or [::1], without scheme or path'),
)

/** As `parseHosts`, of origins: `scheme://host` or `scheme://host:port`, `*` for the first label, all of the host, or the port. */
export const parseOrigins = autoOr((text) => {
  const wanted = 'an origin; write scheme://host or scheme://host:port, without a path'
  const origins = parseList(wordsOf(text), isOrigin, wanted)
  // A browser leaves out the port that the scheme has anyway.
  return 'value' in origins ? { value: origins.value.map((one) => one.replace(IMPLIED_PORT, '$1$2')) } : origins
})

/** Names of collectors, separated by commas, once each and in their order; `none`; or `auto`, undefined: all that can run. */
export const parseCollectors: Parser<readonly CollectorName[] | undefined> = (text) => {
  const words = wordsOf(text)
  const word = ['auto', 'none'].find((one) => words.includes(one))
  if (word !== undefined && words.length > 1) return notAlone(word)
  if (word !== undefined) return { value: word === 'auto' ? undefined : [] }
  const isCollector = (entry: string) => COLLECTOR_NAMES.some((name) => name === entry)
  const parsed = parseList(words, isCollector, `a collector; write some of ${COLLECTOR_NAMES.join(', ')}, or none`)
  return 'problem' in parsed ? parsed : { value: COLLECTOR_NAMES.filter((name) => parsed.value.includes(name)) }
}

/** Names of containers, separated by commas, once each; none of ''. */
export const parseContainers: Parser<readonly string[]> = (text) =>
  text === ''
    ? { value: [] }
    : parseList(
        [...new Set(entriesOf(text))],
        (entry) => CONTAINER.test(entry),
        'the name of a container; write names as docker ps shows them',
      )

function autoOr(parse: Parser<readonly string[]>): Parser<'auto' | Exclude<Allowed, 'ollama'>> {
  return (text) => {
    if (text === 'auto') return { value: 'auto' }
    if (text === '*') return { value: 'any' }
    const word = ['auto', '*'].find((one) => wordsOf(text).includes(one))
    return word === undefined ? parse(text) : notAlone(word)
  }
}

function notAlone(word: string) {
  return { problem: `${word} goes with nothing else; write it alone` }
}

function parseList(
  entries: readonly string[],
  isEntry: (entry: string) => boolean,
  wanted: string,
): Parsed<readonly string[]> {
  const wrong = entries.find((entry) => !isEntry(entry))
  if (wrong === undefined) return { value: entries }
  return { problem: wrong === '' ? 'an entry is empty; write a,b' : `${shown('', wrong)} is not ${wanted}` }
}

function entriesOf(text: string): string[] {
  return text.split(',').map((entry) => entry.trim())
}

/** Entries whose case means nothing. */
function wordsOf(text: string): string[] {
  return entriesOf(text.toLowerCase())
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

// What Docker takes, and Podman.
const CONTAINER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/
const NETWORK = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/
const HOST = /^(?:\[([\da-f:.]+)\]|((?:\*\.)?[\w-]+(?:\.[\w-]+)*))(?::(\d{1,5}))?$/
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/(?:\[([\da-f:.]+)\]|(\*|(?:\*\.)?[\w-]+(?:\.[\w-]+)*))(?::(\d{1,5}|\*))?$/
const IMPLIED_PORT = /^(http:.*):80$|^(https:.*):443$/
