/**
 * Whether a version is in a range: alternatives between `||`, each one or more of `*`, `1.2.3`, `^1.2.3`, `>=1.2.3` and
 * `<1.2.3` that must all hold. A plain version is that one and no other, with whatever follows its numbers.
 */
export function isInRange(version: string, range: string): boolean {
  return range.split('||').some((all) =>
    all
      .trim()
      .split(/\s+/)
      .every((one) => holds(version, one)),
  )
}

function holds(version: string, comparator: string): boolean {
  if (comparator === '*') return true
  const [, sign, bound] = /^(\^|>=|<)?(\d+\.\d+\.\d+\S*)$/.exec(comparator) ?? []
  if (bound === undefined) throw new Error(`cannot read ${JSON.stringify(comparator)} as a range of versions`)
  if (sign === undefined) return version === bound
  const [order, sameMajor] = compare(version, bound)
  return sign === '<' ? order < 0 : order >= 0 && (sign === '>=' || sameMajor)
}

/** By the three numbers: below 0 where the first is the older one, and whether their majors are the same. */
function compare(a: string, b: string): readonly [order: number, sameMajor: boolean] {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  const differences = left.map((number, index) => number - (right[index] ?? 0))
  return [differences.find((difference) => difference !== 0) ?? 0, differences[0] === 0]
}

function numbersOf(version: string): readonly number[] {
  return version.split(/[-+]/, 1).flatMap((numbers) => numbers.split('.').map(Number))
}
