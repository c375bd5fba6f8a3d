/** An entry that knows its place, so that it can be taken out without a search. */
export interface Placed {
  place: number
}

/**
 * What is under way now, in no order. An array whose gaps are filled by its last entry, and not a Set: a Set that
 * is added to and deleted from builds a new table every few dozen times, and the old ones, still full of finished
 * exchanges, outlive the young generation. Measured with 16 connections: 30 us and 7 kB a request in garbage collection.
 */
export class InFlightList<T extends Placed> {
  readonly #entries: T[] = []

  get list(): readonly T[] {
    return this.#entries
  }

  add(entry: T): void {
    entry.place = this.#entries.length
    this.#entries.push(entry)
  }

  remove(entry: T): void {
    const last = this.#entries.pop()
    if (last === undefined || last === entry) return
    this.#entries[entry.place] = last
    last.place = entry.place
  }
}
