import { printable, shown } from './parsers.ts'

/** What is wrong somewhere in the config file. */
export interface Problem {
  /** The keys that lead there; none for the file as a whole. */
  readonly path: readonly string[]
  /** What stands there, where a message should show it; only text, numbers and booleans are shown. */
  readonly value?: unknown
  /** What is wrong and what would be right. */
  readonly why: string
}

/** A problem in its place. */
export interface LineProblem extends Problem {
  /** Counted from 1; undefined where it is the whole file's. */
  readonly line: number | undefined
}

/** `line 7: models.llama3:70b.targets.ttft.p95=4: not a duration; ...`: bounded, and never a secret. */
export function problemText({ line, path, value, why }: LineProblem): string {
  // Who takes a token for its name, or for its hash, is told the line alone.
  if (path[0] === 'tokens') return problemText({ line, path: [], why: `tokens: ${why}` })
  const isScalar = ['string', 'number', 'boolean'].includes(typeof value)
  const place = path.map((key) => (key === '' ? '""' : printable(key))).join('.')
  const what = isScalar && path.length > 0 ? `${place}=${shown(path.at(-1) ?? '', String(value))}` : place
  return [line === undefined ? '' : `line ${line}`, what, why].filter((part) => part !== '').join(': ')
}
