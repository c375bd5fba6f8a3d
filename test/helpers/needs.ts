import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe } from 'vitest'

/** Whether a program is on the PATH. */
function hasProgram(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
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
