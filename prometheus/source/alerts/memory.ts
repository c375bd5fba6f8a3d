import type { Alert } from '../alert.ts'
import { indent, presetEvents, rise } from '../fragments.ts'
import { CONTAINER_CPU_HIGH_RATIO, CONTAINER_MEMORY_HIGH_RATIO, RUNNER_CRASHES } from '../thresholds.ts'

const KILLS = 'container_oom_events_total'
const BY = 'job, instance, name'
const errors = (type: string, window: string) =>
  presetEvents(`ollama_errors_total{error_type="${type}"}`, window, 'instance')

export const MEMORY: readonly Alert[] = [
  {
    name: 'OllamaContainerOOMKilled',
    // The last part is for a container that was killed before anybody had looked at it.
    expr: `max by (instance, name) (
${indent(rise(KILLS))}
  or
  (last_over_time(${KILLS}[1m]) > 0 unless last_over_time(${KILLS}[1h] offset 10m))
  and on (instance, name) time() - container_start_time_seconds < 600
)`,
    keepFiringFor: '15m',
    severity: 'critical',
    summary: 'The kernel killed a process of Ollama for want of memory',
    description:
      'In container {{ $labels.name }} of {{ $labels.instance }} the kernel killed {{ $value }} process(es) for want of memory.',
    dashboard: 'ollama-overview',
  },
  {
    name: 'OllamaHostOOMKill',
    expr: `max by (instance) (
${indent(rise('node_vmstat_oom_kill'))}
)`,
    severity: 'warning',
    summary: 'The kernel killed a process of the host for want of memory',
    description: 'On the host of {{ $labels.instance }} the kernel killed {{ $value }} process(es) for want of memory.',
    dashboard: 'ollama-gpu-host',
  },
  {
    name: 'OllamaOutOfMemoryErrors',
    expr: `${errors('out_of_memory', '10m')} > 0`,
    severity: 'critical',
    summary: 'Ollama has not enough memory for a model',
    description: '{{ $value }} requests to {{ $labels.instance }} failed for want of memory in 10m.',
    dashboard: 'ollama-overview',
  },
  {
    name: 'OllamaRunnerCrashing',
    expr: `${errors('runner_crash', '15m')} > ${RUNNER_CRASHES}`,
    severity: 'critical',
    summary: 'The runner of Ollama crashes again and again',
    description: '{{ $value }} requests to {{ $labels.instance }} ended with a crash of the runner in 15m.',
    dashboard: 'ollama-overview',
  },
  {
    name: 'OllamaContainerMemoryHigh',
    expr: `max by (instance, name) (
  container_memory_working_set_bytes / (container_spec_memory_limit_bytes > 0)
) > ${CONTAINER_MEMORY_HIGH_RATIO}`,
    for: '2m',
    severity: 'warning',
    summary: 'A container is near its memory limit',
    description:
      'Container {{ $labels.name }} of {{ $labels.instance }} uses {{ $value | humanizePercentage }} of its memory limit.',
    dashboard: 'ollama-overview',
  },
  {
    name: 'OllamaContainerCPUHigh',
    expr: `max by (instance, name) (
  sum by (${BY}) (rate(container_cpu_usage_seconds_total[5m]))
  /
  max by (${BY}) ((container_spec_cpu_quota > 0) / (container_spec_cpu_period > 0))
) > ${CONTAINER_CPU_HIGH_RATIO}`,
    for: '10m',
    severity: 'warning',
    summary: 'A container is near its CPU limit',
    description:
      'Container {{ $labels.name }} of {{ $labels.instance }} uses {{ $value | humanizePercentage }} of its CPU limit.',
    dashboard: 'ollama-overview',
  },
]
