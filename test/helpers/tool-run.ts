import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isFields } from './json.ts'
import { runProgram } from './programs.ts'

export interface WrkLoad {
  readonly connections: number
  readonly seconds: number
  /** `Name: value` lines. */
  readonly headers?: readonly string[]
}

export interface WrkReport {
  /** Whole answers. */
  readonly requests: number
  /** Those of them with a status of 400 or more. */
  readonly refused: number
  readonly connectErrors: number
  readonly readErrors: number
  readonly writeErrors: number
  readonly timeouts: number
}

const REPORT = `
done = function(summary)
  local errors = summary.errors
  io.write(string.format('REPORT {"requests":%d,"refused":%d,"connectErrors":%d,"readErrors":%d,"writeErrors":%d,"timeouts":%d}\\n',
    summary.requests, errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
`

/** Loads a URL by as many requests as fit. */
export async function runWrk(url: string, { connections, seconds, headers = [] }: WrkLoad): Promise<WrkReport> {
  const folder = mkdtempSync(join(tmpdir(), 'wrk-'))
  try {
    const script = join(folder, 'report.lua')
    writeFileSync(script, REPORT)
    const fields = headers.flatMap((field) => ['-H', field])
    const args = ['-t', '2', '-c', String(connections), '-d', `${seconds}s`, '-s', script, ...fields, url]
    const { code, stdout, stderr } = await runProgram('wrk', args, '')
    const [, json] = /^REPORT (.*)$/m.exec(stdout) ?? []
    if (code !== 0 || json === undefined) throw new Error(`wrk ended with ${code}: ${stdout}${stderr}`)
    const report: unknown = JSON.parse(json)
    if (!isFields(report)) throw new Error(`no report: ${json}`)
    return report as unknown as WrkReport
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export interface SlowReport {
  /** Why it ended, in its own words. */
  readonly status: string
  /** What it said last. */
  readonly text: string
}

/** Attacks a URL by connections that are slow; `mode` and further options are slowhttptest's. */
export async function runSlowHttpTest(url: string, options: readonly string[]): Promise<SlowReport> {
  const { code, stdout, stderr } = await runProgram('slowhttptest', [...options, '-v', '1', '-u', url], '')
  const text = `${stdout}${stderr}`.replaceAll(/\x1b\[[\d;]*[A-Za-z]/g, '')
  const [, status] = /Exit status:\s*(.+)/.exec(text) ?? []
  if (code !== 0 || status === undefined) throw new Error(`slowhttptest ended with ${code}: ${text}`)
  return { status: status.trim(), text }
}
