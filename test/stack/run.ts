import { execFile } from 'node:child_process'

interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  readonly timeoutMs?: number
}

/** Runs a program to its end and gives its stdout; rejects with all that it said where it fails. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { stdin = '', timeoutMs = 60_000, ...rest } = options
  return new Promise((resolve, reject) => {
    const settings = { ...rest, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 } as const
    const child = execFile(program, args, settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${program} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`, { cause: error }))
    })
    child.stdin?.on('error', () => undefined) // it ended without reading all: what it said is the result
    child.stdin?.end(stdin)
  })
}
