// What a soak found, as Markdown.
import type { Growth, Measure } from './flat.ts'
import type { RoundReport, SoakReport } from './run.ts'

type Column = readonly [title: string, value: (round: RoundReport) => string]

const count = (name: keyof Measure): Column => [name, (round) => String(round[name])]
const COLUMNS: readonly Column[] = [
  ['round', ({ round }) => String(round + 1)],
  ['seconds', ({ seconds }) => seconds.toFixed(1)],
  ['exchanges', ({ exchanges }) => String(exchanges)],
  ['heap MiB', ({ heapMb }) => heapMb.toFixed(2)],
  ['buffers MiB', ({ buffersMb }) => buffersMb.toFixed(2)],
  ['RSS MiB', ({ rssMb }) => rssMb.toFixed(0)],
  count('fds'),
  count('emitters'),
  count('timers'),
  count('series'),
  count('labels'),
  ['wrong', ({ problems }) => String(problems.length)],
]

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

export const HEAD = [row(COLUMNS.map(([title]) => title)), row(COLUMNS.map(() => '---:'))].join('\n')

export function roundRow(round: RoundReport): string {
  return row(COLUMNS.map(([, value]) => value(round)))
}

/** Of a long list, so many are told. */
const TOLD = 20

/** What grew, what did not add up, and what happened at all. */
export function verdict({ rounds, tally, problems }: SoakReport, growth: readonly Growth[]): string {
  const exchanges = rounds.reduce((sum, round) => sum + round.exchanges, 0)
  const minutes = rounds.reduce((sum, { seconds }) => sum + seconds, 0) / 60
  const lines = growth.map(({ name, from, to, lessThan, flat }) => {
    const change = `${from.toFixed(2)} -> ${to.toFixed(2)}`
    return `${flat ? 'flat ' : 'GROWS'} ${name}: ${change} (may grow by less than ${lessThan})`
  })
  const ways = [...tally].toSorted(([a], [b]) => a.localeCompare(b)).map(([name, times]) => `${name} ${times}`)
  return [
    `${exchanges} exchanges in ${rounds.length} rounds, ${minutes.toFixed(1)} minutes: ${ways.join(', ')}`,
    ...lines,
    problems.length === 0 ? 'all adds up' : `${problems.length} things do NOT add up:`,
    ...problems.slice(0, TOLD),
  ].join('\n')
}
