import { parseCount } from '../host/numbers.ts'

/** PAGE_COUNTER_MAX in bytes, for every size of a page, is more than this. */
const UNLIMITED = 2 ** 60

/** Bytes of memory.max or memory.limit_in_bytes; 0 where there is no limit. */
export function parseLimit(text: string | undefined): number | undefined {
  if (text?.trim() === 'max') return 0
  const bytes = parseCount(text)
  return bytes !== undefined && bytes >= UNLIMITED ? 0 : bytes
}

/** cpu.max: quota and period in microseconds. A quota of "max" is none. */
export function parseCpuMax(text: string | undefined): { quota: number | undefined; period: number | undefined } {
  const [quota, period] = text?.trim().split(' ') ?? []
  return { quota: parseCount(quota), period: parseCount(period) }
}

/** Bytes of all devices in io.stat. A file without lines means that nothing was read or written yet. */
export function parseIoStat(text: string | undefined): { read: number | undefined; written: number | undefined } {
  return { read: sum(text, /\brbytes=(\d{1,20})\b/g), written: sum(text, /\bwbytes=(\d{1,20})\b/g) }
}

/** Bytes of all devices in blkio.throttle.io_service_bytes, without its line of totals. */
export function parseThrottle(text: string | undefined): { read: number | undefined; written: number | undefined } {
  const lines = text?.replace(/^Total 0$/m, '') // all that there is before anything was read or written
  return { read: sum(lines, /^\d+:\d+ Read (\d{1,20})$/gm), written: sum(lines, /^\d+:\d+ Write (\d{1,20})$/gm) }
}

function sum(text: string | undefined, pattern: RegExp): number | undefined {
  if (text === undefined) return undefined
  const values = [...text.matchAll(pattern)].map(([, digits]) => Number(digits))
  return values.length === 0 && text.trim() !== '' ? undefined : values.reduce((total, value) => total + value, 0)
}
