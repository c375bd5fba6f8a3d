import { cpus, loadavg } from 'node:os'
import { readIfThere } from './files.ts'
import { parseCpuTimes, parseLoad1, parseMeminfo, parseOomKills, type CpuTimes } from './proc.ts'

/** What a machine says of itself; `undefined` where it does not. */
export interface Readings {
  readonly memoryTotalBytes: number | undefined
  readonly memoryAvailableBytes: number | undefined
  readonly load1: number | undefined
  readonly oomKills: number | undefined
  /** By number. */
  readonly cpus: ReadonlyMap<string, CpuTimes>
}

/** The one function that is taken of systeminformation. */
export interface SystemInformation {
  readonly mem: () => Promise<{ readonly total: number; readonly available: number }>
}

/** By the files of /proc. What cannot be read is left out; `undefined` where there is no /proc. */
export async function readProc(procRoot: string): Promise<Readings | undefined> {
  const names = ['meminfo', 'stat', 'loadavg', 'vmstat']
  const [meminfo, stat, load, vmstat] = await Promise.all(
    names.map((name) => readIfThere(`${procRoot}/${name}`).catch(() => '')),
  )
  if (meminfo === undefined) return undefined
  const { total, available } = parseMeminfo(meminfo)
  return {
    memoryTotalBytes: total,
    memoryAvailableBytes: available,
    load1: parseLoad1(load ?? ''),
    oomKills: parseOomKills(vmstat ?? ''),
    cpus: parseCpuTimes(stat ?? ''),
  }
}

/**
 * Where there is no /proc. Node tells all but the memory that is available: on a Mac its "free" leaves out all that can
 * be had at once. systeminformation's `mem()` starts three small programs there (on Linux none).
 */
export async function readPortable(load: () => Promise<SystemInformation>): Promise<Readings> {
  const memory = await load()
    .then(({ mem }) => mem())
    .catch(() => undefined)
  const [load1] = loadavg()
  return {
    memoryTotalBytes: memory?.total,
    memoryAvailableBytes: memory?.available,
    load1,
    oomKills: undefined,
    cpus: new Map(
      cpus().map(({ times: { user, nice, sys, idle } }, cpu) => [
        String(cpu),
        secondsOf({ user, nice, system: sys, idle }),
      ]),
    ),
  }
}

function secondsOf(milliseconds: CpuTimes): CpuTimes {
  return Object.fromEntries(Object.entries(milliseconds).map(([mode, value]) => [mode, value / 1000]))
}
