import { describe, expect, it } from 'vitest'
import { JsonScanner } from '../../../src/ollama/json-scanner.ts'
import { compilePaths } from '../../../src/ollama/paths.ts'
import { isFields } from '../../helpers/json.ts'
import { byteEnds, createRandom, cutAt, randomEnds, type Random } from '../../helpers/random.ts'

const KEYS = ['a', 'b', 'c', 'message', 'né', '名', 'done_reason', 'A', '[]', 'a.b', 'x"y\\', ''] as const
const PATHS = [
  ...['a', 'b', 'c', 'a.b', 'a.c', 'b.a.c', 'b.message', 'a[]', 'a[].b', 'c[].a[].b', 'message.né', 'né', 'né[]'],
  ...['done_reason', '名.done_reason', 'A', 'A.a', 'A[]', 'A[].A', 'b[]', 'message', 'message.a.b.c'],
]
const CHARACTERS = [
  'x',
  'é',
  '名',
  '😀',
  '"',
  '\\',
  '/',
  '\n',
  '\t',
  '\u0001',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  ' ',
] as const
const NUMBERS = ['0', '-0', '7', '-12', '1.5', '-0.25', '1e3', '2E+2', '35e-1', '123456789012', '1e400'] as const

/** A random JSON value as text, with white space and escapes wherever they may stand. */
function valueText(random: Random, depth: number): string {
  const kind = random.below(depth > 4 ? 4 : 7)
  if (kind === 0) return random.pick(['true', 'false', 'null'])
  if (kind === 1) return random.pick(NUMBERS)
  if (kind <= 3)
    return stringText(random, Array.from({ length: random.below(9) }, () => random.pick(CHARACTERS)).join(''))
  if (kind === 4) return `[${list(random, () => valueText(random, depth + 1))}]`
  return objectText(random, depth + 1)
}

function objectText(random: Random, depth: number): string {
  const keys = [...KEYS]
  const member = () => {
    const [key = ''] = keys.splice(random.below(keys.length), 1)
    return `${stringText(random, key)}${space(random)}:${space(random)}${valueText(random, depth)}`
  }
  return `{${list(random, member)}}`
}

function list(random: Random, item: () => string): string {
  const items = Array.from({ length: random.below(6) }, () => `${space(random)}${item()}${space(random)}`)
  return items.length === 0 ? space(random) : items.join(',')
}

function space(random: Random): string {
  return random.chance(0.8) ? '' : random.pick([' ', '\n', '\r\n', '\t  '])
}

function stringText(random: Random, text: string): string {
  const units = Array.from(text, (character) => {
    if (random.chance(0.15)) return character.split('').map(escapedUnit).join('')
    return character === '/' && random.chance(0.5) ? '\\/' : JSON.stringify(character).slice(1, -1)
  })
  return `"${units.join('')}"`
}

function escapedUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** What stands at a path of a parsed value: `undefined` for an object or an array. */
function valuesAt(value: unknown, steps: readonly string[]): unknown[] {
  const [step, ...rest] = steps
  if (step === undefined) return [typeof value === 'object' && value !== null ? undefined : value]
  if (step === '[]') return Array.isArray(value) ? value.flatMap((element) => valuesAt(element, rest)) : []
  return isFields(value) && Object.hasOwn(value, step) ? valuesAt(value[step], rest) : []
}

function oracle(text: string): Map<string, unknown[]> {
  const value: unknown = JSON.parse(text)
  return new Map(PATHS.map((path) => [path, valuesAt(value, path.match(/\[\]|[^.[\]]+/g) ?? [])]))
}

const NODE = compilePaths(PATHS)

function scan(bytes: Buffer, ends: readonly number[]) {
  const told = new Map<string, unknown[]>(PATHS.map((path) => [path, []]))
  const scanner = new JsonScanner(NODE, (path, value) => told.get(path)?.push(value))
  for (const piece of cutAt(bytes, ends)) scanner.push(piece)
  return { told, complete: scanner.complete, failed: scanner.failed }
}

const BATCHES = Array.from({ length: 10 }, (_, batch) => batch)
const documents = function* (batch: number, count: number) {
  for (let seed = batch * count; seed < (batch + 1) * count; seed++) {
    const random = createRandom(seed)
    const text = `${space(random)}${objectText(random, 0)}${space(random)}`
    yield { seed, random, text, bytes: Buffer.from(text) }
  }
}

describe('against JSON.parse', () => {
  it('the documents are worth it', () => {
    const found = new Set<string>()
    for (const { text } of documents(0, 300))
      for (const [path, values] of oracle(text)) if (values.length > 0) found.add(path)
    expect(found.size).toBeGreaterThan(PATHS.length - 5)
  })

  it.each(BATCHES)('whole, byte by byte and in random pieces: batch %i', (batch) => {
    for (const { seed, random, text, bytes } of documents(batch, 300)) {
      const expected = { told: oracle(text), complete: true, failed: false }
      const feeds = [
        [bytes.length],
        byteEnds(bytes.length),
        randomEnds(random, bytes.length),
        randomEnds(random, bytes.length),
      ]
      for (const ends of feeds) expect(scan(bytes, ends), `seed ${seed}: ${text}`).toEqual(expected)
    }
  })

  it.each(BATCHES)('cut short it is never complete: batch %i', (batch) => {
    for (const { seed, random, text, bytes } of documents(batch, 150)) {
      const content = Buffer.byteLength(text.trimEnd())
      const length = random.below(content)
      const short = bytes.subarray(0, length)
      expect(scan(short, randomEnds(random, length)), `seed ${seed} to ${length}`).toMatchObject({
        complete: false,
        failed: false,
      })
    }
  })

  it.each(BATCHES)('damaged it does not throw, and takes all that JSON.parse takes: batch %i', (batch) => {
    for (const { seed, random, bytes } of documents(batch, 300)) {
      const damaged = Buffer.from(bytes)
      for (let flips = 1 + random.below(3); flips > 0; flips--) {
        const at = random.below(damaged.length)
        damaged[at] = (damaged[at] ?? 0) ^ (1 << random.below(8))
      }
      const whole = scan(damaged, [damaged.length])
      expect(scan(damaged, randomEnds(random, damaged.length)), `seed ${seed}`).toEqual(whole)
      if (isObjectText(damaged.toString())) expect(whole.complete, `seed ${seed}`).toBe(true)
    }
  })
})

function isObjectText(text: string): boolean {
  try {
    return isFields(JSON.parse(text))
  } catch {
    return false
  }
}
