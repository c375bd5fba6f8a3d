import { parseKeyed } from './numbers.ts'

export const CPU_MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const
type CpuMode = (typeof CPU_MODES)[number]
/** Seconds by mode. Time of guests is a part of `user` and `nice`, as it is with node_exporter. */
export type CpuTimes = Readonly<Partial<Record<CpuMode, number>>>

const TICKS_PER_SECOND = 100 // USER_HZ

/** Bytes, from /proc/meminfo. */
export function parseMeminfo(text: string): { total: number | undefined; available: number | undefined } {
  const kib = parseKeyed(text)
  const bytes = (name: string) => {
    const value = kib.get(name)
    return value === undefined ? undefined : value * 1024
  }
  return { total: bytes('MemTotal'), available: bytes('MemAvailable') }
}

/** The lines of the single CPUs in /proc/stat, by number. */
export function parseCpuTimes(text: string): ReadonlyMap<string, CpuTimes> {
  const cpus = new Map<string, CpuTimes>()
  for (const [, cpu, fields = ''] of text.matchAll(/^cpu(\d{1,6})((?: \d{1,20})+) *$/gm)) {
    if (cpu === undefined) continue
    const ticks = fields.trim().split(' ').map(Number)
    cpus.set(cpu, Object.fromEntries(CPU_MODES.flatMap((mode, index) => secondsIn(mode, ticks[index]))))
  }
  return cpus
}

/** A kernel that is old enough knows fewer modes. */
function secondsIn(mode: CpuMode, ticks: number | undefined): [CpuMode, number][] {
  return ticks === undefined ? [] : [[mode, ticks / TICKS_PER_SECOND]]
}

/** The load average of a minute, from /proc/loadavg. */
export function parseLoad1(text: string): number | undefined {
  const [, load] = /^(\d{1,9}(?:\.\d{1,9})?) /.exec(text) ?? []
  return load === undefined ? undefined : Number(load)
}

/** Processes killed for want of memory, from /proc/vmstat; `undefined` before Linux 4.13. */
export function parseOomKills(text: string): number | undefined {
  return parseKeyed(text).get('oom_kill')
}
