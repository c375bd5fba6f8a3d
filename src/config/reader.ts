import { printable, shown } from './parsers.ts'
import type { Parsed } from './parsers.ts'
import { fileVariable, given, parserOf } from './settings.ts'
import type { Env, Given, Setting } from './settings.ts'
import { unreadable } from './wording.ts'

/** Returns a file's text, or throws as `fs.readFileSync` does. */
export type ReadFile = (path: string) => string

/** Reads settings and collects what is wrong. */
export interface Reader {
  /** The setting's value, or its default where there is a problem: whatever it is, it is noted. */
  readonly read: <T>(setting: Setting<T>) => T
  /** Whether each of these could be read. */
  readonly sound: (...rows: readonly Setting<unknown>[]) => boolean
  /** Notes what a value that could be read is refused for. */
  readonly refuse: (row: Setting<unknown>, why: string) => void
  /** All that was noted, a line each. */
  readonly problems: readonly string[]
}

export function createReader(env: Env, readFile: ReadFile): Reader {
  const problems: string[] = []
  const failed = new Set<string>()

  const read = <T>(setting: Setting<T>): T => {
    const fallback = setting.parse(setting.default)
    if ('problem' in fallback) throw new Error(`${setting.variable}: its own default is ${fallback.problem}`)
    const [inUse] = given(env, setting)
    if (inUse === undefined) return fallback.value
    const isFile = inUse.variable === fileVariable(setting.variable)
    const content = isFile ? readSecret(inUse.text, readFile) : { value: inUse.text }
    const parsed = 'value' in content ? parserOf(setting, inUse.variable)(content.value) : content
    if ('value' in parsed) return parsed.value
    failed.add(setting.variable)
    problems.push(line(inUse, isFile && 'value' in content ? `its content is ${parsed.problem}` : parsed.problem))
    return fallback.value
  }
  const sound: Reader['sound'] = (...rows) => rows.every((row) => !failed.has(row.variable))
  const refuse: Reader['refuse'] = (row, why) => {
    const [inUse = { variable: row.variable, text: row.default }] = given(env, row)
    problems.push(line(inUse, why))
  }
  return { read, sound, refuse, problems }
}

/** `VARIABLE=value: why`, where the value may be shown. */
export function line({ variable, text }: Given, why: string): string {
  return `${printable(variable)}=${shown(variable, text)}: ${why}`
}

/** A secret file's text without its last newlines. */
function readSecret(path: string, readFile: ReadFile): Parsed<string> {
  try {
    const value = readFile(path).replace(/[\r\n]+$/, '')
    return value === '' ? { problem: 'the file is empty' } : { value }
  } catch (error) {
    return { problem: unreadable(error) }
  }
}
