import { readFileSync } from 'node:fs'
import { loadConfig } from '../config.ts'
import { CHECKS } from '../doctor/checks.ts'
import { createContext } from '../doctor/context.ts'
import { doctorUsage, parseDoctorArguments } from '../doctor/options.ts'
import { formatFinding, formatSummary, isHealthy, reportJson } from '../doctor/report.ts'
import { runChecks, type Finding } from '../doctor/run-checks.ts'
import type { Terminal } from '../terminal.ts'
import { readVersion } from '../version.ts'

/** `ollascope doctor`: checks a deployment end to end. A finding is told as soon as those before it are. */
export async function doctor(argv: readonly string[], { env, stop, stdout }: Terminal): Promise<number> {
  const { help, json, checks, ...options } = parseDoctorArguments(argv, CHECKS)
  if (help) {
    stdout(doctorUsage(CHECKS))
    return 0
  }
  const config = loadConfig(env, (path) => readFileSync(path, 'utf8'))
  const machine = { platform: process.platform, arch: process.arch }
  const context = createContext({ ...options, config, env, stop, machine })
  const titleWidth = Math.max(...checks.map(({ title }) => title.length))
  const findings: Finding[] = []
  for (const finding of runChecks(checks, context)) {
    findings.push(await finding)
    if (!json) stdout(formatFinding(await finding, titleWidth))
  }
  stdout(json ? `${JSON.stringify(reportJson(readVersion().version, findings), null, 2)}\n` : formatSummary(findings))
  return isHealthy(findings) ? 0 : 1
}
