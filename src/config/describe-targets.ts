import type { Config } from '../config.ts'
import { QUANTILES } from './targets.ts'

/** What the config file says, a line for each target, each line with its newline; '' where it says nothing. */
export function describeTargets({ configured, targets }: Pick<Config, 'configured' | 'targets'>): string {
  const { models, tiers } = configured
  if (models + tiers === 0) return ''
  const head = `OLLASCOPE_CONFIG has ${count(models, 'model')}, ${count(tiers, 'tier')}, ${count(targets.length, 'target')}`
  const rows = targets.map(({ model, tier, metric, quantile, seconds }) => {
    const name = Object.entries(QUANTILES).find(([, value]) => value === quantile)?.[0] ?? String(quantile)
    return [model, tier === '' ? 'no tier' : tier, `${metric} ${name}`, `at most ${seconds}s`]
  })
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((cells) => cells[column]?.length ?? 0)))
  const lines = rows.map((cells) => `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`)
  return [head, ...lines].map((line) => `${line}\n`).join('')
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
