import { readFileSync } from 'node:fs'
import { describeTargets } from '../config/describe-targets.ts'
import { describeConfig, formatConfig, loadConfig } from '../config.ts'
import type { Terminal } from '../terminal.ts'

/** `ollascope check-config`: what it would run with, secrets masked. */
export function checkConfig({ env, stdout }: Terminal): void {
  const config = loadConfig(env, (path) => readFileSync(path, 'utf8'))
  stdout(`${formatConfig(describeConfig(config, env))}\n${describeTargets(config)}`)
}
