import { execFile, execFileSync, type ExecFileException } from 'node:child_process'
import { describe } from 'vitest'

/** Debian's own: it is the one that has Debian's packages. */
const PYTHON = '/usr/bin/python3'

/** What a program that was run to its end gave. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, with this as its stdin. Rejects where it cannot be started. */
export function runProgram(program: string, args: readonly string[], stdin: string): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string) => {
      if (error !== null && typeof error.code !== 'number')
        reject(new Error(`${program} cannot be run`, { cause: error }))
      else resolve({ code: Number(error?.code ?? 0), stdout, stderr })
    }
    const child = execFile(program, args, { timeout: 20_000, maxBuffer: 64 * 1024 * 1024 }, done)
    child.stdin?.on('error', () => undefined) // it ended without reading all: what it said is the result
    child.stdin?.end(stdin)
  })
}

/** Runs a Python script; rejects where it fails, with what it said. */
export async function runPython(script: string, args: readonly string[], stdin: string): Promise<string> {
  const { code, stdout, stderr } = await runProgram(PYTHON, [script, ...args], stdin)
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${stderr}`)
  return stdout
}

/** `describe` for tests that need a module of Debian's Python: where it is missing they skip, and their name says so. */
export function describeWithPython(module: string, name: string, body: () => void): void {
  const there = hasPythonModule(module)
  describe.skipIf(!there)(there ? name : `${name} [needs ${PYTHON} with the module ${module}]`, body)
}

function hasPythonModule(module: string): boolean {
  try {
    execFileSync(PYTHON, ['-c', `import ${module}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
