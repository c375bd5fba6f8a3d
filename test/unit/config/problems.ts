import { expect } from 'vitest'
import { ConfigError, loadConfig, type Env } from '../../../src/config.ts'

/** A disk without any file. */
export const noFile = (path: string): string => {
  throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' })
}

/** The lines that a person would read; fails where the environment is accepted. */
export function problemsOf(env: Env, readFile = noFile): readonly string[] {
  try {
    loadConfig(env, readFile)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return expect.fail(`accepted: ${JSON.stringify(env)}`)
}
