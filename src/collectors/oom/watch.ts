import type { Measurement } from '../collector.ts'
import type { Container } from '../containers.ts'
import type { KillReports } from './kill-reports.ts'
import type { Life, OomLedger } from './ledger.ts'

/** Asks the kernel how many processes it killed. */
interface KernelReader<C> {
  /** The cgroup of a process, if it is of this container; `undefined` where it cannot be seen from here. */
  readonly locate: (pid: number, id: string) => Promise<C | undefined>
  /** `undefined` where this kernel does not tell. Rejects where the cgroup is gone. */
  readonly readOomKills: (cgroup: C) => Promise<number | undefined>
}

export interface OomWatchOptions<C> {
  readonly ledger: OomLedger
  readonly reports: KillReports
  /** `undefined` where nobody wants to know it from the kernel. */
  readonly kernel: KernelReader<C> | undefined
  /** Something was counted, or is watched anew. */
  readonly onChange: () => void
}

export interface OomWatch {
  /** These are the containers that the daemon knows: rejects never. */
  setDaemonContainers(containers: readonly (Container & { readonly oomKilled: boolean })[]): Promise<void>
  /** These were found without a daemon. */
  setFoundContainers(containers: readonly Container[]): Promise<void>
  /** The daemon told of something. */
  onEvent(event: { readonly id: string; readonly action: 'oom' | 'die' | 'start' | 'destroy' }): void
  measurements(): readonly Measurement[]
  stop(): void
}

/** The counter is a small file: a kill is to be known while what it did can still be seen. */
const POLL_MS = 1000
/** One life by two sources: what /proc says of its begin is as exact as this. */
const SAME_START_MS = 5000

/** Watches the containers of Ollama for out-of-memory kills, by the kernel's word where it can be had. */
export function createOomWatch<C>({ ledger, reports, kernel, onChange }: OomWatchOptions<C>): OomWatch {
  const cgroups = new Map<Life, C>()
  let fromDaemon: readonly (Container & { readonly oomKilled: boolean })[] = []
  let found: readonly Container[] = []
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function read(life: Life): Promise<void> {
    try {
      const cgroup = cgroups.get(life) ?? (await locate(life.container))
      const kills = cgroup && (await kernel?.readOomKills(cgroup))
      if (cgroup !== undefined) cgroups.set(life, cgroup)
      if (kills === undefined) ledger.loseKernel(life)
      else ledger.showKernel(life, kills)
    } catch {
      cgroups.delete(life)
      ledger.loseKernel(life)
    }
    life.isReady = true
  }

  /** A daemon numbers processes as the host does, which is not how they are numbered here where the namespace is another. */
  async function locate({ id, pid }: Container): Promise<C | undefined> {
    for (const one of [found.find((other) => other.id === id)?.pid, pid]) {
      const cgroup = one === undefined ? undefined : await kernel?.locate(one, id)
      if (cgroup !== undefined) return cgroup
    }
    return undefined
  }

  async function readAll(): Promise<void> {
    timer = undefined
    const lives = ledger.lives()
    for (const life of cgroups.keys()) if (!ledger.isCurrent(life)) cgroups.delete(life)
    await Promise.all(lives.map(read))
    onChange()
    if (!stopped && kernel !== undefined && lives.length > 0) {
      clearTimeout(timer)
      timer = setTimeout(() => void readAll(), POLL_MS).unref()
    }
  }

  /** Takes over what is watched now. The counters of the new ones are published with what the kernel says of them. */
  async function update(): Promise<void> {
    const byDaemon = new Set(fromDaemon.map(({ id }) => id))
    const watched = [...fromDaemon, ...found.filter(({ id }) => !byDaemon.has(id)).map(asKnown)]
    const ids = new Set(watched.map(({ id }) => id))
    for (const { container } of ledger.lives()) if (!ids.has(container.id)) ledger.forget(container.id)
    for (const container of watched) ledger.watch(container)
    clearTimeout(timer)
    await readAll()
  }

  /** What the daemon named once keeps its name and its counter, also where the daemon is silent now. */
  function asKnown(container: Container): Container {
    const known = ledger.lives().find((life) => life.container.id === container.id)?.container
    if (known === undefined || Math.abs(known.startedAt - container.startedAt) >= SAME_START_MS) return container
    return { ...known, pid: container.pid }
  }

  return {
    async setDaemonContainers(containers) {
      const before = new Map(fromDaemon.map((container) => [container.id, container]))
      fromDaemon = containers
      await update()
      for (const { id, startedAt, oomKilled } of containers) {
        const known = before.get(id)
        // Docker leaves the mark of a former life on a container that it starts again: only a new mark tells something.
        if (oomKilled && known?.startedAt === startedAt && !known.oomKilled) ledger.reconcile(id)
      }
      onChange()
    },
    async setFoundContainers(containers) {
      found = containers
      await update()
    },
    onEvent({ id, action }) {
      const life = ledger.lives().find(({ container }) => container.id === id)
      if (life === undefined) return
      if (action === 'oom') ledger.tell(id)
      if (action === 'destroy') ledger.forget(id)
      else if (action !== 'start') void read(life).then(onChange)
    },
    measurements: () => [...ledger.measurements(), ...reports.measurements()],
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
