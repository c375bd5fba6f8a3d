/** What of a scrape is not the same in every run, and why. Everything else must be. */
export interface Volatile {
  /** The name of a sample. */
  readonly name: RegExp
  /** `samples`: which samples there are differs, too. */
  readonly hides: 'value' | 'labels' | 'samples'
  readonly reason: string
}

export const HIDDEN = '<volatile>'

/** The scrape line by line, what is volatile hidden: a hidden value shows its series, hidden samples their family. */
export function hideVolatile(scrape: string, rules: readonly Volatile[]): string[] {
  const lines: string[] = []
  for (const line of scrape.trimEnd().split('\n')) {
    const family = /^# TYPE (\S+)/.exec(line)?.[1]
    const name = /^\w+/.exec(line)?.[0]
    const rule = rules.find((one) => one.name.test(family ?? name ?? ''))
    if (family !== undefined) lines.push(line, ...(rule?.hides === 'samples' ? [`${family} ${HIDDEN}`] : []))
    else if (name === undefined || rule === undefined) lines.push(line)
    else if (rule.hides === 'value') lines.push(line.replace(/ \S+$/, ` ${HIDDEN}`))
    else if (rule.hides === 'labels') lines.push(line.replaceAll(/"(?:[^"\\]|\\.)*"/g, `"${HIDDEN}"`))
  }
  return lines
}

/** Which lines are missing and which are new, as a diff tells it; '' where there is no difference. */
export function compareLines(expected: readonly string[], actual: readonly string[]): string {
  const has = new Set(actual)
  const had = new Set(expected)
  const missing = expected.filter((line) => !has.has(line)).map((line) => `- ${line}`)
  const added = actual.filter((line) => !had.has(line)).map((line) => `+ ${line}`)
  if (missing.length + added.length > 0) return [...missing, ...added].join('\n')
  return expected.join('\n') === actual.join('\n') ? '' : 'the same lines in another order, or another number of times'
}
