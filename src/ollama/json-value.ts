/** What stands at a wanted place. `undefined` stands for an object or an array, whose contents are not kept. */
export type JsonValue = string | number | boolean | null | undefined

/** @param raw the JSON text between the quotes, a character a byte. A bad escape leaves the text as it stands. */
export function decodeString(raw: string): string {
  const text = Buffer.from(raw, 'latin1').toString('utf8')
  if (!raw.includes('\\')) return text
  try {
    const decoded: unknown = JSON.parse(`"${text}"`)
    return typeof decoded === 'string' ? decoded : text
  } catch {
    return text // cut in the middle of an escape, or no JSON
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
