/**
 * What stands at a wanted place. `undefined` stands for an object or an array, whose contents are not kept, and NaN for
 * a number with more digits than are read.
 */
export type JsonValue = string | number | boolean | null | undefined

/**
 * The text of a JSON string, from what stands between its quotes. A bad escape leaves it as it stands. Half a surrogate
 * pair becomes U+FFFD, as Go makes of it: two names that look the same on every wire are the same.
 */
export function unescape(raw: string): string {
  if (!raw.includes('\\')) return raw
  try {
    const text: unknown = JSON.parse(`"${raw}"`)
    return typeof text === 'string' ? text.toWellFormed() : raw
  } catch {
    return raw // cut in the middle of an escape, or no JSON
  }
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** `undefined` for what is neither a number nor `true`, `false` or `null`. */
export function decodeLiteral(text: string): number | boolean | null | undefined {
  if (text === 'true') return true
  if (text === 'false') return false
  if (text === 'null') return null
  return NUMBER.test(text) ? Number(text) : undefined
}

const NUMBER_START = /^-?(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][+-]?\d*)?$/

/** NaN for what begins as a number does and is too long to be kept, `undefined` for what is none. */
export function longNumber(start: string): number | undefined {
  return NUMBER_START.test(start) ? NaN : undefined
}

/** The byte may stand in a number. */
export function isNumeral(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || NUMERALS.includes(byte)
}

const NUMERALS = Array.from('+-.eE', (character) => character.charCodeAt(0))

/** Keys that Go's decoder takes for the same; to it the long s is an s as well. */
export function foldCase(key: string): string {
  return key.toLowerCase().replaceAll('ſ', 's')
}
