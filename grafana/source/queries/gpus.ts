import { orDead } from './alive.ts'
import { now, over, type Query } from './query.ts'
import { ofRecorded, ofTarget, rate, sumBy } from './selectors.ts'

/** By uuid: the number of a GPU can change when the machine boots. */
const GPU = 'instance, gpu, uuid'
const NAME = '{{instance}} GPU {{gpu}}'
const perGpu = (metric: string, ...more: readonly string[]) => `max by (${GPU}) (${ofTarget(metric, ...more)})`
const overGpus = (metric: string) => over(perGpu(metric), NAME)
const expected = ofTarget('ollama_gpu_expected')

/** -1 nobody says, else how many of the GPUs that were seen in six hours are missing; a GPU that must be there and never was counts. */
const seen = `count by (instance) (count by (instance, uuid) (${ofTarget('ollama_gpu_info')}))`
const missing = [
  `(max_over_time(${ofRecorded('instance:ollama_gpus:count')}[6h]) - on (instance) (${seen} or on (instance) 0 * max by (instance) (${expected})))`,
  `or on (instance) (${expected} unless on (instance) ${seen})`,
  `or on (instance) (0 * ${expected})`,
].join(' ')
export const MISSING: readonly Query[] = [now(orDead(missing, 'collector'), '{{instance}}')]

const worst = (expr: string): readonly Query[] => [
  now(
    orDead(
      `max by (instance) (${expr}) or on (instance) (0 * (max by (instance) (${expected}) == 0) - 2)`,
      'collector',
    ),
    '{{instance}}',
  ),
]
const memoryShare = `${perGpu('ollama_gpu_memory_used_bytes')} / (${perGpu('ollama_gpu_memory_total_bytes')} > 0)`
export const HOTTEST = worst(perGpu('ollama_gpu_temperature_celsius'))
export const FULLEST = worst(memoryShare)
export const ECC = worst(perGpu('ollama_gpu_ecc_uncorrected_volatile_errors'))
export const THROTTLED = worst(perGpu('ollama_gpu_throttle_active', 'reason=~"hw_thermal|hw_power_brake"'))

export const UTILIZATION: readonly Query[] = [
  overGpus('ollama_gpu_utilization_ratio'),
  over(perGpu('ollama_gpu_memory_utilization_ratio'), `${NAME} memory bus`),
]
export const GPU_MEMORY: readonly Query[] = [
  over(perGpu('ollama_gpu_memory_used_bytes'), `${NAME} used`),
  over(perGpu('ollama_gpu_memory_reserved_bytes'), `${NAME} reserved by the driver`),
  over(perGpu('ollama_gpu_memory_total_bytes'), `${NAME} total`),
]
export const GPU_MEMORY_SHARE: readonly Query[] = [over(memoryShare, NAME)]
export const PROCESS_MEMORY: readonly Query[] = [
  over(`max by (${GPU}, process) (${ofTarget('ollama_gpu_process_memory_bytes')})`, `${NAME} {{process}}`),
]
export const TEMPERATURE: readonly Query[] = [
  overGpus('ollama_gpu_temperature_celsius'),
  over(perGpu('ollama_gpu_memory_temperature_celsius'), `${NAME} memory`),
]
export const POWER: readonly Query[] = [
  over(perGpu('ollama_gpu_power_watts'), NAME),
  over(perGpu('ollama_gpu_power_limit_watts'), `${NAME} limit`),
]
export const CLOCKS: readonly Query[] = [
  over(perGpu('ollama_gpu_sm_clock_hertz'), `${NAME} SM`),
  over(perGpu('ollama_gpu_memory_clock_hertz'), `${NAME} memory`),
]
export const FANS: readonly Query[] = [overGpus('ollama_gpu_fan_ratio')]
/** 2 where the hardware protects itself, 1 where something else holds the clocks down. */
const reason = (matcher: string) =>
  `max by (${GPU}, reason) (${ofTarget('ollama_gpu_throttle_active', `reason${matcher}"hw_thermal|hw_power_brake"`)})`
export const THROTTLING: readonly Query[] = [
  over(`2 * ${reason('=~')}`, `${NAME} {{reason}}`),
  over(reason('!~'), `${NAME} {{reason}}`),
]
export const ENERGY_PER_TOKEN: readonly Query[] = [
  over(
    `${sumBy('instance', rate(ofTarget('ollama_gpu_energy_joules_total')))} / (${sumBy('instance', rate(ofTarget('ollama_tokens_total', 'type="output"')))} > 0)`,
    '{{instance}}',
  ),
]
