import type { Config } from '../config.ts'
import type { ModelLimits } from './model-limits.ts'
import { printable } from './parsers.ts'
import { QUANTILES } from './targets.ts'

/**
 * What the config file says of models, and whose tokens are known: a line for each target, each model with limits or a
 * processor of its own, and the clients; each line with its newline. '' where there is nothing to say.
 */
export function describeTargets(config: FromFile & Pick<Config, 'access'>): string {
  return [...describeFile(config), ...describeTokens(config.access)].map((line) => `${line}\n`).join('')
}

type FromFile = Pick<Config, 'configured' | 'targets' | 'models' | 'cpuModels'>

function describeFile({ configured, targets, models, cpuModels }: FromFile): string[] {
  const { models: known, tiers } = configured
  if (known + tiers === 0) return []
  const head = `OLLASCOPE_CONFIG has ${count(known, 'model')}, ${count(tiers, 'tier')}, ${count(targets.length, 'target')}`
  const rows = targets.map(({ model, tier, metric, quantile, seconds }) => {
    const name = Object.entries(QUANTILES).find(([, value]) => value === quantile)?.[0] ?? String(quantile)
    return [model, tier === '' ? 'no tier' : tier, `${metric} ${name}`, `at most ${seconds}s`]
  })
  const cpu = new Set(cpuModels)
  const special = [...new Set([...models.keys(), ...cpu])].map((model) => {
    const processor = cpu.has(model) ? ['processor cpu'] : []
    return [model, [...limitsOf(models.get(model) ?? {}), ...processor].join(', ')]
  })
  return [head, ...aligned(rows), ...aligned(special)]
}

/** As they are written in the file. */
function limitsOf({ firstByteMs, idleMs, connectRetries, retryDelayMs }: ModelLimits): string[] {
  const parts = [
    ['firstByteTimeout', seconds(firstByteMs)],
    ['idleTimeout', seconds(idleMs)],
    ['connectRetries', connectRetries],
    ['retryDelay', seconds(retryDelayMs)],
  ]
  return parts.flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${value}`]))
}

function seconds(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : `${ms / 1000}s`
}

function describeTokens({ tokens = [] }: Config['access']): string[] {
  const names = [...new Set(tokens.map(({ name }) => name))]
  if (names.length === 0) return []
  return [`${count(tokens.length, 'token')} of ${count(names.length, 'client')}: ${printable(names.join(', '))}`]
}

/** Indented, with columns of one width each but for the last. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  return rows.map(
    (cells) =>
      `  ${cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}`,
  )
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
