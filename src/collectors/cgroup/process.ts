import type { Mount } from '../host/mountinfo.ts'

/** In which cgroup of each hierarchy a process is. */
export interface Membership {
  readonly version: 1 | 2
  /** That of the memory controller, as it is seen from this process's cgroup namespace. */
  readonly path: string
  /** Version 1: of each controller, with all that share its hierarchy (`cpu,cpuacct`). */
  readonly controllers: ReadonlyMap<string, { readonly path: string; readonly all: string }>
}

export interface ProcessStat {
  readonly command: string
  readonly parent: number
  /** Hundredths of a second since the machine was booted. */
  readonly startTicks: number
}

const CONTAINER_ID = '[0-9a-f]{64}'
const ID_IN_PATH = new RegExp(`(?<=[/:-])${CONTAINER_ID}(?=\\.scope$|\\.scope/|/|$)`, 'g')
/** What Docker and Podman mount into a container out of the folder that is named after it. */
const MOUNTED_FILES = new Set(['/etc/hostname', '/etc/resolv.conf', '/etc/hosts'])
const ID_IN_MOUNT = new RegExp(`/(?:containers|overlay-containers)/(${CONTAINER_ID})/`)

/** Reads /proc/<pid>/cgroup. On a machine with both versions, the memory controller says which one counts. */
export function parseMembership(text: string): Membership | undefined {
  const controllers = new Map<string, { path: string; all: string }>()
  let unified: string | undefined
  for (const [, hierarchy, all, path] of text.matchAll(/^(\d+):([^:\n]*):(\/.*)$/gm)) {
    if (all === undefined || path === undefined) continue
    if (hierarchy === '0') unified = path
    else for (const controller of all.split(',')) controllers.set(controller, { path, all })
  }
  const memory = controllers.get('memory')
  if (memory !== undefined) return { version: 1, path: memory.path, controllers }
  return unified === undefined ? undefined : { version: 2, path: unified, controllers: new Map() }
}

/** Reads /proc/<pid>/stat. The command is in parentheses, and may hold parentheses itself. */
export function parseStat(text: string): ProcessStat | undefined {
  const [, command, rest = ''] = /^\d+ \((.*)\) (.*)/s.exec(text) ?? []
  const fields = rest.trim().split(' ')
  const [parent, startTicks] = [fields[1], fields[19]].map((field) =>
    /^\d{1,15}$/.test(field ?? '') ? Number(field) : NaN,
  )
  if (command === undefined || parent === undefined || startTicks === undefined) return undefined
  return Number.isNaN(parent + startTicks) ? undefined : { command, parent, startTicks }
}

/** The line `btime` of /proc/stat: when the machine was booted, as a Unix time. */
export function parseBootTime(text: string): number | undefined {
  const [, seconds] = /^btime (\d{1,12})$/m.exec(text) ?? []
  return seconds === undefined ? undefined : Number(seconds)
}

/** Whether this /proc/<pid>/cmdline is that of the server, and not of a runner or of a client. */
export function isServer(cmdline: string): boolean {
  const [program = '', subcommand = ''] = cmdline.split('\0')
  return program.split('/').at(-1) === 'ollama' && ['', 'serve', 'start'].includes(subcommand)
}

/** The id of the innermost container that the path of a cgroup names. */
export function containerIdInPath(path: string): string | undefined {
  return path.match(ID_IN_PATH)?.at(-1)
}

/** The id of a container by what is mounted into it, where a cgroup namespace hides it. */
export function containerIdInMounts(mounts: readonly Mount[]): string | undefined {
  const ids = mounts
    .filter(({ mountpoint }) => MOUNTED_FILES.has(mountpoint))
    .map(({ root }) => ID_IN_MOUNT.exec(root)?.[1])
  return ids.find((id) => id !== undefined)
}
