import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { waitFor } from './wait.ts'

/** How the folder of a private daemon is called; the process that made it follows. */
export const ROOT_PREFIX = 'ollascope-dockerd-'

/** The cgroup below which a private daemon has all its containers, in every hierarchy. */
export function cgroupParent(root: string): string {
  return `/${basename(root)}`
}

/** Ends and removes all that private daemons of processes that are gone have left. */
export async function removeOrphans(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(ROOT_PREFIX))) {
    const owner = Number.parseInt(name.slice(ROOT_PREFIX.length), 10)
    if (owner > 0 && !existsSync(`/proc/${owner}`)) await removeLeftovers(join(tmpdir(), name))
  }
}

/** Kills what still runs of the daemon with this folder, and removes its mounts, bridges, cgroups and files. */
export async function removeLeftovers(root: string): Promise<void> {
  await waitFor(`all processes of ${root} to end`, () => {
    const pids = [...containerPids(root), ...daemonPids(root)]
    for (const pid of pids) kill(pid)
    return pids.length === 0
  })
  for (const path of shimSockets(root)) rmSync(path, { force: true })
  for (const path of mountsBelow(root)) run('umount', ['-l', path])
  for (const bridge of bridges(root)) run('ip', ['link', 'delete', bridge])
  for (const folder of cgroupFolders(root)) removeCgroup(folder)
  rmSync(root, { recursive: true, force: true })
}

/**
 * Ends the containerd of a daemon that was killed: it dies with it, but where nobody reaps the dead, the next dockerd
 * takes it for alive and waits for it.
 */
export async function endContainerd(root: string): Promise<void> {
  await waitFor('containerd to end', () => {
    const pids = daemonPids(root).filter((pid) => commandLine(String(pid)).includes('containerd.toml'))
    for (const pid of pids) kill(pid)
    return pids.length === 0
  })
  rmSync(join(root, 'exec/containerd/containerd.pid'), { force: true })
}

/** dockerd, its containerd and the shims all name the folder on their command lines. */
function daemonPids(root: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => /\bdockerd|containerd/.test(commandLine(pid)) && commandLine(pid).includes(`${root}/`))
    .map(Number)
}

function containerPids(root: string): number[] {
  return cgroupFolders(root).flatMap((folder) =>
    globSync('**/cgroup.procs', { cwd: folder }).flatMap((file) =>
      read(join(folder, file)).split('\n').map(Number).filter(Boolean),
    ),
  )
}

function cgroupFolders(root: string): string[] {
  return ['/sys/fs/cgroup', ...globSync('/sys/fs/cgroup/*/')]
    .map((hierarchy) => join(hierarchy, cgroupParent(root)))
    .filter((folder) => existsSync(folder))
}

function removeCgroup(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(folder, entry.name))
  }
  try {
    rmdirSync(folder)
  } catch {
    // Busy: a process in it is about to end. It is empty, and does no harm.
  }
}

function mountsBelow(root: string): string[] {
  return read('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${root}/`))
    .reverse()
}

/** Where a shim that was killed leaves its socket: the name is a hash of containerd's address and the container. */
function shimSockets(root: string): string[] {
  const name = (id: string) => createHash('sha256').update(`${root}/exec/containerd/containerd.sock/moby/${id}`)
  return globSync(join(root, 'data/containers/*')).map(
    (folder) => `/run/containerd/s/${name(basename(folder)).digest('hex')}`,
  )
}

/** The bridges of its networks, whose ids the daemon noted down. */
function bridges(root: string): string[] {
  const notes = read(join(root, 'bridges'))
  return notes.split('\n').filter((name) => existsSync(`/sys/class/net/${name}`) && name.startsWith('br-'))
}

function commandLine(pid: string): string {
  return read(`/proc/${pid}/cmdline`)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // gone meanwhile
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // gone meanwhile
  }
}

function run(program: string, args: readonly string[]): void {
  try {
    execFileSync(program, args, { stdio: 'ignore', timeout: 10_000 })
  } catch {
    // What cannot be undone is left; the next run of the tests tries again.
  }
}
