import { CollectError } from '../collector.ts'
import { readIfThere } from '../host/files.ts'
import { parseCount, parseKeyed } from '../host/numbers.ts'
import type { Cgroup } from './locate.ts'
import { parseCpuMax, parseIoStat, parseLimit, parseThrottle } from './values.ts'

/** What a cgroup uses and may use; `undefined` where the kernel does not tell. */
export interface Usage {
  readonly memoryBytes: number | undefined
  /** Without inactive file pages. */
  readonly workingSetBytes: number | undefined
  /** Anonymous memory. */
  readonly rssBytes: number | undefined
  /** 0 is none. */
  readonly memoryLimitBytes: number | undefined
  readonly cpuSeconds: number | undefined
  /** CPU time in each period, in microseconds; `undefined` also where there is no limit. */
  readonly cpuQuotaMicroseconds: number | undefined
  readonly cpuPeriodMicroseconds: number | undefined
  /** On all block devices. */
  readonly readBytes: number | undefined
  readonly writtenBytes: number | undefined
}

/**
 * Processes that the kernel killed in a cgroup for want of memory. Version 2 counts those of its descendants too, and
 * with memory.oom.group each process that died with the group; version 1 counts its own alone.
 * @returns `undefined` where the kernel does not tell, as before 4.13
 * @throws CollectError `gone`, `permission` or `unreadable`
 */
export async function readOomKills({ version, memory }: Cgroup): Promise<number | undefined> {
  return parseKeyed(await readNow(`${memory}/${version === 2 ? 'memory.events' : 'memory.oom_control'}`)).get(
    'oom_kill',
  )
}

/** @throws CollectError `gone`, `permission` or `unreadable` */
export async function readUsage(cgroup: Cgroup): Promise<Usage> {
  return cgroup.version === 2 ? readUsage2(cgroup) : readUsage1(cgroup)
}

async function readUsage2({ memory }: Cgroup): Promise<Usage> {
  const [current, stat, max, cpuStat, cpuMax, ioStat] = await Promise.all([
    readNow(`${memory}/memory.current`),
    ...['memory.stat', 'memory.max', 'cpu.stat', 'cpu.max', 'io.stat'].map((file) => readOptional(memory, file)),
  ])
  const pages = parseKeyed(stat ?? '')
  return toUsage({
    memoryBytes: parseCount(current),
    inactiveFileBytes: pages.get('inactive_file'),
    rssBytes: pages.get('anon'),
    memoryLimitBytes: parseLimit(max),
    cpuSeconds: divide(parseKeyed(cpuStat ?? '').get('usage_usec'), 1e6),
    cpu: parseCpuMax(cpuMax),
    io: parseIoStat(ioStat),
  })
}

async function readUsage1({ memory, cpu, cpuacct, io }: Cgroup): Promise<Usage> {
  const [current, stat, limit, cpuUsage, quota, period, served] = await Promise.all([
    readNow(`${memory}/memory.usage_in_bytes`),
    readOptional(memory, 'memory.stat'),
    readOptional(memory, 'memory.limit_in_bytes'),
    readOptional(cpuacct, 'cpuacct.usage'),
    readOptional(cpu, 'cpu.cfs_quota_us'),
    readOptional(cpu, 'cpu.cfs_period_us'),
    readOptional(io, 'blkio.throttle.io_service_bytes'),
  ])
  const pages = parseKeyed(stat ?? '')
  return toUsage({
    memoryBytes: parseCount(current),
    inactiveFileBytes: pages.get('total_inactive_file'),
    rssBytes: pages.get('total_rss'),
    memoryLimitBytes: parseLimit(limit),
    cpuSeconds: divide(parseCount(cpuUsage), 1e9),
    cpu: { quota: parseCount(quota), period: parseCount(period) }, // a quota of -1 is none
    io: parseThrottle(served),
  })
}

interface Read extends Pick<Usage, 'memoryBytes' | 'rssBytes' | 'memoryLimitBytes' | 'cpuSeconds'> {
  readonly inactiveFileBytes: number | undefined
  readonly cpu: { readonly quota: number | undefined; readonly period: number | undefined }
  readonly io: { readonly read: number | undefined; readonly written: number | undefined }
}

function toUsage({ inactiveFileBytes, cpu, io, ...read }: Read): Usage {
  const { memoryBytes } = read
  const isKnown = memoryBytes !== undefined && inactiveFileBytes !== undefined
  return {
    ...read,
    // The two were not read in the same moment.
    workingSetBytes: isKnown ? Math.max(0, memoryBytes - inactiveFileBytes) : undefined,
    cpuQuotaMicroseconds: cpu.quota,
    cpuPeriodMicroseconds: cpu.period,
    readBytes: io.read,
    writtenBytes: io.written,
  }
}

async function readNow(path: string): Promise<string> {
  const text = await readIfThere(path)
  if (text === undefined) throw new CollectError('gone', `${path} is gone: the container or service has ended`)
  return text
}

async function readOptional(folder: string | undefined, file: string): Promise<string | undefined> {
  if (folder === undefined) return undefined
  return readIfThere(`${folder}/${file}`).catch(() => undefined)
}

function divide(value: number | undefined, by: number): number | undefined {
  return value === undefined ? undefined : value / by
}
