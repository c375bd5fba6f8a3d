import { CONTAINERS } from '../metrics/collected.ts'
import type { CgroupReader } from './cgroup/reader.ts'
import type { Usage } from './cgroup/usage.ts'
import { Absent, CollectError, measure, type Collector, type Measurement } from './collector.ts'
import type { Container } from './containers.ts'

export interface CgroupOptions {
  readonly reader: CgroupReader
  /** Of a container, since no daemon tells it. */
  readonly name: string
  /** What another collector measures already. */
  readonly known: () => readonly Container[]
  /** All that were found, also the known ones: none where there is no Ollama (any more). */
  readonly onFound: (containers: readonly Container[]) => void | Promise<void>
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
}

const { memoryUsage, memoryWorkingSet, memoryRss, memoryLimit, cpuUsage, cpuQuota, cpuPeriod } = CONTAINERS
const { fsReads, fsWrites, startTime, lastSeen } = CONTAINERS

/**
 * The containers and services of Ollama, without a daemon. It tells nothing of the network: that of a service is the
 * host's, that of a pod all its containers'.
 */
export function createCgroup({ reader, name, known, onFound, wallClock }: CgroupOptions): Collector {
  let wasFound = false

  async function find(signal: AbortSignal): Promise<readonly Container[]> {
    try {
      const found = await reader.findOllama(name, signal)
      wasFound = true
      await onFound(found)
      return found
    } catch (error) {
      if (!(error instanceof Absent)) throw error
      await onFound([])
      // One that was there comes back, and is to be seen at once then.
      if (!wasFound) throw error
      return []
    }
  }

  async function measureOne(container: Container): Promise<Measurement[]> {
    const cgroup = container.pid === undefined ? undefined : await reader.locate(container.pid, container.id)
    if (cgroup === undefined) return []
    const usage = await reader.readUsage(cgroup).catch((error: unknown) => {
      if (error instanceof CollectError && error.reason === 'gone') return undefined
      throw error
    })
    return usage === undefined ? [] : measurementsOf(container, usage, wallClock())
  }

  return {
    name: 'cgroup',
    metrics: [
      ...[memoryUsage, memoryWorkingSet, memoryRss, memoryLimit, cpuUsage, cpuQuota, cpuPeriod],
      ...[fsReads, fsWrites, startTime, lastSeen],
    ],
    async collect(signal) {
      const found = await find(signal)
      const measured = new Set(known().map(({ id }) => id))
      const fresh = found.filter(({ id }) => !measured.has(id))
      return (await Promise.all(fresh.map(measureOne))).flat()
    },
  }
}

function measurementsOf({ name, image, startedAt }: Container, usage: Usage, nowMs: number): Measurement[] {
  const labels = { name, image }
  return [
    ...measure(memoryUsage, usage.memoryBytes, labels),
    ...measure(memoryWorkingSet, usage.workingSetBytes, labels),
    ...measure(memoryRss, usage.rssBytes, labels),
    ...measure(memoryLimit, usage.memoryLimitBytes, labels),
    ...measure(cpuUsage, usage.cpuSeconds, labels),
    ...measure(cpuQuota, usage.cpuQuotaMicroseconds, labels),
    ...measure(cpuPeriod, usage.cpuPeriodMicroseconds, labels),
    ...measure(fsReads, usage.readBytes, labels),
    ...measure(fsWrites, usage.writtenBytes, labels),
    ...measure(startTime, startedAt / 1000, labels),
    ...measure(lastSeen, nowMs / 1000, labels),
  ]
}
