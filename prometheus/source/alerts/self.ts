import type { Alert } from '../alert.ts'
import { events } from '../fragments.ts'
import { COLLECTOR_STALE_SECONDS } from '../thresholds.ts'

const LAST_SUCCESS = 'ollascope_collector_last_success_timestamp_seconds'
const COLLECTOR = 'The collector {{ $labels.collector }} of {{ $labels.instance }}'

export const SELF: readonly Alert[] = [
  {
    name: 'OllascopeCollectorFailing',
    expr: 'max by (instance, collector) (ollascope_collector_success) == 0',
    for: '5m',
    severity: 'warning',
    summary: 'A collector fails',
    description: `${COLLECTOR} has failed for 5m (success is {{ $value }}): what it measures is absent.`,
    dashboard: 'ollama-gpu-host',
  },
  {
    name: 'OllascopeCollectorStale',
    // One that never succeeded has the time 0, and a disabled one has none.
    expr: `time() - max by (instance, collector) (${LAST_SUCCESS}) > ${COLLECTOR_STALE_SECONDS}
and on (instance, collector) ollascope_collector_enabled == 1`,
    for: '2m',
    severity: 'warning',
    summary: 'A collector has not succeeded for long',
    description: `${COLLECTOR} {{ if gt $value 1e9 }}has never succeeded{{ else }}last succeeded {{ $value | humanizeDuration }} ago{{ end }}.`,
    dashboard: 'ollama-gpu-host',
  },
  {
    name: 'OllascopeSeriesOverflow',
    expr: `${events('ollascope_label_overflow_total', '1h', 'instance, label')} > 0`,
    for: '5m',
    severity: 'info',
    summary: 'Labels are folded into "other"',
    description:
      '{{ $value }} requests to {{ $labels.instance }} were counted under other in 1h: {{ $labels.label }} has no series left.',
    dashboard: 'ollama-overview',
  },
  {
    name: 'OllascopeWatchdog',
    expr: 'vector(1)',
    severity: 'none',
    summary: 'Prometheus and Alertmanager work',
    description: 'Always firing (value {{ $value }}): whoever gets it no more should look for the reason.',
    dashboard: 'ollama-overview',
  },
]
