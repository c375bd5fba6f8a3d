import { stat } from 'node:fs/promises'
import { Absent, CollectError } from '../collector.ts'
import type { Container } from '../containers.ts'
import { unlessMissing } from '../host/files.ts'
import { findGroups, isOllamas, serviceOf, type Group } from './groups.ts'
import { identify } from './identity.ts'
import { locate, type Roots } from './locate.ts'
import { readProcesses } from './processes.ts'

const TICK_MS = 10 // USER_HZ is 100 wherever Node runs on Linux

/**
 * The containers and services that Ollama runs in, by the processes that can be seen.
 * @param name of a container; a service has its own. Where several have the same, a part of its id makes each another.
 * @param bootSeconds when the machine was booted, as a Unix time
 * @throws Absent where there is none, CollectError `permission` or `unreadable` where no cgroup of any can be read
 */
export async function findOllama(
  roots: Roots,
  name: string,
  bootSeconds: () => Promise<number>,
  signal?: AbortSignal,
): Promise<readonly Container[]> {
  const processes = await readProcesses(roots.procRoot, signal)
  if (processes === undefined) throw new Absent(`there is no ${roots.procRoot} to look for Ollama in`)
  const groups = await findGroups(roots, processes)
  const found: Container[] = []
  let denied: unknown
  for (const group of groups.filter(isOllamas)) {
    signal?.throwIfAborted()
    const id = await identifyReadable(roots, group).catch((error: unknown) => void (denied = error))
    if (id === undefined) continue
    const startedAt = Math.round((await bootSeconds()) * 1000 + group.startTicks * TICK_MS)
    found.push({ id, name: serviceOf(group) ?? name, image: '', pid: group.pid, startedAt })
  }
  if (found.length === 0) throw await explain(roots, groups, denied)
  return found.map((one) => ({ ...one, name: uniqueName(one, found) }))
}

/** The id of a container whose cgroup can be read. */
async function identifyReadable(roots: Roots, { pid, membership }: Group): Promise<string | undefined> {
  const cgroup = await locate(roots, pid, membership)
  return cgroup && identify(roots, pid, membership)
}

function uniqueName({ id, name }: Container, all: readonly Container[]): string {
  return all.filter((one) => one.name === name).length === 1 ? name : `${name}-${id.slice(0, 12)}`
}

/** Why there is nothing to read, and what to do. */
async function explain({ procRoot, sysRoot }: Roots, groups: readonly Group[], denied: unknown): Promise<Error> {
  const mounted = `${sysRoot}/fs/cgroup`
  const one = groups.find(isOllamas) ?? groups[0]
  if (one === undefined) {
    const todo = 'run Ollama here, or share its pid namespace (compose: pid: "service:ollama")'
    return new Absent(`no "ollama serve" is among the processes in ${procRoot}: ${todo}`)
  }
  const who = `Ollama (process ${one.server})`
  const { path } = one.membership
  if (denied instanceof CollectError && denied.reason === 'permission') {
    const todo = 'run as root with the capability SYS_PTRACE, or as its user with all of its capabilities'
    return new CollectError('permission', `the cgroup of ${who} may not be read: ${todo}`, { cause: denied })
  }
  if ((await unlessMissing(mounted, () => stat(mounted).then(() => true))) === undefined)
    return new Absent(`there is no cgroup file system at ${mounted}`)
  if (!isOllamas(one) || path === '/')
    return new Absent(`${who} shares the cgroup ${path} with other programs: run it as a service or in a container`)
  const todo = 'mount it, share its pid namespace, or switch the memory controller on (cgroup_enable=memory)'
  return new CollectError('unreadable', `the cgroup ${path} of ${who} cannot be seen from here: ${todo}`, {
    cause: denied,
  })
}
