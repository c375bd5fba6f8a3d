import { orNone } from './alive.ts'
import { over, type Query } from './query.ts'
import { increase, ofContainer, ofTarget, rate, sumBy } from './selectors.ts'
import { COLLECTOR_WELL } from './shared.ts'

const CONTAINER = 'instance, name'
const ofEach = (metric: string) => `max by (${CONTAINER}) (${ofContainer(metric)})`
export const HEALTH: readonly Query[] = [over(ofEach('container_health_state'), '{{instance}} {{name}}')]
export const RESTARTS: readonly Query[] = [over(ofEach('container_restarts'), '{{instance}} {{name}}')]
export const KILLS: readonly Query[] = [
  over(sumBy(CONTAINER, increase(ofContainer('container_oom_events_total'))), '{{instance}} {{name}}'),
  over(`max by (instance) (delta(${ofTarget('node_vmstat_oom_kill')}[$__rate_interval]))`, '{{instance}} whole host'),
]
export const DISK_IO: readonly Query[] = [
  over(sumBy(CONTAINER, rate(ofContainer('container_fs_reads_bytes_total'))), '{{instance}} {{name}} read'),
  over(sumBy(CONTAINER, rate(ofContainer('container_fs_writes_bytes_total'))), '{{instance}} {{name}} written'),
]

export const HOST_CPU: readonly Query[] = [
  over(`1 - avg by (instance) (${rate(ofTarget('node_cpu_seconds_total', 'mode="idle"'))})`, '{{instance}}'),
]
export const HOST_LOAD: readonly Query[] = [
  over(
    `max by (instance) (${ofTarget('node_load1')}) / on (instance) count by (instance) (${ofTarget('node_cpu_seconds_total', 'mode="idle"')})`,
    '{{instance}}',
  ),
]
export const HOST_MEMORY: readonly Query[] = [
  over(
    `max by (instance) (${ofTarget('node_memory_MemTotal_bytes')}) - max by (instance) (${ofTarget('node_memory_MemAvailable_bytes')})`,
    '{{instance}} used',
  ),
  over(`max by (instance) (${ofTarget('node_memory_MemTotal_bytes')})`, '{{instance}} total'),
]
export const MODEL_DISK: readonly Query[] = [
  over(
    `max by (instance, mountpoint) (${ofTarget('node_filesystem_avail_bytes')})`,
    '{{instance}} {{mountpoint}} left',
  ),
  over(`max by (instance, mountpoint) (${ofTarget('node_filesystem_size_bytes')})`, '{{instance}} {{mountpoint}} size'),
]

/** 1 well, 0 failing or old, -1 not begun yet. */
export const COLLECTORS: readonly Query[] = [
  over(
    `max by (instance, collector) ((${COLLECTOR_WELL}) or on (instance, collector) (0 * (${ofTarget('ollascope_collector_enabled')} == 1) - 1))`,
    '{{instance}} {{collector}}',
  ),
]
export const COLLECTOR_DURATION: readonly Query[] = [
  over(
    `max by (instance, collector) (${ofTarget('ollascope_collector_duration_seconds')})`,
    '{{instance}} {{collector}}',
  ),
]
export const COLLECTOR_ERRORS: readonly Query[] = [
  over(
    orNone(
      sumBy('instance, collector, reason', increase(ofTarget('ollascope_collector_errors_total'))),
      'reason',
      'ollascope_collector_enabled',
    ),
    '{{instance}} {{collector}} {{reason}}',
  ),
]
/** A process of Ollascope is an instance and a component. */
const PROCESS = 'instance, component'
export const OWN_CPU: readonly Query[] = [
  over(sumBy(PROCESS, rate(ofTarget('process_cpu_seconds_total', 'component!=""'))), '{{instance}} {{component}}'),
]
export const OWN_MEMORY: readonly Query[] = [
  over(
    `max by (${PROCESS}) (${ofTarget('process_resident_memory_bytes', 'component!=""')})`,
    '{{instance}} {{component}}',
  ),
]
