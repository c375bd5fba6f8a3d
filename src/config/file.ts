import { fullModelName } from '../ollama/model-name.ts'
import { readModelLimits, type ModelLimits } from './model-limits.ts'
import { printable } from './parsers.ts'
import { problemText, type LineProblem } from './problem.ts'
import { schemaProblems } from './schema-problems.ts'
import { suggest } from './suggest.ts'
import { entriesOf, fieldOf, mergeTargets, readTargets } from './targets.ts'
import type { LatencyTarget, ModelTarget } from './targets.ts'
import { readTokens, type Token } from './tokens.ts'
import { unreadable } from './wording.ts'
import { parseYaml } from './yaml-document.ts'

const MAX_BYTES = 1024 * 1024

interface ModelConfig {
  readonly tier: string | undefined
  /** Its own and its tier's; at most one for a metric and a quantile. */
  readonly targets: readonly LatencyTarget[]
  readonly limits: ModelLimits
  /** Where it is meant to run; undefined is on a GPU, if there is one. */
  readonly processor: 'cpu' | undefined
}

/** What the config file says. */
export interface FileConfig {
  /** By full name. */
  readonly models: ReadonlyMap<string, ModelConfig>
  /** The names of the tiers. */
  readonly tiers: readonly string[]
  readonly tokens: readonly Token[]
}

/** The file, or a line for each mistake, in the order of its lines. */
export type ParsedFile = { readonly value: FileConfig } | { readonly problems: readonly string[] }

/** The file at that path. `readFile` may throw. */
export function readConfigFile(path: string, readFile: (path: string) => string): ParsedFile {
  let text: string
  try {
    text = readFile(path)
  } catch (error) {
    return { problems: [unreadable(error)] }
  }
  return parseConfigFile(text)
}

/** The text of a config file. Never throws. */
export function parseConfigFile(text: string): ParsedFile {
  if (Buffer.byteLength(text) > MAX_BYTES) return { problems: ['larger than 1 MiB; write a smaller file'] }
  if (text.includes('\uFFFD')) return { problems: ['not UTF-8; save it as UTF-8'] }
  const document = parseYaml(text)
  if ('refused' in document) return { problems: inOrder(document.refused) }
  const { value, lineOf } = document
  const { file, problems } = readFileConfig(value, lineOf)
  const placed = [...schemaProblems(value), ...problems].map((one) => ({ ...one, line: lineOf(one.path) }))
  const told = inOrder([...document.problems, ...placed])
  return told.length > 0 ? { problems: told } : { value: file }
}

/** Every model's targets in one list, ordered by model, metric and quantile. */
export function modelTargets(models: FileConfig['models']): ModelTarget[] {
  const names = [...models.keys()].sort()
  return names.flatMap((model) => {
    const { tier = '', targets = [] } = models.get(model) ?? {}
    return targets.map((target) => ({ model, tier, ...target }))
  })
}

/** What models have of their own, by full name; those that have something. */
export function modelLimits(models: FileConfig['models']): ReadonlyMap<string, ModelLimits> {
  const own = [...models].map(([model, { limits }]) => [model, limits] as const)
  return new Map(own.filter(([, limits]) => Object.values(limits).some((limit) => limit !== undefined)))
}

/** By line. A value that both the schema and its reader refuse is told once. */
function inOrder(problems: readonly LineProblem[]): string[] {
  const sorted = [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
  return [...new Set(sorted.map(problemText))]
}

/** What can be read, and what is wrong beyond the shape, which is the schema's. */
function readFileConfig(value: unknown, lineOf: (path: readonly string[]) => number) {
  const { tokens, problems } = readTokens(fieldOf(value, 'tokens'))
  const tiers = new Map<string, readonly LatencyTarget[]>()
  const definitions = fieldOf(value, 'tiers') ?? {}
  for (const [name, tier] of entriesOf(definitions)) {
    const read = readTargets(tier, ['tiers', name])
    tiers.set(name, read.targets)
    problems.push(...read.problems)
  }

  const spellings = new Map<string, string>()
  const models = new Map<string, ModelConfig>()
  for (const [name, model] of entriesOf(fieldOf(value, 'models'))) {
    const path = ['models', name]
    const full = fullModelName(name)
    const first = spellings.get(full)
    if (first !== undefined) {
      const why = `the same model as ${printable(first)} (line ${lineOf(['models', first])}); write it once`
      problems.push({ path, why })
    } else spellings.set(full, name)

    const own = readTargets(fieldOf(model, 'targets'), [...path, 'targets'])
    const { limits, problems: wrongLimits } = readModelLimits(model, path)
    problems.push(...own.problems, ...wrongLimits)
    const tier = fieldOf(model, 'tier')
    const isNamed = typeof tier === 'string'
    const shared = isNamed ? tiers.get(tier) : []
    // Where tiers is no map at all, that is the mistake.
    if (shared === undefined && typeof definitions === 'object' && !Array.isArray(definitions))
      problems.push({ path: [...path, 'tier'], value: tier, why: noTier(tier, [...tiers.keys()]) })
    const processor = fieldOf(model, 'processor') === 'cpu' ? 'cpu' : undefined
    const targets = mergeTargets(shared ?? [], own.targets)
    models.set(full, { tier: isNamed ? tier : undefined, targets, limits, processor })
  }
  const file: FileConfig = { models, tiers: [...tiers.keys()], tokens }
  return { file, problems }
}

function noTier(name: unknown, tiers: readonly string[]): string {
  const near = suggest(String(name), tiers)
  return near === undefined ? 'no such tier; define it under tiers' : `no such tier; did you mean ${printable(near)}?`
}
