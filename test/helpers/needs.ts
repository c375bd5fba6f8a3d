import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe } from 'vitest'

/** Where Debian has its servers, which are not on everybody's PATH. */
const SYSTEM = ['/usr/sbin', '/sbin']

/** Whether a program is on the PATH, or where servers are. */
function hasProgram(name: string): boolean {
  return [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM].some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** `describe` for tests that need real programs: where one is missing they skip, and the end of the run says so. */
export function describeWith(programs: readonly string[], name: string, body: () => void): void {
  const missing = programs.filter((program) => !hasProgram(program))
  const title = missing.length === 0 ? name : `${name} [needs ${missing.join(', ')}]`
  describe.skipIf(missing.length > 0)(title, body)
}
