import { amountOf, fieldsOf, listOf, type Fields } from './fields.ts'

/** What a container took so far, and holds now; what is not told is `undefined`. */
export interface Stats {
  readonly cpuSeconds: number | undefined
  readonly memoryUsage: number | undefined
  readonly memoryWorkingSet: number | undefined
  readonly memoryRss: number | undefined
  readonly networkReceive: number | undefined
  readonly networkTransmit: number | undefined
  readonly fsReads: number | undefined
  readonly fsWrites: number | undefined
}

/** Reads one set of stats; `undefined` where it is none, or that of a container that does not run: it is all zeros. */
export function parseStats(json: unknown): Stats | undefined {
  const { read, cpu_stats, memory_stats, networks, blkio_stats } = fieldsOf(json)
  if (typeof read !== 'string' || read.startsWith('0001-')) return undefined
  const cpu = amountOf(fieldsOf(fieldsOf(cpu_stats).cpu_usage).total_usage)
  const memory = fieldsOf(memory_stats)
  const usage = amountOf(memory.usage)
  const { inactiveFile, rss } = memoryDetails(fieldsOf(memory.stats))
  const interfaces = Object.values(fieldsOf(networks)).map(fieldsOf)
  const disk = listOf(fieldsOf(blkio_stats).io_service_bytes_recursive).map(fieldsOf)
  return {
    cpuSeconds: cpu === undefined ? undefined : cpu / 1e9,
    memoryUsage: usage,
    memoryWorkingSet: usage === undefined || inactiveFile === undefined ? undefined : Math.max(0, usage - inactiveFile),
    memoryRss: rss,
    networkReceive: sum(interfaces.map(({ rx_bytes }) => rx_bytes)),
    networkTransmit: sum(interfaces.map(({ tx_bytes }) => tx_bytes)),
    fsReads: sum(valuesOf(disk, 'read')),
    fsWrites: sum(valuesOf(disk, 'write')),
  }
}

/** cgroup v1 has a total of each with the groups below; v2 counts those in any case, and calls rss anon. */
function memoryDetails(details: Fields): { inactiveFile: number | undefined; rss: number | undefined } {
  const v1 = 'total_inactive_file' in details
  return {
    inactiveFile: amountOf(v1 ? details.total_inactive_file : details.inactive_file),
    rss: amountOf(v1 ? details.total_rss : details.anon),
  }
}

/** v1 writes `Read`, v2 `read`. */
function valuesOf(entries: readonly Fields[], operation: string): unknown[] {
  return entries.filter(({ op }) => typeof op === 'string' && op.toLowerCase() === operation).map(({ value }) => value)
}

/** Absent where there is nothing to add, or one part cannot be read: the sum would fall, which a counter may not. */
function sum(values: readonly unknown[]): number | undefined {
  const numbers = values.map(amountOf)
  return values.length === 0 ? undefined : numbers.reduce((total, value) => add(total, value), 0)
}

function add(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b
}
