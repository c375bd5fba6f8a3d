import type { Outcome } from './check.ts'
import type { Finding } from './run-checks.ts'

const MARKS: Readonly<Record<Outcome, string>> = { ok: 'ok', warn: 'WARN', fail: 'FAIL', skip: 'skip' }
const MARK_WIDTH = 6

/** The lines of one finding: what is so, and below it what to type. */
export function formatFinding({ check, result }: Finding, titleWidth: number): string {
  const mark = MARKS[result.status].padEnd(MARK_WIDTH)
  const line = `${mark}${check.title.padEnd(titleWidth)}  ${plain(result.detail)}\n`
  return result.fix === undefined ? line : `${line}${' '.repeat(MARK_WIDTH + titleWidth + 2)}-> ${plain(result.fix)}\n`
}

/** What others said could hold what a terminal acts on. */
function plain(text: string): string {
  return text.replaceAll(/\s*[\r\n]+\s*/g, ' ').replaceAll(/\p{Cc}/gu, '?')
}

export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ result }) => result.status !== 'fail')
}

/** `3 failed, 1 warning, ...`. */
export function formatSummary(findings: readonly Finding[]): string {
  const { ok, warn, fail, skip } = countOutcomes(findings)
  return `\n${fail === 0 ? 'healthy' : 'NOT healthy'}: ${fail} failed, ${warn} to look at, ${ok} ok, ${skip} skipped\n`
}

function countOutcomes(findings: readonly Finding[]): Record<Outcome, number> {
  const counts = { ok: 0, warn: 0, fail: 0, skip: 0 }
  for (const { result } of findings) counts[result.status] += 1
  return counts
}

/** For programs. */
export function reportJson(version: string, findings: readonly Finding[]): object {
  return {
    version,
    healthy: isHealthy(findings),
    counts: countOutcomes(findings),
    checks: findings.map(({ check, result, seconds }) => ({
      id: check.id,
      title: check.title,
      status: result.status,
      detail: result.detail,
      fix: result.fix ?? null,
      seconds: Math.round(seconds * 1000) / 1000,
    })),
  }
}
