/** An object of a JSON text. */
export type Fields = Readonly<Record<string, unknown>>

/** The fields of an object; none where it is something else. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

/** The elements of a list; none where it is something else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** A text that is not empty. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A number that can be measured: not negative. */
export function amountOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

const CONTAINER_ID = /^[0-9a-f]{64}$/

/** The id of a container, which goes into paths. */
export function idOf(value: unknown): string | undefined {
  return typeof value === 'string' && CONTAINER_ID.test(value) ? value : undefined
}
