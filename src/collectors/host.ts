import { HOST } from '../metrics/collected.ts'
import { CollectError, measure, type Collector, type Measurement } from './collector.ts'
import { advance } from './host/cpu-history.ts'
import { readFilesystem, type Filesystem } from './host/filesystem.ts'
import { oneAtATime } from './host/one-at-a-time.ts'
import type { CpuTimes } from './host/proc.ts'
import { readPortable, readProc, type Readings, type SystemInformation } from './host/readings.ts'

export interface HostOptions {
  /** `/proc`, or where that of the host is mounted. */
  readonly procRoot: string
  /** Where the models may be stored: the first that exists counts. */
  readonly modelStores: readonly string[]
  /** Asked only where there is no /proc; left out, the package of that name. */
  readonly systemInformation?: () => Promise<SystemInformation>
}

/**
 * The host, with the names and meanings of node_exporter. On Linux it reads four files of /proc, and starts nothing. On
 * a Mac, where there is no /proc, node:os tells the times and the load, and systeminformation the memory: what Node
 * calls free there leaves out most of what is available.
 */
export function createHost({ procRoot, modelStores, systemInformation = importPackage }: HostOptions): Collector {
  let cpus: ReadonlyMap<string, CpuTimes> = new Map()
  const portable = oneAtATime(() => readPortable(systemInformation))
  const filesystem = oneAtATime(() => readFilesystem(procRoot, modelStores))

  return {
    name: 'host',
    metrics: Object.values(HOST),
    async collect(signal) {
      signal.throwIfAborted()
      const [readings, store] = await Promise.all([
        readProc(procRoot).then((read) => read ?? portable(signal)),
        filesystem(signal),
      ])
      cpus = new Map([...(readings?.cpus ?? [])].map(([cpu, times]) => [cpu, advance(cpus.get(cpu), times)]))
      const measurements = [
        ...(readings ? ofReadings(readings) : []),
        ...ofCpus(cpus),
        ...(store ? ofFilesystem(store) : []),
      ]
      if (measurements.length > 0) return measurements
      throw new CollectError('unreadable', `neither memory nor CPU times can be read from ${procRoot}`)
    },
  }
}

async function importPackage(): Promise<SystemInformation> {
  return import('systeminformation')
}

function ofReadings({ memoryTotalBytes, memoryAvailableBytes, load1, oomKills }: Readings): Measurement[] {
  return [
    ...measure(HOST.memoryTotal, memoryTotalBytes),
    ...measure(HOST.memoryAvailable, memoryAvailableBytes),
    ...measure(HOST.load1, load1),
    ...measure(HOST.oomKills, oomKills),
  ]
}

function ofCpus(cpus: ReadonlyMap<string, CpuTimes>): Measurement[] {
  return [...cpus].flatMap(([cpu, times]) =>
    Object.entries(times).flatMap(([mode, seconds]) => measure(HOST.cpu, seconds, { cpu, mode })),
  )
}

function ofFilesystem({ availableBytes, sizeBytes, labels }: Filesystem): Measurement[] {
  return [
    ...measure(HOST.filesystemAvailable, availableBytes, labels),
    ...measure(HOST.filesystemSize, sizeBytes, labels),
  ]
}
