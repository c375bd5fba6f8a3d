import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable } from 'node:stream'
import { Absent, CollectError } from '../collector.ts'

export interface ProgramOptions {
  /** A name on the PATH, or a path. */
  readonly program: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly timeoutMs: number
}

/** How a run ended, and what it wrote. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Program {
  /**
   * Runs it to its end. Rejects with Absent where there is no such program, and with a CollectError: `timeout`,
   * `stuck`, `output_too_large`, `permission` or `spawn`.
   */
  readonly run: (args: readonly string[], signal: AbortSignal) => Promise<Ended>
  /** Kills what runs. */
  readonly close: () => void
}

const MAX_OUTPUT_BYTES = 1024 * 1024
/** How long a process may take to go after SIGKILL. One that waits inside the driver does not go at all. */
const KILL_GRACE_MS = 2000

type Child = ChildProcessByStdio<null, Readable, Readable>

/** Runs a program, one process at a time: while a killed one does not go, no other is started. */
export function createProgram({ program, env, timeoutMs }: ProgramOptions): Program {
  let running: Child | undefined

  async function run(args: readonly string[], signal: AbortSignal): Promise<Ended> {
    if (running !== undefined) throw stuck()
    if (signal.aborted) throw overdue()
    const child = await start(args)
    const limit = Promise.withResolvers<never>()
    const onOverdue = () => limit.reject(overdue())
    const timer = setTimeout(onOverdue, timeoutMs)
    signal.addEventListener('abort', onOverdue)
    try {
      return await Promise.race([readToEnd(child, () => limit.reject(tooLarge())), limit.promise])
    } catch (error) {
      if (!(await kill(child))) throw stuck()
      throw error
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onOverdue)
      child.stdout.destroy()
      child.stderr.destroy()
    }
  }

  function start(args: readonly string[]): Promise<Child> {
    return new Promise<Child>((resolve, reject) => {
      const child = spawn(program, args, {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true, // a group of its own: a wrapper is killed with what it started
      })
      child.once('error', reject)
      child.once('spawn', () => {
        running = child
        resolve(child)
      })
      child.once('exit', () => (running = undefined))
    }).catch((error: unknown) => {
      throw startFailure(program, error)
    })
  }

  function stuck(): CollectError {
    const advice = 'it waits inside the driver; look for "Xid" in the kernel log, and reboot'
    return new CollectError('stuck', `${program} does not end, not even when killed: ${advice}`)
  }

  function overdue(): CollectError {
    const advice = 'a GPU without persistence mode is slow to wake up, so turn that on; or the driver hangs'
    return new CollectError('timeout', `${program} took longer than ${timeoutMs / 1000} s: ${advice}`)
  }

  function tooLarge(): CollectError {
    return new CollectError('output_too_large', `${program} wrote more than 1 MiB: is it nvidia-smi?`)
  }

  return { run, close: () => running && killGroup(running) }
}

/** All that it writes, once it has ended and nobody holds its output open. */
function readToEnd(child: Child, onTooLarge: () => void): Promise<Ended> {
  const output: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
  let length = 0
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (bytes: Buffer) => {
      length += bytes.length
      if (length > MAX_OUTPUT_BYTES) onTooLarge()
      else output[name].push(bytes)
    })
  }
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      resolve({
        code,
        signal,
        stdout: Buffer.concat(output.stdout).toString(),
        stderr: Buffer.concat(output.stderr).toString(),
      })
    })
  })
}

/** Whether it is gone after that. */
function kill(child: Child): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(true)
  killGroup(child)
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), KILL_GRACE_MS)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

/** Kills a process that was not seen to end, with what it started. */
function killGroup({ pid }: Child): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It is gone, or may not be killed: the event of its end tells.
  }
}

function startFailure(program: string, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const options = { cause: error }
  if (code === 'ENOENT') {
    const message =
      `${program} is not here: where there is an NVIDIA GPU, install its driver; in a container, give it the GPU ` +
      'with NVIDIA_DRIVER_CAPABILITIES=utility and use an image with glibc; or set OLLASCOPE_NVIDIA_SMI to its path'
    return new Absent(message, options)
  }
  if (code === 'EACCES')
    return new CollectError('permission', `${program} may not be run by this user: make it executable`, options)
  return new CollectError('spawn', `${program} cannot be started: ${String(error)}`, options)
}
