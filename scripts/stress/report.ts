import { verdictOf, type CellResult, type Percentiles, type Summary } from './statistics.ts'

/** What was asked, where, and what came of it. */
export interface Report {
  readonly url: string
  readonly startedAt: string
  readonly labels: Readonly<Record<string, string>>
  readonly timeoutSeconds: number
  readonly cells: readonly CellResult[]
  readonly total: Summary
}

export function formatJson(report: Report): string {
  return `${JSON.stringify({ ...report, problems: verdictOf(report.total) }, null, 2)}\n`
}

/** For people, and to be put into an issue or a runbook as it is. */
export function formatMarkdown(report: Report): string {
  const { url, startedAt, labels, timeoutSeconds, cells, total } = report
  const problems = verdictOf(total)
  const said = Object.entries(labels).map(([name, value]) => `${name} ${value}`)
  return `# Stress test

${[`of ${url}`, `at ${startedAt}`, ...said, `timeout ${timeoutSeconds} s`].join(', ')}

**${problems.length === 0 ? 'Passed' : `Failed: ${problems.join('; ')}`}**: ${total.requests} requests, ${total.ok} good, \
${total.timeouts} timeouts, ${total.errors} errors.

| model | prompt | output | at once | good | timeouts | errors | first token p50 / p95 / p99 | request p50 / p95 / p99 | tokens/s a stream | tokens/s |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |
${cells.map(row).join('\n')}
${total.reasons.length === 0 ? '' : `\nErrors seen:\n\n${total.reasons.map((reason) => `- ${reason.replaceAll(/\s+/g, ' ')}`).join('\n')}\n`}${targets(report)}`
}

function row({ cell, ...result }: CellResult): string {
  const { requests, ok, timeouts, errors, firstToken, request, tokensPerSecond, totalTokensPerSecond } = result
  const columns = [
    cell.model.replaceAll('|', '\\|'),
    cell.promptTokens,
    cell.outputTokens,
    cell.concurrency,
    `${ok} of ${requests}`,
    timeouts,
    errors,
    times(firstToken),
    times(request),
    number(tokensPerSecond.p50),
    number(totalTokensPerSecond),
  ]
  return `| ${columns.join(' | ')} |`
}

function times({ p50, p95, p99 }: Percentiles): string {
  return [p50, p95, p99].map((value) => (value === undefined ? '-' : `${value.toFixed(2)} s`)).join(' / ')
}

function number(value: number | undefined): string {
  return value === undefined ? '-' : value.toFixed(1)
}

/** What was measured as lines for OLLASCOPE_CONFIG; a target leaves room, so a fifth is added. */
function targets({ labels, total }: Report): string {
  const { firstToken, request } = total
  const pair = ({ p50, p95 }: Percentiles) =>
    p50 === undefined || p95 === undefined ? undefined : `{ p50: ${rounded(p50)}, p95: ${rounded(p95)} }`
  const [ttft, whole] = [pair(firstToken), pair(request)]
  if (ttft === undefined || whole === undefined) return ''
  return `
As targets for \`OLLASCOPE_CONFIG\`, a fifth above what was measured:

\`\`\`yaml
tiers:
  ${labels.tier ?? 'interactive'}:
    ttft: ${ttft}
    request: ${whole}
\`\`\`
`
}

function rounded(seconds: number): string {
  return `${Math.max(1, Math.ceil(seconds * 1.2 * 1000))}ms`
}
