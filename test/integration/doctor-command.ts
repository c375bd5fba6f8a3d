import { run } from '../../src/cli.ts'

export interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command in this process, with nothing of its environment but the PATH. */
export async function runCommand(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> {
  const said = { stdout: '', stderr: '' }
  const code = await run(argv, {
    env: { PATH: process.env.PATH, ...env },
    stop: new AbortController().signal,
    stdout: (text) => void (said.stdout += text),
    stderr: (text) => void (said.stderr += text),
    isTerminal: false,
    machineName: 'test-machine',
    maxOpenFiles: undefined,
    onUncaught: () => undefined,
    nodeVersion: '0.0.0',
  })
  return { code, ...said }
}
