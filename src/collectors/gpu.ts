import { GPUS } from '../metrics/collected.ts'
import type { MetricDefinition } from '../metrics/definition.ts'
import { measure, type Measurement } from './collector.ts'

const FAMILIES = {
  utilizationRatio: GPUS.utilization,
  memoryUtilizationRatio: GPUS.memoryUtilization,
  memoryUsedBytes: GPUS.memoryUsed,
  memoryTotalBytes: GPUS.memoryTotal,
  memoryReservedBytes: GPUS.memoryReserved,
  temperatureCelsius: GPUS.temperature,
  memoryTemperatureCelsius: GPUS.memoryTemperature,
  powerWatts: GPUS.power,
  powerLimitWatts: GPUS.powerLimit,
  smClockHertz: GPUS.smClock,
  memoryClockHertz: GPUS.memoryClock,
  fanRatio: GPUS.fan,
  eccCorrectedErrors: GPUS.eccCorrected,
  eccUncorrectedErrors: GPUS.eccUncorrected,
  performanceState: GPUS.performanceState,
  persistenceMode: GPUS.persistenceMode,
  migMode: GPUS.migMode,
} as const satisfies Record<string, MetricDefinition>

/** A number that a GPU may tell of itself, in the unit of its name; a mode is 0 or 1. */
export type GpuNumber = keyof typeof FAMILIES
const NUMBERS = Object.keys(FAMILIES) as GpuNumber[]

/** Why clocks are held down, in the order of NVML's bits. */
export const THROTTLE_REASONS = [
  'gpu_idle',
  'applications_clocks',
  'sw_power_cap',
  'hw_slowdown',
  'sync_boost',
  'sw_thermal',
  'hw_thermal',
  'hw_power_brake',
  'display_clocks',
] as const
export type ThrottleReason = (typeof THROTTLE_REASONS)[number]

const PROCESSES = ['ollama', 'other'] as const
/** Bytes by whose processes they are; `undefined` where one of them does not tell. */
export type ProcessMemory = Readonly<Record<(typeof PROCESSES)[number], number | undefined>>

/** One GPU at one moment: plain values, fit for JSON. */
export interface GpuSnapshot {
  readonly vendor: 'nvidia' | 'amd'
  /** Its number among the GPUs of its vendor; another one after a boot. */
  readonly index: string
  /** Stays with the board; no two GPUs of a reading share it. */
  readonly uuid: string
  readonly name: string
  /** '' where nobody tells. */
  readonly driverVersion: string
  /** `0000:01:00.0`; '' where nobody tells. */
  readonly pciAddress: string
  /** Whether Ollama is expected to use it. Integrated graphics with little memory of its own is left alone. */
  readonly isExpected: boolean
  /** What is unknown is left out. */
  readonly numbers: Readonly<Partial<Record<GpuNumber, number | undefined>>>
  /** Why its clocks are held down now; `undefined` where it does not tell. */
  readonly throttle: readonly ThrottleReason[] | undefined
  readonly processMemoryBytes?: ProcessMemory
}

/** More than any machine has: whatever a driver says, no more are read. */
export const MAX_GPUS = 64

/** What is published of a GPU. */
export function measureGpu(gpu: GpuSnapshot): Measurement[] {
  const labels = gpuLabels(gpu)
  const { name, driverVersion, vendor, numbers, throttle, processMemoryBytes } = gpu
  return [
    ...measure(GPUS.info, 1, { ...labels, name, driver_version: driverVersion, vendor }),
    ...NUMBERS.flatMap((number) => measure(FAMILIES[number], numbers[number], labels)),
    ...THROTTLE_REASONS.flatMap((reason) =>
      measure(GPUS.throttle, throttle && Number(throttle.includes(reason)), { ...labels, reason }),
    ),
    ...PROCESSES.flatMap((process) =>
      measure(GPUS.processMemory, processMemoryBytes?.[process], { ...labels, process }),
    ),
  ]
}

export function gpuLabels({ index, uuid }: Pick<GpuSnapshot, 'index' | 'uuid'>): { gpu: string; uuid: string } {
  return { gpu: index, uuid }
}

/** A text as a label may hold it: printable, and not long. */
export function labelText(text: string): string {
  return text.trim().slice(0, 128).replaceAll(/\p{C}/gu, '')
}

/** What a number can be as it is written, and what makes it one in base units. */
export interface NumberForm {
  readonly min?: number
  readonly max: number
  readonly times?: number
  readonly per?: number
}

/**
 * A decimal number in base units; `undefined` where the text is none, or one that cannot be: drivers say absurd things
 * where a sensor fails.
 */
export function parseNumber(text: string, { min = 0, max, times = 1, per = 1 }: NumberForm): number | undefined {
  if (!/^-?\d{1,20}(\.\d{1,20})?$/.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? (value * times) / per : undefined
}
