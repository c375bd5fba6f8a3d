import { createRandom, randomEnds, type Random } from '../helpers/random.ts'
import { draftRequest, textOf } from './fuzz-draft.ts'
import { bytewise, mayExpose, structured } from './fuzz-mutations.ts'

/** How the client leaves: when all that is owed has come, or as soon as all is sent. */
export type Leaving = 'answered' | 'half-closes' | 'closes' | 'resets'

/** What one client sends on one connection, and how. */
export interface FuzzCase {
  readonly index: number
  readonly bytes: Buffer
  /** Where the pieces end that it is written in. */
  readonly ends: readonly number[]
  readonly leaving: Leaving
  /** What was done to it; nothing: it is valid. */
  readonly mutations: readonly string[]
  /** How many requests it begins with as they were before: nothing that follows may harm them. */
  readonly unharmed: number
  /** Nothing that stands in a body may be taken for a request. */
  readonly sealed: boolean
}

/** The same case for the same seed and index. */
export function planCase(seed: number, index: number): FuzzCase {
  const random = createRandom(Math.imul(seed, 0x9e3779b1) + index)
  const count = random.pick([1, 1, 1, 2, 2, 3, 4])
  const drafts = Array.from({ length: count }, (_, at) => draftRequest(random, `${index}.${at}`, at === count - 1))
  const valid = drafts.map(textOf)
  const mutations: string[] = []
  if (random.chance(0.75)) {
    for (let times = random.pick([1, 1, 1, 2, 3]); times > 0; times--) {
      const { name, apply } = random.pick(structured)
      apply(random, drafts[random.below(count)] ?? nothing())
      mutations.push(name)
    }
  }
  let text = drafts.map(textOf).join('')
  if (random.chance(0.2)) {
    const { name, apply } = random.pick(bytewise)
    text = apply(random, text)
    mutations.push(name)
  }
  const bytes = Buffer.from(text, 'latin1')
  return {
    index,
    bytes,
    ends: random.chance(0.6) ? [bytes.length] : piecesOf(random, bytes.length),
    leaving: random.chance(0.8) ? 'answered' : random.pick(['half-closes', 'closes', 'resets']),
    mutations,
    unharmed: countUnharmed(valid, text),
    sealed: !mutations.some(mayExpose),
  }
}

function countUnharmed(valid: readonly string[], text: string): number {
  const broken = valid.findIndex((_, index) => !text.startsWith(valid.slice(0, index + 1).join('')))
  return broken === -1 ? valid.length : broken
}

/** No more than a hundred: many writes cost time and tell nothing new. */
function piecesOf(random: Random, length: number): number[] {
  const ends = randomEnds(random, Math.min(length, 4000))
  return [...ends.filter((_, index) => index < 100), length]
}

function nothing(): never {
  throw new Error('no request to spoil')
}
