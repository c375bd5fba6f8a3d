import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'

/** What became of a text: its value, or what is wrong with it and what would be right, to follow `NAME=text: `. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string }
export type Parser<T> = (text: string) => Parsed<T>

/** Where to listen. `host` is a name or an address without brackets; '' is every interface, as for Node's `listen`. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** `url` is the origin without a trailing slash; `host` has no brackets, as `http.request` wants it. */
export interface Upstream extends Address {
  readonly url: string
}

const MAX_PORT = 65_535
// A timer of more milliseconds than fit 31 bits fires at once: https://nodejs.org/api/timers.html
const MAX_TIMER_MS = 2 ** 31 - 1
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const SHOWN_LENGTH = 80

/** What stands in for a secret, whatever its length. */
export const MASK = '********'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether `host`, without brackets, is 127.0.0.0/8, ::1 in any spelling, or localhost. Nothing is resolved. */
export function isLoopback(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host.toLowerCase() === 'localhost'
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/** Whether two addresses may be the same socket: every interface includes each, localhost is one of loopback's. */
export function collide(a: Address, b: Address): boolean {
  const hosts = [a.host.toLowerCase(), b.host.toLowerCase()]
  const wildcard = hosts.some((host) => ['', '0.0.0.0', '::'].includes(host))
  const local = hosts.includes('localhost') && hosts.every(isLoopback)
  // Port 0 is whichever is free.
  return a.port !== 0 && a.port === b.port && (wildcard || local || hosts[0] === hosts[1])
}

/** Any text as it is. */
export const parseText: Parser<string> = (text) => ({ value: text })

/** An absolute path of a folder, without a slash at its end. */
export const parsePath: Parser<string> = (text) =>
  text.startsWith('/') && !text.includes('\0')
    ? { value: text.replace(/(?!^)\/+$/, '') }
    : { problem: 'not an absolute path; write one that begins with /' }

/** `unix:///path`, `tcp://host:port` or `http://host:port`, as it is. */
export const parseDockerHost: Parser<string> = (text) => {
  const [, authority] = /^(?:tcp|http):\/\/((?:\[[\da-f:.]+\]|[\w.-]+)(?::\d+)?)\/?$/i.exec(text) ?? []
  const isTcp = authority !== undefined && 'value' in parseUpstream(`http://${authority}`)
  if (isTcp || /^unix:\/\/\/[^\0]+$/.test(text)) return { value: text }
  const scheme = /^(ssh|https|npipe|fd):/i.exec(text)?.[1]
  const why = scheme === undefined ? 'not the address of a Docker daemon' : `${scheme}:// is not supported`
  return { problem: `${why}; write unix:///var/run/docker.sock or tcp://host:2375` }
}

/** `true` or `false`. */
export const parseBoolean: Parser<boolean> = (text) =>
  text === 'true' || text === 'false' ? { value: text === 'true' } : { problem: 'not a boolean; write true or false' }

/** `true`, `1` or `yes`, or their opposites, in any case: as older settings were written. */
export const parseOlderBoolean: Parser<boolean> = (text) => {
  const yes = /^(true|1|yes)$/i.test(text)
  return yes || /^(false|0|no)$/i.test(text) ? { value: yes } : { problem: 'not a boolean; write true or false' }
}

/** What a header can carry: visible ASCII. Anything else (a second line, an accent) could never be sent as it is. */
export const parseToken: Parser<string> = (text) =>
  /^[\x21-\x7e]+$/.test(text)
    ? { value: text }
    : { problem: 'not a usable token; write visible ASCII characters without spaces' }

/** `parse`, where no text at all ('') means undefined. */
export function optional<T>(parse: Parser<T>): Parser<T | undefined> {
  return (text) => (text === '' ? { value: undefined } : parse(text))
}

/** One of a few words, exactly as written. */
export function oneOf<const T extends string>(...choices: readonly T[]): Parser<T> {
  return (text) => {
    const value = choices.find((choice) => choice === text)
    return value === undefined ? { problem: `not one of ${choices.join(', ')}` } : { value }
  }
}

/** A whole number in decimal digits, both ends included. */
export function integer(min: number, max: number): Parser<number> {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    return value >= min && value <= max ? { value } : { problem: `not a whole number from ${min} to ${max}` }
  }
}

/** A whole number with a unit, `500ms`, `30s`, `5m` or `1h`, into milliseconds; `atLeast` is such a text too. */
export function duration(atLeast = '0ms'): Parser<number> {
  const min = milliseconds(atLeast) ?? 0
  return (text) => {
    const value = milliseconds(text)
    if (value === undefined) return { problem: 'not a duration; write 500ms, 30s, 5m or 1h' }
    if (value < min) return { problem: `too short; write at least ${atLeast}` }
    return value > MAX_TIMER_MS ? { problem: 'too long; write at most 596h' } : { value }
  }
}

/** A plain number of seconds, `30` or `2.5`, into whole milliseconds: as older settings were written. */
export function seconds(atLeastMs: number): Parser<number> {
  return (text) => {
    if (!/^\d+(\.\d+)?$/.test(text)) return { problem: 'not a number of seconds; write 30 or 2.5' }
    const value = Math.round(Number(text) * 1_000)
    if (value < atLeastMs) return { problem: `too short; write at least ${atLeastMs / 1_000}` }
    return value > MAX_TIMER_MS ? { problem: 'too long; write at most 2145600' } : { value }
  }
}

function milliseconds(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? []
  const factor = UNIT_MS[unit]
  return factor === undefined ? undefined : Number(digits) * factor
}

/** `host:port`, `[::1]:9435`, or `:9435` for every interface; port 0 takes a free one. */
export const parseListen: Parser<Address> = (text) => {
  const [, ipv6, name = '', digits] = /^(?:\[([^\]]*)\]|([\w.-]*)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits ?? NaN)
  const host = ipv6 ?? name
  // Digits and dots alone are meant as an address: `300.0.0.1` would otherwise be looked up as a name.
  const sound = ipv6 !== undefined ? isIPv6(ipv6) : !/^[\d.]+$/.test(name) || isIPv4(name)
  if (sound && port <= MAX_PORT) return { value: { host, port } }
  return { problem: 'not an address to listen on; write 127.0.0.1:9435, [::1]:9435, or :9435 for every interface' }
}

/** An `http://` URL of nothing but a host and perhaps a port (80 where there is none). */
export const parseUpstream: Parser<Upstream> = (text) => {
  const wanted = 'write http://host:port and nothing after it'
  if (/^https:/i.test(text)) return { problem: `https:// is not supported yet; ${wanted}` }
  if (/^(\[[\da-f:.]+\]|[\w.-]+)(:\d+)?\/?$/i.test(text))
    return { problem: `not a URL; write http://${shown('', text)}` }
  if (!/^http:\/\//i.test(text)) return { problem: `not an http:// URL; ${wanted}` }
  // The URL parser drops whitespace and turns backslashes around; whoever wrote one meant something else.
  const url = /[\s\\]/.test(text) ? null : URL.parse(text)
  if (url === null || url.port === '0') return { problem: `not a valid URL; ${wanted}` }
  if (url.username !== '' || url.password !== '') return { problem: `credentials are not supported; ${wanted}` }
  if (url.pathname !== '/') return { problem: `a path is not supported; ${wanted}` }
  if (url.search !== '' || url.hash !== '') return { problem: `a query or fragment is not supported; ${wanted}` }
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { value: { host, port: Number(url.port || 80), url: url.origin } }
}

/** Whether a variable of this name is likely to hold a secret, also one that nobody knows. */
export function isSecretName(variable: string): boolean {
  return /TOK|TKN|SECRET|PASS|PWD|KEY|AUTH|CRED|BEARER|_HEADERS$/i.test(variable)
}

/** A value fit for a message: a secret's is masked, and so are a URL's credentials and query; bounded. */
export function shown(variable: string, text: string): string {
  if (text.includes('PRIVATE KEY')) return MASK
  // The path of a secret's file is none itself, but where a secret was put in its place it does not look like a path.
  if (variable.endsWith('_FILE') && /^(~|\.{1,2})?[/\\]/.test(text)) return printable(text)
  if (isSecretName(variable)) return MASK
  return printable(text.replace(/^(\w+:\/\/)?.*@/s, `$1${MASK}@`).replace(/\?.*$/s, `?${MASK}`))
}

/** At most 80 characters, with what a terminal would act on or not show escaped. */
export function printable(text: string): string {
  const escape = (char: string): string => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`
  // By code point, so that the cut never leaves half a character.
  const characters = Array.from(text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escape))
  if (characters.length <= SHOWN_LENGTH) return characters.join('')
  return `${characters.slice(0, SHOWN_LENGTH - 1).join('')}…`
}
