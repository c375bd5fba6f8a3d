/** How many single-character edits apart a name may be and still count as a slip of the same hand. */
const MAX_EDITS = 3

/** Levenshtein's distance: single-character insertions, deletions and replacements that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}

/** The candidate nearest to `name`, the first of several as near; undefined where none is within three edits. */
export function suggest(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = MAX_EDITS + 1
  for (const candidate of candidates) {
    // The lengths' difference is a lower bound: it spares the table where a name of any length comes in.
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue
    const distance = editDistance(name, candidate)
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}
