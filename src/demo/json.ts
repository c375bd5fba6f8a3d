export type JsonObject = Record<string, unknown>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The JSON object in a text; undefined where the text is no JSON or another kind of value. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** A field that must be an object. Throws a TypeError that names it. */
export function objectField(from: JsonObject, key: string): JsonObject {
  const value = from[key]
  if (!isObject(value)) throw new TypeError(`${key} is not an object`)
  return value
}

/** A field that must be a string. Throws a TypeError that names it. */
export function stringField(from: JsonObject, key: string): string {
  const value = from[key]
  if (typeof value !== 'string') throw new TypeError(`${key} is not a string`)
  return value
}

/** A field that must be a number. Throws a TypeError that names it. */
export function numberField(from: JsonObject, key: string): number {
  const value = from[key]
  if (typeof value !== 'number') throw new TypeError(`${key} is not a number`)
  return value
}
