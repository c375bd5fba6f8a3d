// One proxy under measurement: start it, wait for it, read what it has used, end it.
import { spawn, execFileSync, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'

const TICK_MS = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
const START_LIMIT_MS = 10_000

export interface Running {
  port: number
  startMs: number
  /** CPU time used so far by the process and all its threads: utime + stime of /proc/PID/stat. */
  cpuMs(): number
  rssMb(): number
  peakMb(): number
  stop(): Promise<void>
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => {
        resolve(port)
      })
    })
  })
}

function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

function memoryMb(pid: number, name: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const req = http.get({ port, host: '127.0.0.1', path: '/api/version', agent: false }, (res) => {
      res.resume()
      resolve((res.statusCode ?? 500) < 500)
    })
    req.setTimeout(1000, () => req.destroy())
    req.on('error', () => {
      resolve(false)
    })
  })
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

export function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve()
      return
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), 2000)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

/** The first word `node` means the node that runs this, the rest is split at spaces: no shell, so the id is the proxy's own. */
export async function startProxy(command: string, upstreamPort: number): Promise<Running> {
  const [file = '', ...args] = command.split(' ').filter((word) => word !== '')
  const port = await freePort()
  const admin = await freePort()
  const started = performance.now()
  const child = spawn(file === 'node' ? process.execPath : file, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      OLLASCOPE_UPSTREAM: `http://127.0.0.1:${upstreamPort}`,
      OLLASCOPE_LISTEN: `127.0.0.1:${port}`,
      OLLASCOPE_ADMIN_LISTEN: `127.0.0.1:${admin}`,
    },
  })
  const pid = child.pid
  if (pid === undefined) throw new Error(`cannot start ${command}`)
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}`)
    if (performance.now() - started > START_LIMIT_MS) {
      await end(child)
      throw new Error(`${command} does not answer`)
    }
    await sleep(5)
  }
  return {
    port,
    startMs: performance.now() - started,
    cpuMs: () => cpuMs(pid),
    rssMb: () => memoryMb(pid, 'VmRSS'),
    peakMb: () => memoryMb(pid, 'VmHWM'),
    stop: () => end(child),
  }
}
