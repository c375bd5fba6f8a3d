/** Random numbers that are the same in every run. */
export interface Random {
  /** From 0 up to, but not including, the limit. */
  readonly below: (limit: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <T>(from: readonly [T, ...T[]]) => T
}

/** The generator "mulberry32". */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (from) => from[below(from.length)] ?? from[0],
  }
}

/** Where the pieces of so many bytes end: in ascending order, the last at the very end. Some pieces are a byte long. */
export function randomEnds(random: Random, length: number): number[] {
  const longest = random.pick([3, 20, 150, 1000, 8000])
  const ends: number[] = []
  for (let at = 0; at < length; at = ends.at(-1) ?? length) {
    ends.push(Math.min(length, at + (random.chance(0.2) ? 1 : 1 + random.below(longest))))
  }
  return ends
}

/** The ends of pieces of one byte each. */
export function byteEnds(length: number): number[] {
  return Array.from({ length }, (_, index) => index + 1)
}

/** The pieces that end there, each in memory of its own. */
export function cutAt(bytes: Buffer, ends: readonly number[]): Buffer[] {
  return ends.map((end, index) => Buffer.from(bytes.subarray(ends[index - 1] ?? 0, end)))
}
