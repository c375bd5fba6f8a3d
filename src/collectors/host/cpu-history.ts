import { CPU_MODES, type CpuTimes } from './proc.ts'

/** One that was taken out and put back counts anew. */
const COUNTS_ANEW_SECONDS = 3

/**
 * Times that never go back: the kernel's for `idle` and `iowait` do so by some hundredths now and then, which a rate
 * would take for a restart. The same is done by node_exporter.
 */
export function advance(before: CpuTimes | undefined, now: CpuTimes): CpuTimes {
  if (before === undefined || (before.idle ?? 0) - (now.idle ?? 0) >= COUNTS_ANEW_SECONDS) return now
  return Object.fromEntries(
    CPU_MODES.flatMap((mode) => {
      const value = now[mode]
      return value === undefined ? [] : [[mode, Math.max(value, before[mode] ?? 0)]]
    }),
  )
}
