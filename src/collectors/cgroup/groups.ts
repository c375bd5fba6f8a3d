import { readMembership, type Roots } from './locate.ts'
import { containerIdInPath, type Membership } from './process.ts'
import { findServers, type Processes } from './processes.ts'

/** A cgroup that Ollama is in. */
export interface Group {
  readonly membership: Membership
  /** Its first process: Ollama, or what started it. */
  readonly pid: number
  readonly startTicks: number
  readonly server: number
}

/** Deeper than any shell in a shell. */
const MAX_PARENTS = 50

/** The cgroups that an `ollama serve` is in, each once. */
export async function findGroups(roots: Roots, processes: Processes): Promise<readonly Group[]> {
  const groups = new Map<string, Group>()
  for (const server of await findServers(roots.procRoot, processes)) {
    const membership = await membershipOf(roots, server)
    if (membership === undefined) continue
    const pid = await firstOf(roots, server, membership.path, processes)
    const group = { membership, pid, startTicks: processes.get(pid)?.startTicks ?? 0, server }
    const other = groups.get(membership.path)
    // What was started in it later, as by `docker exec`, has no parent in it either.
    if (other === undefined || group.startTicks < other.startTicks) groups.set(membership.path, group)
  }
  return [...groups.values()]
}

/** The name of a service that is Ollama's; `undefined` for all else. */
export function serviceOf({ membership: { path }, pid, server }: Group): string | undefined {
  const unit = path.split('/').at(-1) ?? ''
  if (containerIdInPath(path) !== undefined || !unit.endsWith('.service')) return undefined
  return pid === server || unit.includes('ollama') ? unit : undefined
}

/** Whether nothing but Ollama and what came with it is in there, as in no session and no terminal. */
export function isOllamas(group: Group): boolean {
  const { path } = group.membership
  // The top of a cgroup namespace is a container. That of the machine has no files to read.
  return path === '/' || containerIdInPath(path) !== undefined || serviceOf(group) !== undefined
}

async function firstOf(roots: Roots, pid: number, path: string, processes: Processes): Promise<number> {
  let first = pid
  for (let step = 0; step < MAX_PARENTS; step++) {
    const parent = processes.get(first)?.parent
    if (parent === undefined || !processes.has(parent)) break
    if ((await membershipOf(roots, parent))?.path !== path) break
    first = parent
  }
  return first
}

/** One that ended just now is in none. */
function membershipOf(roots: Roots, pid: number): Promise<Membership | undefined> {
  return readMembership(roots, pid).catch(() => undefined)
}
