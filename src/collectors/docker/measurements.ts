import { CONTAINERS } from '../../metrics/collected.ts'
import { measure, type Measurement } from '../collector.ts'
import type { Inspected } from './inspect.ts'
import type { Stats } from './stats.ts'

const OF_OOM: readonly string[] = [CONTAINERS.oomEvents.name, CONTAINERS.oomKillInfo.name]

/** All families of a container but those of its OOM kills. */
export const CONTAINER_METRICS = Object.values(CONTAINERS).filter(({ name }) => !OF_OOM.includes(name))

/**
 * What is published of a container. Of one that does not run, only how often it was restarted: a crash loop is seen
 * whether it is up at the moment or not.
 * @param seenAt a Unix time.
 */
export function measureContainer(
  { name, image, pid, startedAt, restarts, healthy, memoryLimit, cpuLimit }: Inspected,
  stats: Stats | undefined,
  seenAt: number,
): readonly Measurement[] {
  const labels = { name, image }
  const restarted = measure(CONTAINERS.restarts, restarts, labels)
  if (pid === undefined) return restarted
  return [
    ...restarted,
    ...measure(CONTAINERS.lastSeen, seenAt, labels),
    ...measure(CONTAINERS.startTime, startedAt > 0 ? startedAt / 1000 : undefined, labels),
    ...measure(CONTAINERS.health, healthy === undefined ? undefined : Number(healthy), labels),
    ...measure(CONTAINERS.memoryLimit, memoryLimit, labels),
    ...measure(CONTAINERS.cpuQuota, cpuLimit?.quota, labels),
    ...measure(CONTAINERS.cpuPeriod, cpuLimit?.period, labels),
    ...measure(CONTAINERS.memoryUsage, stats?.memoryUsage, labels),
    ...measure(CONTAINERS.memoryWorkingSet, stats?.memoryWorkingSet, labels),
    ...measure(CONTAINERS.memoryRss, stats?.memoryRss, labels),
    ...measure(CONTAINERS.cpuUsage, stats?.cpuSeconds, labels),
    ...measure(CONTAINERS.networkReceive, stats?.networkReceive, labels),
    ...measure(CONTAINERS.networkTransmit, stats?.networkTransmit, labels),
    ...measure(CONTAINERS.fsReads, stats?.fsReads, labels),
    ...measure(CONTAINERS.fsWrites, stats?.fsWrites, labels),
  ]
}
