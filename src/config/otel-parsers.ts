import { oneOf, type Parsed, type Parser } from './parsers.ts'

/** An `http://` or `https://` URL, perhaps with a path, without a slash at its end. */
export const parseCollector: Parser<string> = (text) => {
  const wanted = 'write http://host:4318 or https://host'
  // The URL parser drops whitespace and turns backslashes around; whoever wrote one meant something else.
  const url = !/^https?:\/\//i.test(text) || /[\s\\]/.test(text) ? null : URL.parse(text)
  if (url === null || url.port === '0') return { problem: `not an http:// or https:// URL; ${wanted}` }
  if (url.username !== '' || url.password !== '') {
    return { problem: 'credentials are not supported; write OTEL_EXPORTER_OTLP_HEADERS=authorization=...' }
  }
  if (url.search !== '' || url.hash !== '') return { problem: `a query or fragment is not supported; ${wanted}` }
  return { value: `${url.origin}${url.pathname.replace(/\/+$/, '')}` }
}

/** The one way of OTLP that is spoken; what else there is, is told apart. */
export const parseProtocol: Parser<'http/protobuf'> = (text) => {
  const parsed = oneOf('http/protobuf')(text)
  if ('value' in parsed) return parsed
  const port = text === 'grpc' ? ', at port 4318 of most collectors' : ''
  return ['grpc', 'http/json'].includes(text)
    ? { problem: `${text} is not supported; write http/protobuf, which every collector takes${port}` }
    : parsed
}

/** A number from 0 to 1. */
export const parseRatio: Parser<number> = (text) => {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN
  return value >= 0 && value <= 1 ? { value } : { problem: 'not a number from 0 to 1; write 0.1 for every tenth' }
}

type Pairs = Readonly<Record<string, string>>

/** Fields of a header: their names, and values that one can carry. */
export const parseHeaders: Parser<Pairs> = (text) => parsePairs(text, /^[!#$%&'*+.^`|~\w-]+$/, /^[\x20-\x7e]*$/)

/** Attributes of a resource, of any characters. */
export const parseAttributes: Parser<Pairs> = (text) => parsePairs(text, /^\P{C}+$/u, /^\P{Cc}*$/u)

/** `name=value,...`, percent-encoded; as for baggage, https://www.w3.org/TR/baggage/. Says nothing of what stands there. */
function parsePairs(text: string, name: RegExp, value: RegExp): Parsed<Pairs> {
  const pairs: [string, string][] = []
  for (const [index, entry] of text.split(',').entries()) {
    if (entry.trim() === '') continue
    const at = entry.indexOf('=')
    const pair = [decoded(entry.slice(0, Math.max(0, at))), decoded(entry.slice(at + 1))] as const
    if (!name.test(pair[0] ?? '') || pair[1] === undefined || !value.test(pair[1])) {
      return { problem: `entry ${index + 1} is not name=value; write name=value,name=value, with %2C for a comma` }
    }
    pairs.push([pair[0] ?? '', pair[1]])
  }
  return { value: Object.fromEntries(pairs) }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.trim())
  } catch {
    return undefined
  }
}
