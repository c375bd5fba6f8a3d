import type { Alert } from '../alert.ts'
import {
  GENERATING_TOKENS_PER_SECOND,
  GPU_MEMORY_FULL_RATIO,
  GPU_SHARE_PARTIAL,
  GPU_HOT_CELSIUS,
  GPU_IDLE_RATIO,
} from '../thresholds.ts'

const IS_EXPECTED = 'and on (instance) ollama_gpu_expected == 1'
const COUNT = 'instance:ollama_gpus:count'
const MOST = `max_over_time(${COUNT}[6h])`
const GPU = 'GPU {{ $labels.gpu }} ({{ $labels.uuid }}) of {{ $labels.instance }}'

export const GPUS: readonly Alert[] = [
  {
    name: 'OllamaCPUFallback',
    // Of what has no size, nobody knows where it is.
    expr: `max by (instance, model) (
  ollama_loaded_model_vram_bytes == 0
  unless on (instance, model) ollama_loaded_model_size_bytes == 0
  unless on (instance, model) ollama_model_cpu_intended
  ${IS_EXPECTED}
)`,
    for: '1m',
    severity: 'critical',
    summary: 'A model runs on the CPU though there is a GPU',
    description:
      'Model {{ $labels.model }} on {{ $labels.instance }} is loaded with {{ $value | humanize1024 }}B on the GPU: it runs on the CPU, many times slower.',
    dashboard: 'ollama-gpu-host',
  },
  {
    name: 'OllamaPartialCPUOffload',
    expr: `max by (instance, model) (
  ollama_loaded_model_gpu_ratio > 0 < ${GPU_SHARE_PARTIAL}
  ${IS_EXPECTED}
)`,
    for: '5m',
    severity: 'warning',
    summary: 'A model fits the GPU only in part',
    description:
      'Model {{ $labels.model }} on {{ $labels.instance }} has {{ $value | humanizePercentage }} of it on the GPU; the rest runs on the CPU.',
    dashboard: 'ollama-models',
  },
  {
    name: 'OllamaGPUIdleWhileGenerating',
    // What is meant for the CPU needs no GPU.
    expr: `max by (instance) (avg_over_time(ollama_gpu_utilization_ratio[5m])) < ${GPU_IDLE_RATIO}
and on (instance)
sum by (instance) (
  rate(ollama_tokens_total{type="output"}[5m])
  unless on (instance, model) ollama_model_cpu_intended
) > ${GENERATING_TOKENS_PER_SECOND}
${IS_EXPECTED}`,
    for: '5m',
    severity: 'warning',
    summary: 'Tokens are generated and the GPU is idle',
    description:
      'The GPUs of {{ $labels.instance }} were busy {{ $value | humanizePercentage }} of the last 5m while tokens were generated.',
    dashboard: 'ollama-gpu-host',
  },
  {
    name: 'OllamaGPUMissing',
    // A collector that began anew without the GPU does not expect it: then the past 6h count.
    expr: `(
  ${MOST} - (${COUNT} or 0 * ${MOST}) > 0
  and on (instance) ollama_gpu_expected
)
or
(
  max by (instance) (ollama_gpu_expected) == 1
  unless ${COUNT}
)`,
    for: '5m',
    severity: 'critical',
    summary: 'A GPU is gone',
    description: 'Of the GPUs of {{ $labels.instance }}, {{ $value }} or more cannot be seen any more.',
    dashboard: 'ollama-gpu-host',
  },
  {
    name: 'OllamaVRAMNearlyFull',
    expr: `ollama_gpu_memory_used_bytes / (ollama_gpu_memory_total_bytes > 0) > ${GPU_MEMORY_FULL_RATIO}`,
    for: '15m',
    severity: 'info',
    summary: 'The memory of a GPU is nearly full',
    description: `${GPU} has {{ $value | humanizePercentage }} of its memory in use. Ollama fills it by design.`,
    dashboard: 'ollama-gpu-host',
  },
  {
    name: 'OllamaGPUHot',
    expr: `ollama_gpu_temperature_celsius > ${GPU_HOT_CELSIUS}`,
    for: '10m',
    severity: 'warning',
    summary: 'A GPU is hot',
    description: `${GPU} has {{ $value }} °C.`,
    dashboard: 'ollama-gpu-host',
  },
  {
    name: 'OllamaGPUThermalThrottle',
    expr: 'ollama_gpu_throttle_active{reason=~"hw_thermal|hw_power_brake"} == 1',
    for: '5m',
    severity: 'warning',
    summary: 'A GPU is held down by its hardware',
    description: `The clocks of ${GPU} are held down by {{ $labels.reason }} (active is {{ $value }}).`,
    dashboard: 'ollama-gpu-host',
  },
  {
    name: 'OllamaGPUUncorrectableECC',
    expr: 'ollama_gpu_ecc_uncorrected_volatile_errors > 0',
    severity: 'critical',
    summary: 'The memory of a GPU is broken',
    description: `${GPU} had {{ $value }} memory errors that could not be corrected since its driver was loaded.`,
    dashboard: 'ollama-gpu-host',
  },
]
