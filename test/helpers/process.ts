import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { LogLine } from './app.ts'
import { isFields } from './json.ts'
import { readSamples, type Samples } from './samples.ts'
import { waitFor } from './wait.ts'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** The Node that the project brings along. */
export const NODE = join(ROOT, 'node_modules/node/bin/node')
const PROGRAM = join(ROOT, 'dist/main.js')

interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface RunningProcess {
  readonly child: ChildProcess
  /** What it wrote so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly exited: Promise<Exit>
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Left out, the root of the repository. */
  readonly cwd?: string
  /** Takes what kills the process; left out, it is killed when the test ends. */
  readonly onEnd?: (kill: () => Promise<void>) => void
}

/** The compiled program; an error that says what to do where there is none, or an old one. */
export function builtProgram(): string {
  const built = statSync(PROGRAM, { throwIfNoEntry: false })
  if (built === undefined) throw new Error('dist/main.js is missing: run "make build" first')
  const source = join(ROOT, 'src')
  const newer = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|html)$/.test(name))
    .filter((name) => statSync(join(source, name)).mtimeMs > built.mtimeMs)
  if (newer.length > 0) throw new Error(`dist is older than src/${newer.join(', src/')}: run "make build" first`)
  return PROGRAM
}

/** Starts a program with nothing of this environment but the PATH. */
export function startProgram(program: string, args: readonly string[], options: StartOptions = {}): RunningProcess {
  const child = spawn(program, args, {
    cwd: options.cwd ?? ROOT,
    env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, ...options.env }, // Debian's servers are there
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own: what it starts can be killed with it
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes))
  child.stderr.on('data', (bytes: Buffer) => err.push(bytes))
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject)
    // 'exit' comes before the last lines do.
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  const atEnd = options.onEnd ?? onTestFinished
  atEnd(async () => {
    killGroup(child)
    child.stdout.destroy()
    await exited
  })
  return {
    child,
    stdout: () => Buffer.concat(out).toString(),
    stderr: () => Buffer.concat(err).toString(),
    exited,
  }
}

/** Kills a process with all that it started; what is gone already is no error. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Starts the compiled program on the project's own Node. */
function startBuilt(args: readonly string[], options: StartOptions = {}): RunningProcess {
  return startProgram(NODE, [builtProgram(), ...args], options)
}

export interface Ended extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** Waits for the end of a process. */
export async function ended(running: RunningProcess): Promise<Ended> {
  const exit = await running.exited
  return { ...exit, stdout: running.stdout(), stderr: running.stderr() }
}

/** Runs the compiled program to its end. */
export function runBuilt(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return ended(startBuilt(args, { env }))
}

/** `ollascope serve` as a process of its own. */
export interface Served extends RunningProcess {
  readonly proxyUrl: string
  readonly proxyPort: number
  readonly adminUrl: string
  /** The log so far, a line each. */
  readonly log: () => LogLine[]
  /** Waits until so many requests have their receipt, and gives all so far. */
  readonly receipts: (count: number) => Promise<LogLine[]>
  /** All metrics as text. */
  readonly scrape: (accept?: string) => Promise<string>
  readonly samples: () => Promise<Samples>
}

/** The environment of a `serve` on ports that are free, in front of this upstream. */
export function serveEnv(upstreamPort: number, env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    OLLASCOPE_UPSTREAM: `http://127.0.0.1:${upstreamPort}`,
    OLLASCOPE_LISTEN: '127.0.0.1:0',
    OLLASCOPE_ADMIN_LISTEN: '127.0.0.1:0',
    // What else this machine has is no business of most tests.
    OLLASCOPE_COLLECTORS: 'ollama',
    ...env,
  }
}

/** Starts `serve` and waits until it listens. */
export async function startServe(upstreamPort: number, options: StartOptions = {}): Promise<Served> {
  const running = startBuilt(['serve'], { ...options, env: serveEnv(upstreamPort, options.env) })
  return watchServe(running, await waitFor('the line that says where it listens', () => announcement(running)))
}

/** What a `serve` offers that said where it listens. */
export function watchServe(running: RunningProcess, ready: LogLine): Served {
  const { proxy: proxyUrl, admin: adminUrl } = ready
  if (typeof proxyUrl !== 'string' || typeof adminUrl !== 'string') throw new Error('no addresses')
  const log = () => readLog(running.stdout())
  const scrape = async (accept = 'text/plain') =>
    await (await fetch(`${adminUrl}/metrics`, { headers: { accept } })).text()
  return {
    ...running,
    proxyUrl,
    proxyPort: proxyUrl === '' ? 0 : Number(new URL(proxyUrl).port),
    adminUrl,
    log,
    receipts: (count) =>
      waitFor(`${count} receipts`, () => {
        const found = log().filter(({ msg }) => msg === 'request')
        return found.length >= count && found
      }),
    scrape,
    samples: async () => readSamples(await scrape()),
  }
}

/** The log line of a `serve` that listens, or of another that has this address; throws where it ended instead. */
export function announcement(running: RunningProcess, address: 'proxy' | 'admin' = 'proxy'): LogLine | undefined {
  if (running.child.exitCode !== null) throw new Error(`it ended: ${running.stderr()}`)
  return readLog(running.stdout()).find((line) => line[address] !== undefined)
}

/** The whole lines of a log; what is no JSON is left out. */
function readLog(text: string): LogLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'))
    .map((line): unknown => JSON.parse(line))
    .filter(isFields)
}
