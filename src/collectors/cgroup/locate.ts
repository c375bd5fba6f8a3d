import { stat } from 'node:fs/promises'
import { readIfThere, unlessMissing } from '../host/files.ts'
import { parseMountinfo } from '../host/mountinfo.ts'
import { parseMembership, type Membership } from './process.ts'

/** Where the files of a cgroup are. In version 2 all folders are the same. */
export interface Cgroup {
  readonly version: 1 | 2
  readonly memory: string
  /** The others are `undefined` where the process shares them with the whole machine, or they are not there. */
  readonly cpu: string | undefined
  readonly cpuacct: string | undefined
  readonly io: string | undefined
}

export interface Roots {
  /** `/proc`, or where it is mounted. */
  readonly procRoot: string
  /** `/sys`, or where it is mounted. */
  readonly sysRoot: string
}

/** Where a hierarchy is mounted, and which of its cgroups is the top one there. */
interface Mounted {
  readonly folder: string
  readonly top: string
}

/** @param controller one of version 1, with all of its hierarchy; `undefined` for version 2 */
type View = (controller?: { readonly name: string; readonly all: string }) => readonly Mounted[]

/**
 * The cgroup of a process that is in this one: by the hierarchy of this file system, or by that of the process's own
 * where this one does not show it. The root of a hierarchy is none, since it counts the whole machine.
 * @throws CollectError `permission` or `unreadable`
 */
export async function locate(roots: Roots, pid: number, membership: Membership): Promise<Cgroup | undefined> {
  return (await seenFrom(hereIn(roots), membership)) ?? (await seenFrom(await insideOf(roots, pid), membership))
}

/** @throws CollectError `permission` or `unreadable` */
export async function readMembership({ procRoot }: Roots, pid: number): Promise<Membership | undefined> {
  return parseMembership((await readIfThere(`${procRoot}/${pid}/cgroup`)) ?? '')
}

async function seenFrom(view: View, { version, path, controllers }: Membership): Promise<Cgroup | undefined> {
  if (version === 2) {
    // The root has no such file. Where the memory controller is off, no cgroup has one.
    const folder = await firstOf(view(), path, (folder) => isThere(`${folder}/memory.events`))
    return folder === undefined ? undefined : { version, memory: folder, cpu: folder, cpuacct: folder, io: folder }
  }
  const find = async (name: string) => {
    const controller = controllers.get(name)
    if (controller === undefined) return undefined
    return firstOf(view({ name, all: controller.all }), controller.path, isBelowRoot)
  }
  const memory = await find('memory')
  if (memory === undefined) return undefined
  const [cpu, cpuacct, io] = await Promise.all(['cpu', 'cpuacct', 'blkio'].map(find))
  return { version, memory, cpu, cpuacct, io }
}

function hereIn({ sysRoot }: Roots): View {
  const root = `${sysRoot}/fs/cgroup`
  return (controller) => {
    const folders =
      controller === undefined ? [root, `${root}/unified`] : [`${root}/${controller.name}`, `${root}/${controller.all}`]
    return folders.map((folder) => ({ folder, top: '/' }))
  }
}

/** A container sees its own cgroup as the top one. */
async function insideOf({ procRoot }: Roots, pid: number): Promise<View> {
  const mounts = parseMountinfo((await readIfThere(`${procRoot}/${pid}/mountinfo`)) ?? '')
  return (controller) =>
    mounts
      .filter(({ fstype, superOptions }) =>
        controller === undefined ? fstype === 'cgroup2' : fstype === 'cgroup' && superOptions.includes(controller.name),
      )
      .map(({ root, mountpoint }) => ({ folder: `${procRoot}/${pid}/root${mountpoint}`, top: root }))
}

async function firstOf(
  mounted: readonly Mounted[],
  path: string,
  isOne: (folder: string) => Promise<boolean>,
): Promise<string | undefined> {
  for (const { folder, top } of mounted) {
    const below = pathBelow(top, path)
    if (below !== undefined && (await isOne(folder + below))) return folder + below
  }
  return undefined
}

/** The rest of a path; `undefined` where it is not below, or outside of this cgroup namespace (`/../x`). */
function pathBelow(top: string, path: string): string | undefined {
  const above = top === '/' ? '' : top
  if (path !== above && !path.startsWith(`${above}/`)) return undefined
  const rest = path.slice(above.length)
  if (rest.split('/').includes('..')) return undefined
  return rest === '/' ? '' : rest
}

/** Only the root of a hierarchy of version 1 has a release agent. */
async function isBelowRoot(folder: string): Promise<boolean> {
  return (await isThere(folder)) && !(await isThere(`${folder}/release_agent`))
}

async function isThere(path: string): Promise<boolean> {
  return (await unlessMissing(path, () => stat(path).then(() => true))) ?? false
}
