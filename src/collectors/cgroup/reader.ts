import { CollectError } from '../collector.ts'
import type { Container } from '../containers.ts'
import { readIfThere } from '../host/files.ts'
import { findOllama } from './find-ollama.ts'
import { identify } from './identity.ts'
import { locate, readMembership, type Cgroup, type Roots } from './locate.ts'
import { parseBootTime } from './process.ts'
import { readOomKills, readUsage, type Usage } from './usage.ts'

/** Reads what the kernel says of containers, without a daemon. Paths are those of /proc and of cgroups 1 and 2. */
export interface CgroupReader {
  /**
   * The cgroup of a process. Never rejects.
   * @param id of the container that it must be of
   * @returns `undefined` where it is not there, may not be read, cannot be seen from here, is that of the whole machine,
   *   or is of another container
   */
  readonly locate: (pid: number, id?: string) => Promise<Cgroup | undefined>
  /**
   * How many processes the kernel killed in it for want of memory; `undefined` where it does not tell.
   * @throws CollectError `gone`, `permission` or `unreadable`
   */
  readonly readOomKills: (cgroup: Cgroup) => Promise<number | undefined>
  /** @throws CollectError `gone`, `permission` or `unreadable` */
  readonly readUsage: (cgroup: Cgroup) => Promise<Usage>
  /**
   * The containers and services that Ollama runs in.
   * @param name of a container, since no daemon tells it; a service has its own
   * @throws Absent, or CollectError `permission` or `unreadable`
   */
  readonly findOllama: (name: string, signal?: AbortSignal) => Promise<readonly Container[]>
}

export function createCgroupReader(roots: Roots): CgroupReader {
  let bootSeconds: number | undefined

  /** Read once: it moves when the clock is set, and a container is not started anew by that. */
  async function readBootTime(): Promise<number> {
    const path = `${roots.procRoot}/stat`
    bootSeconds ??= parseBootTime((await readIfThere(path)) ?? '')
    if (bootSeconds === undefined)
      throw new CollectError('unreadable', `${path} does not say when the machine was booted`)
    return bootSeconds
  }

  async function locateOf(pid: number, id?: string): Promise<Cgroup | undefined> {
    const membership = await readMembership(roots, pid)
    if (membership === undefined) return undefined
    if (id !== undefined && (await identify(roots, pid, membership)) !== id) return undefined
    return locate(roots, pid, membership)
  }

  return {
    locate: (pid, id) => locateOf(pid, id).catch(() => undefined),
    readOomKills,
    readUsage,
    findOllama: (name, signal) => findOllama(roots, name, readBootTime, signal),
  }
}
