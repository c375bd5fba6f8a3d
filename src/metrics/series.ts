export type Labels = Readonly<Record<string, string>>

/** The backstop: whatever a label guard lets through, a family has no more series than this. */
export const MAX_SERIES = 2000
const FOLDED = 'other'

/** The series of one family, by their label values. Where no slot is left, all further ones share a series of "other". */
export class SeriesMap<S> {
  readonly #names: readonly string[]
  readonly #create: (labelSet: string) => S
  readonly #onOverflow: () => void
  readonly #series = new Map<string, S>()
  #folded: S | undefined

  /** @param create makes a series from its label set as the exposition writes it, without braces. */
  constructor(names: readonly string[], create: (labelSet: string) => S, onOverflow: () => void) {
    this.#names = names
    this.#create = create
    this.#onOverflow = onOverflow
  }

  /** The series of these labels; one that is missing is "". */
  get(labels: Labels): S {
    // Only a model's name could hold the separator, and it stands alone among values of closed sets: no two keys meet.
    const values = this.#names.map((name) => labels[name] ?? '')
    const key = values.length === 1 ? String(values[0]) : values.join('\0')
    const found = this.#series.get(key)
    if (found !== undefined) return found
    if (this.#series.size >= MAX_SERIES) {
      this.#onOverflow()
      return (this.#folded ??= this.#create(labelSetOf(this.#names, () => FOLDED)))
    }
    const created = this.#create(labelSetOf(this.#names, (name) => labels[name] ?? ''))
    this.#series.set(key, created)
    return created
  }

  *[Symbol.iterator](): Iterator<S> {
    yield* this.#series.values()
    if (this.#folded !== undefined) yield this.#folded
  }
}

/** `a="1",b="2"`, escaped. */
export function labelSetOf(names: readonly string[], valueOf: (name: string) => string): string {
  return names.map((name) => `${name}="${escapeLabel(valueOf(name))}"`).join(',')
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
