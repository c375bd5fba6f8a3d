import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, symlinkSync } from 'node:fs'
import { copyFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { cgroupParent, endContainerd, removeLeftovers, removeOrphans, ROOT_PREFIX } from './dockerd-leftovers.ts'
import { describeWith } from './needs.ts'
import { runProgram } from './programs.ts'
import { waitFor } from './wait.ts'

const SYSTEM_PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`

const DAEMON = 'dockerd'

/** The image that every private daemon has: BusyBox, with `sh` as its command. */
export const BUSYBOX = 'busybox:latest'

interface DockerdOptions {
  /** More arguments of dockerd, as `--live-restore`, with which containers outlive it. */
  readonly args?: readonly string[]
}

interface RunOptions {
  readonly name?: string
  /** Arguments of `docker run` before the image, as `--memory=64m`. */
  readonly args?: readonly string[]
  readonly image?: string
}

/** A Docker daemon of its own: its own folder, containerd, socket and cgroup; no default bridge, no iptables. */
export interface Dockerd {
  /** The path of its socket. */
  readonly socket: string
  /** The same as a DOCKER_HOST. */
  readonly host: string
  /** Runs the client to its end and gives its stdout without the last line end; rejects with stderr where it fails. */
  readonly docker: (...args: readonly string[]) => Promise<string>
  /** Starts a container that runs this shell script, and gives its id. It has no network but the loopback. */
  readonly run: (script: string, options?: RunOptions) => Promise<string>
  /** Process 1 of a container, as the host numbers it. */
  readonly pidOf: (container: string) => Promise<number>
  /** Makes a bridge network of this name; give `--network=NAME` to `run`. It goes with the daemon. */
  readonly createNetwork: (name: string) => Promise<void>
  /** The folder of a container in a cgroup v1 hierarchy (`memory`), or in the only one of v2 (''). */
  readonly cgroup: (hierarchy: string, id: string) => string
  /** What it logged. */
  readonly log: () => string
  /** The daemon ends in good order, its containers with it (not with `--live-restore`). */
  readonly stopDaemon: () => Promise<void>
  /** The daemon is killed; its containers run on, until it is started again (longer with `--live-restore`). */
  readonly killDaemon: () => Promise<void>
  /** Starts it again after `stopDaemon` or `killDaemon`, and waits until it answers. */
  readonly startDaemon: () => Promise<void>
  /** `stopDaemon` and `startDaemon`. */
  readonly restart: () => Promise<void>
  /**
   * Starts it again in a network namespace of its own, with bridges and packet filters as usual: its containers can have
   * any port, and reach nothing outside. `enter` runs programs there.
   */
  readonly isolate: () => Promise<void>
  /** A program and its arguments as they run in the daemon's network. */
  readonly enter: (...command: readonly string[]) => [program: string, args: readonly string[]]
  /** Freezes the daemon, so that it accepts connections and never answers. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** Ends everything and leaves nothing behind, in whatever state it is. */
  readonly stop: () => Promise<void>
}

/** `describe` for tests that start a private Docker daemon, which needs root; `more` programs are needed beside it. */
export function describeWithDockerd(name: string, body: () => void, more: readonly string[] = []): void {
  if (process.getuid?.() === 0) describeWith(['dockerd', 'docker', 'busybox', 'ip', 'tar', ...more], name, body)
  else describe.skip(`${name} [needs root]`, body)
}

/**
 * Starts a private Docker daemon with the image BUSYBOX, in about a second. Whoever starts one calls `stop` in an
 * `afterAll`; what a test run that was killed has left is removed by the next start.
 */
export async function startDockerd(options: DockerdOptions = {}): Promise<Dockerd> {
  await removeOrphans()
  const root = mkdtempSync(join(tmpdir(), `${ROOT_PREFIX}${process.pid}-`))
  const socket = join(root, 'docker.sock')
  const host = `unix://${socket}`
  const logFile = join(root, 'dockerd.log')
  const log = () => readFileSync(logFile, 'utf8')
  let daemon: ChildProcess | undefined
  let isIsolated = false

  const startDaemon = async () => {
    const started = spawnDaemon(root, host, logFile, isIsolated, options.args ?? [])
    daemon = started
    await waitFor('dockerd to answer', async () => {
      if (hasEnded(started)) throw new Error(`dockerd ended: ${log().slice(-2000)}`)
      return answers(socket)
    })
  }
  const endDaemon = async (signal: NodeJS.Signals) => {
    if (daemon === undefined || hasEnded(daemon)) return
    const running = daemon
    running.kill(signal)
    await waitFor('dockerd to end', () => hasEnded(running), 30_000)
    if (signal === 'SIGKILL') await endContainerd(root)
  }
  const docker = (...args: readonly string[]) => runClient(root, host, args)
  const stop = async () => {
    await endDaemon('SIGKILL')
    await removeLeftovers(root)
  }
  try {
    await startDaemon()
    await importBusybox(root, docker)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    socket,
    host,
    docker,
    run: (script, { name, args = [], image = BUSYBOX } = {}) => {
      const named = name === undefined ? [] : [`--name=${name}`]
      const network = args.some((arg) => arg.startsWith('--net')) ? [] : ['--network=none']
      return docker('run', '--detach', ...named, ...network, ...args, image, 'sh', '-c', script)
    },
    pidOf: async (container) => Number(await docker('inspect', '--format={{.State.Pid}}', container)),
    createNetwork: async (name) => {
      const id = await docker('network', 'create', name)
      await writeFile(join(root, 'bridges'), `br-${id.slice(0, 12)}\n`, { flag: 'a' })
    },
    cgroup: (hierarchy, id) => join('/sys/fs/cgroup', hierarchy, cgroupParent(root), id),
    log,
    stopDaemon: () => endDaemon('SIGTERM'),
    killDaemon: () => endDaemon('SIGKILL'),
    startDaemon,
    async restart() {
      await endDaemon('SIGTERM')
      await startDaemon()
    },
    async isolate() {
      await endDaemon('SIGTERM')
      isIsolated = true
      await startDaemon()
    },
    enter: (...command) => ['nsenter', [`--net=/proc/${daemon?.pid}/ns/net`, '--', ...command]],
    freeze: () => void daemon?.kill('SIGSTOP'),
    thaw: () => void daemon?.kill('SIGCONT'),
    stop,
  }
}

function spawnDaemon(
  root: string,
  host: string,
  logFile: string,
  isIsolated: boolean,
  more: readonly string[],
): ChildProcess {
  const log = openSync(logFile, 'a')
  const places = [`--data-root=${root}/data`, `--exec-root=${root}/exec`, `--pidfile=${root}/pid`, `--host=${host}`]
  const network = isIsolated ? [] : ['--bridge=none', '--iptables=false', '--ip6tables=false']
  const own = [...network, '--storage-driver=vfs', '--shutdown-timeout=2', '--log-level=warn']
  const cgroups = [`--cgroup-parent=${cgroupParent(root)}`, '--exec-opt=native.cgroupdriver=cgroupfs']
  // Each of these becomes the next: the process is the daemon's in the end.
  const apart = ['--net', '--', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', DAEMON]
  const [program, before] = isIsolated ? ['unshare', apart] : [DAEMON, []]
  const daemon = spawn(program, [...before, ...places, ...own, ...cgroups, ...more], {
    env: { PATH: SYSTEM_PATH, HOME: root },
    stdio: ['ignore', log, log],
    detached: true,
  })
  daemon.on('error', () => undefined) // it has no exit code then, nor an answer: the wait says so
  closeSync(log)
  return daemon
}

function hasEnded({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid === undefined || exitCode !== null || signalCode !== null
}

/** Whether a daemon answers on a socket. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const ping = request({ socketPath, path: '/_ping', timeout: 5000 }, (answer) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    })
    ping.on('timeout', () => ping.destroy())
    ping.on('error', () => resolve(false))
    ping.end()
  })
}

function runClient(root: string, host: string, args: readonly string[]): Promise<string> {
  const env = { PATH: SYSTEM_PATH, HOME: root, DOCKER_HOST: host }
  return new Promise((resolve, reject) => {
    execFile('docker', args, { env, timeout: 60_000, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.replace(/\n$/, ''))
      else reject(new Error(`docker ${args.join(' ')}: ${stderr.trim()}`, { cause: error }))
    })
  })
}

/** Makes an image of the host's BusyBox, which is linked statically. */
async function importBusybox(root: string, docker: Dockerd['docker']): Promise<void> {
  const tree = join(root, 'busybox')
  for (const folder of ['bin', 'tmp', 'etc', 'proc']) mkdirSync(join(tree, folder), { recursive: true })
  await copyFile('/usr/bin/busybox', join(tree, 'bin/busybox'))
  const { stdout } = await runProgram('/usr/bin/busybox', ['--list'], '')
  for (const applet of stdout.trim().split('\n'))
    if (applet !== 'busybox') symlinkSync('busybox', join(tree, 'bin', applet))
  const tar = join(root, 'busybox.tar')
  await runProgram('tar', ['-cf', tar, '-C', tree, '.'], '')
  await docker('import', '--change=CMD ["sh"]', tar, BUSYBOX)
}
