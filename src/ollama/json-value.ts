/** What stands at a wanted place. `undefined` stands for an object or an array, whose contents are not kept. */
export type JsonValue = string | number | boolean | null | undefined

/** The text of a JSON string, from what stands between its quotes. A bad escape leaves it as it stands. */
export function unescape(raw: string): string {
  if (!raw.includes('\\')) return raw
  try {
    const text: unknown = JSON.parse(`"${raw}"`)
    return typeof text === 'string' ? text : raw
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
