import {
  MAX_GPUS,
  THROTTLE_REASONS,
  labelText,
  parseNumber,
  type GpuNumber,
  type GpuSnapshot,
  type NumberForm,
  type ThrottleReason,
} from '../gpu.ts'
import type { Column } from './fields.ts'

const PERCENT = { max: 100, per: 100 }
const MEBIBYTES = { max: 2 ** 30, times: 2 ** 20 }
const CELSIUS = { min: -100, max: 300 }
const WATTS = { max: 10_000 }
const MEGAHERTZ = { max: 100_000, times: 1e6 }
const ERRORS = { max: Number.MAX_SAFE_INTEGER }

/** How each number is written. A text that is none stands for "not known", in a dozen spellings. */
const READERS: Readonly<Record<GpuNumber, (text: string) => number | undefined>> = {
  utilizationRatio: decimal(PERCENT),
  memoryUtilizationRatio: decimal(PERCENT),
  memoryUsedBytes: decimal(MEBIBYTES),
  memoryTotalBytes: decimal(MEBIBYTES),
  memoryReservedBytes: decimal(MEBIBYTES),
  temperatureCelsius: decimal(CELSIUS),
  memoryTemperatureCelsius: decimal(CELSIUS),
  powerWatts: decimal(WATTS),
  powerLimitWatts: decimal(WATTS),
  smClockHertz: decimal(MEGAHERTZ),
  memoryClockHertz: decimal(MEGAHERTZ),
  fanRatio: decimal({ max: 1000, per: 100 }), // more than 100 % can be asked of a fan
  eccCorrectedErrors: decimal(ERRORS),
  eccUncorrectedErrors: decimal(ERRORS),
  performanceState: (text) => (text.startsWith('P') ? parseNumber(text.slice(1), { max: 15 }) : undefined),
  persistenceMode: parseMode,
  migMode: parseMode,
}

/**
 * The GPUs in the output of `--query-gpu=... --format=csv,noheader,nounits`. A line that was cut, has too few columns
 * or names no GPU is none, and so is a second line of the same GPU.
 */
export function parseTable(stdout: string, columns: readonly Column[]): GpuSnapshot[] {
  const gpus = new Map<string, GpuSnapshot>()
  for (const line of wholeLines(stdout)) {
    if (gpus.size === MAX_GPUS) break
    const gpu = parseLine(line, columns)
    if (gpu !== undefined && !gpus.has(gpu.uuid)) gpus.set(gpu.uuid, gpu)
  }
  return [...gpus.values()]
}

/** The lines of a text, without a last one that does not end. */
export function wholeLines(text: string): string[] {
  return text.split(/\r?\n/).slice(0, -1)
}

function parseLine(line: string, columns: readonly Column[]): GpuSnapshot | undefined {
  const cells = line.split(', ')
  if (cells.length < columns.length) return undefined
  const last = columns.length - 1
  const cellOf = (key: Column['key']): string => {
    const at = columns.findIndex((column) => column.key === key)
    return (at === last ? cells.slice(last).join(', ') : (cells[at] ?? '')).trim()
  }
  const index = cellOf('index')
  const uuid = cellOf('uuid')
  if (!/^\d{1,3}$/.test(index) || !/^[\w.:-]{1,64}$/.test(uuid)) return undefined
  return {
    vendor: 'nvidia',
    index,
    uuid,
    name: parseText(cellOf('name')),
    driverVersion: parseText(cellOf('driverVersion')),
    pciAddress: parseText(cellOf('pciAddress')),
    isExpected: true,
    numbers: parseNumbers(cellOf),
    throttle: parseThrottle(cellOf('throttle')),
  }
}

function parseNumbers(cellOf: (key: GpuNumber) => string): GpuSnapshot['numbers'] {
  const keys = Object.keys(READERS) as GpuNumber[]
  return Object.fromEntries(keys.map((key) => [key, READERS[key](cellOf(key))]))
}

function decimal(form: NumberForm): (text: string) => number | undefined {
  return (text) => parseNumber(text, form)
}

/** '' where it says in one of its ways that it does not know. */
function parseText(text: string): string {
  return /^(\[.*\]|N\/A|ERR!)$/.test(text) ? '' : labelText(text)
}

function parseMode(text: string): number | undefined {
  return text === 'Enabled' ? 1 : text === 'Disabled' ? 0 : undefined
}

/** The reasons in a mask of 64 bits as `0x0000000000000004`. */
function parseThrottle(text: string): ThrottleReason[] | undefined {
  if (!/^0x[\da-f]{1,16}$/i.test(text)) return undefined
  const mask = BigInt(text)
  return THROTTLE_REASONS.filter((_reason, bit) => (mask >> BigInt(bit)) & 1n)
}
