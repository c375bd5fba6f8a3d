import type { GpuNumber } from '../gpu.ts'

type FieldKey = 'index' | 'uuid' | 'driverVersion' | 'pciAddress' | 'throttle' | 'name' | GpuNumber

/** A column of the table: what it is here, and what this driver calls it. */
export interface Column {
  readonly key: FieldKey
  readonly field: string
}

/** Each field with all its spellings, the newest first. The name is last, since it may hold the separator. */
const FIELDS: readonly (readonly [key: FieldKey, ...spellings: string[]])[] = [
  ['index', 'index'],
  ['uuid', 'uuid', 'gpu_uuid'],
  ['driverVersion', 'kmd_version', 'driver_version'],
  ['pciAddress', 'pci.bus_id', 'gpu_bus_id'],
  ['persistenceMode', 'persistence_mode'],
  ['memoryTotalBytes', 'memory.total'],
  ['memoryUsedBytes', 'memory.used'],
  ['memoryReservedBytes', 'memory.reserved'],
  ['utilizationRatio', 'utilization.gpu'],
  ['memoryUtilizationRatio', 'utilization.memory'],
  ['temperatureCelsius', 'temperature.gpu'],
  ['memoryTemperatureCelsius', 'temperature.memory'],
  ['powerWatts', 'power.draw', 'power.draw.average'],
  ['powerLimitWatts', 'enforced.power.limit', 'gpu.power.current_limit'],
  ['fanRatio', 'fan.speed'],
  ['performanceState', 'pstate'],
  ['smClockHertz', 'clocks.current.sm', 'clocks.sm'],
  ['memoryClockHertz', 'clocks.current.memory', 'clocks.mem'],
  ['throttle', 'clocks_event_reasons.active', 'clocks_throttle_reasons.active'],
  ['eccCorrectedErrors', 'ecc.errors.corrected.volatile.total'],
  ['eccUncorrectedErrors', 'ecc.errors.uncorrected.volatile.total'],
  ['migMode', 'mig.mode.current'],
  ['name', 'name', 'gpu_name'],
]

/**
 * The columns to ask for, given the text of `--help-query-gpu`: one field that the driver does not know fails the whole
 * query. `undefined` where the text does not offer what tells one GPU from another.
 */
export function chooseColumns(help: string): readonly Column[] | undefined {
  const offered = new Set(offeredFields(help))
  const columns = FIELDS.flatMap(([key, ...spellings]) => {
    const field = spellings.find((spelling) => offered.has(spelling))
    return field === undefined ? [] : [{ key, field }]
  })
  return offered.has('index') && columns.some(({ key }) => key === 'uuid') ? columns : undefined
}

/** A line names a field, or several spellings of it: `"clocks.current.sm" or "clocks.sm"`. */
function offeredFields(help: string): string[] {
  return help
    .split('\n')
    .filter((line) => /^"[\w.]+"( or "[\w.]+")*\s*$/.test(line))
    .flatMap((line) => line.match(/[\w.]{3,}/g) ?? [])
}
