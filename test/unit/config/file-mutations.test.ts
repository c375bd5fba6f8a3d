import { describe, expect, it } from 'vitest'
import { parseConfigFile } from '../../../src/config/file.ts'
import { METRICS, QUANTILES } from '../../../src/config/targets.ts'
import { createRandom, type Random } from '../../helpers/random.ts'

const good = `# what is meant
tokens:
  ci: ${'ab'.repeat(32)}
  x: [${'cd'.repeat(32)}]
tiers:
  interactive: &shared
    ttft: {p50: 500ms, p95: 2s}
    request: {p50: 5s, p95: 30s}
  "batch": {request: {p95: 10m}}
models:
  llama3:70b:
    tier: interactive
    targets: {ttft: {p95: 4s}}
    idleTimeout: 5s
    connectRetries: 3
    processor: cpu
  qwen3:
    targets: *shared
`
const lines = good.split('\n')

// What has a meaning in YAML, or in JavaScript, or here.
const signs = `" ' { } [ ] : , &shared *shared *none <<: ? - | > !!set !x % # @ \` \\ é ~ --- ... +`.split(' ')
const blanks = ['', ' ', '\t', '\n', '\r', '\n---\n', '\0', '\u2028', '\uFEFF', '\uD800']
const names = 'llama3 llama3:latest qwen3:latest batch interactive __proto__ constructor toString null 1.10'.split(' ')
const values = '1ms 250ms 5m 596h 597h 0s 999999999999999999999s 5 -1 NaN 1e999 {} [] ~'.split(' ')
const keys =
  'ttft request p50 p95 tier targets models tiers tokens idleTimeout retryDelay connectRetries processor'.split(' ')

function pick(random: Random, from: readonly string[]): string {
  return from[random.below(from.length)] ?? ''
}

/** Puts anything anywhere. */
function splice(random: Random, text: string): string {
  const at = random.below(text.length + 1)
  const end = random.pick([at, at + 1, at + random.below(12)])
  const code = String.fromCharCode(random.below(256))
  const piece = random.pick([pick(random, signs), pick(random, blanks), `\n${pick(random, lines)}\n`, code])
  return text.slice(0, at) + piece + text.slice(end)
}

/** Puts a word in another's place, often one of its kind. */
function swap(random: Random, text: string): string {
  const words = [...text.matchAll(/[\w.]+(:\w+)*/g)]
  const { 0: word = '', index = 0 } = words[random.below(words.length)] ?? {}
  const kind = /^\d/.test(word) ? values : keys.includes(word) ? keys : names
  const other = pick(random, random.chance(0.8) ? kind : random.pick([values, keys, names]))
  return text.slice(0, index) + other + text.slice(index + word.length)
}

function mutate(random: Random): string {
  let text = good
  const change = random.pick([splice, swap])
  for (let round = 1 + random.below(4); round > 0; round--) text = change(random, text)
  return text
}

describe('a config file that was changed at random', () => {
  it('is a config or mistakes, never an exception', () => {
    const random = createRandom(20)
    let accepted = 0
    let refused = 0
    for (let run = 0; run < 4000; run++) {
      const text = mutate(random)
      const parsed = parseConfigFile(text)
      if ('problems' in parsed) {
        refused++
        expect(parsed.problems.length, text).toBeGreaterThan(0)
        const last = text.split('\n').length
        for (const problem of parsed.problems) {
          const line = Number(/^line (\d+): ./.exec(problem)?.[1])
          expect(line >= 1 && line <= last, `${problem} in ${text}`).toBe(true)
          expect(problem, text).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]|undefined|\[object/u)
          expect(problem, text).toContain('; ')
        }
      } else {
        accepted++
        for (const { name, sha256 } of parsed.value.tokens) {
          expect(name, text).toMatch(/^[\w.-]{1,64}$/)
          expect(sha256, text).toMatch(/^[0-9a-f]{64}$/)
        }
        for (const [model, { tier, targets, limits, processor }] of parsed.value.models) {
          expect(model, text).toMatch(/.:/s)
          for (const limit of Object.values(limits)) expect(limit === undefined || limit >= 0, text).toBe(true)
          expect(['cpu', undefined], text).toContain(processor)
          if (tier !== undefined) expect(parsed.value.tiers, text).toContain(tier)
          expect(new Set(targets.map(({ metric, quantile }) => `${metric} ${quantile}`)).size, text).toBe(
            targets.length,
          )
          for (const { metric, quantile, seconds } of targets) {
            expect(METRICS, text).toContain(metric)
            expect(Object.values(QUANTILES), text).toContain(quantile)
            expect(seconds > 0 && seconds < 2 ** 31 / 1000, text).toBe(true)
          }
        }
      }
    }
    // Both happen often, else the mutations prove nothing.
    expect(Math.min(accepted, refused)).toBeGreaterThan(200)
  })
})
