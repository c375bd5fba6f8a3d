// The product as a process of its own, which tells what it holds when it is asked.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { LogLine } from '../../test/helpers/app.ts'
import { isFields } from '../../test/helpers/json.ts'
import { builtProgram, NODE } from '../../test/helpers/process.ts'
import { waitFor } from '../../test/helpers/wait.ts'

/** What the process holds when all garbage is gone: MiB, and numbers of things. */
export interface Held {
  readonly rssMb: number
  readonly heapMb: number
  /** Memory of buffers, which is not part of the heap. */
  readonly buffersMb: number
  readonly fds: number
  /** Event emitters: sockets, requests, responses, streams. */
  readonly emitters: number
  readonly timers: number
}

export interface Product {
  readonly proxyPort: number
  readonly adminUrl: string
  /** What it holds now. */
  readonly measure: () => Promise<Held>
  /** How it ended, where it has. */
  readonly end: () => string | undefined
  /** Tells it to end. @returns what was wrong with that, and with anything before */
  readonly stop: () => Promise<string[]>
  readonly kill: () => void
}

/** Runs before the program: on SIGUSR2, collects garbage and writes a line of what is left. */
const PROBE = `
import { EventEmitter } from 'node:events'
import { queryObjects } from 'node:v8'
const timer = setTimeout(() => undefined)
clearTimeout(timer)
const count = (kind) => queryObjects(kind, { format: 'count' })
process.on('SIGUSR2', () => {
  globalThis.gc()
  // Finalizers run in between.
  setImmediate(() => {
    const emitters = count(EventEmitter)
    const timers = count(timer.constructor)
    globalThis.gc()
    const { rss, heapUsed, external } = process.memoryUsage()
    process.stderr.write(JSON.stringify({ rss, heapUsed, external, emitters, timers }) + '\\n')
  })
})`

const FLAGS = [
  '--expose-gc',
  '--disable-warning=ExperimentalWarning',
  '--import',
  `data:text/javascript,${encodeURIComponent(PROBE)}`,
]

/** Between two looks at what is open; some of it closes a moment later. */
const LOOK_MS = 50
const LOOKS = 10
/** No end takes so long, however slow the machine. */
const STOP_MS = 60_000

/** Starts `serve` and waits until it listens. `onLine` is told every line of its log. */
export async function startProduct(
  env: Readonly<Record<string, string>>,
  onLine: (line: LogLine) => void,
): Promise<Product> {
  const child = spawn(NODE, [...FLAGS, builtProgram(), 'serve'], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  const stderr: string[] = []
  const probes: Record<string, unknown>[] = []
  let ready: LogLine | undefined
  createInterface(child.stdout).on('line', (text) => {
    const line: unknown = JSON.parse(text)
    if (!isFields(line)) return
    if (typeof line.proxy === 'string') ready = line
    onLine(line)
  })
  createInterface(child.stderr).on('line', (text) => {
    const line: unknown = text.startsWith('{"rss"') ? JSON.parse(text) : undefined
    if (isFields(line)) probes.push(line)
    else stderr.push(text)
  })
  const kill = () => child.kill('SIGKILL')
  const end = () => {
    const how = child.exitCode ?? child.signalCode
    return how === null ? undefined : [`it ended with ${how}`, ...stderr].join('\n')
  }
  const alive = () => {
    const how = end()
    if (how !== undefined) throw new Error(how)
  }
  const openFiles = async () => {
    const counts: number[] = []
    for (let i = 0; i < LOOKS; i++) {
      counts.push(readdirSync(`/proc/${child.pid ?? 0}/fd`).length)
      await pause(LOOK_MS)
    }
    return Math.min(...counts)
  }
  try {
    const { proxy, admin } = await waitFor('the line that says where it listens', () => {
      alive()
      return ready
    })
    return {
      proxyPort: Number(new URL(String(proxy)).port),
      adminUrl: String(admin),
      async measure() {
        const fds = await openFiles()
        const before = probes.length
        child.kill('SIGUSR2')
        const probe = await waitFor('what it holds', () => {
          alive()
          return probes[before]
        })
        const { rss, heapUsed, external, emitters, timers } = probe
        const megabytes = (bytes: unknown) => Number(bytes) / 1024 / 1024
        return {
          rssMb: megabytes(rss),
          heapMb: megabytes(heapUsed),
          buffersMb: megabytes(external),
          fds,
          emitters: Number(emitters),
          timers: Number(timers),
        }
      },
      async stop() {
        child.kill('SIGTERM')
        const timer = setTimeout(kill, STOP_MS)
        await closed
        clearTimeout(timer)
        return child.exitCode === 0 ? stderr : [end() ?? '']
      },
      end,
      kill,
    }
  } catch (error) {
    kill()
    throw error
  }
}
