import type { Alert } from '../alert.ts'
import { events, presetEvents, quantile } from '../fragments.ts'
import { MODEL_LOADS, QUEUE_WAIT_HIGH_SECONDS } from '../thresholds.ts'

export const QUEUE: readonly Alert[] = [
  {
    name: 'OllamaQueueSaturated',
    expr: `${presetEvents('ollama_errors_total{error_type="queue_full"}', '5m', 'instance')} > 0`,
    keepFiringFor: '5m',
    severity: 'critical',
    summary: 'Ollama turns requests away',
    description: '{{ $value }} requests were turned away by {{ $labels.instance }} in 5m since its queue was full.',
    dashboard: 'ollama-overview',
  },
  {
    name: 'OllamaQueueWaitHigh',
    expr: `${quantile(0.9, 'ollama_queue_wait_seconds', '10m', 'instance, model')} > ${QUEUE_WAIT_HIGH_SECONDS}`,
    for: '10m',
    severity: 'warning',
    summary: 'Requests wait long for a free slot',
    description:
      'Model {{ $labels.model }} on {{ $labels.instance }}: p90 of the wait for a slot was {{ $value | humanizeDuration }} in 10m.',
    dashboard: 'ollama-models',
  },
  {
    name: 'OllamaModelThrashing',
    expr: `${presetEvents('ollama_model_load_events_total', '15m', 'instance')} > ${MODEL_LOADS}`,
    for: '5m',
    severity: 'warning',
    summary: 'Models push each other out of memory',
    description: 'Models were loaded {{ $value }} times on {{ $labels.instance }} in 15m.',
    dashboard: 'ollama-models',
  },
  {
    name: 'OllamaContextTruncation',
    expr: `${events('ollama_context_truncations_suspected_total', '15m', 'instance, model')} > 0`,
    severity: 'warning',
    summary: 'Prompts are cut without a word',
    description:
      '{{ $value }} prompts to model {{ $labels.model }} on {{ $labels.instance }} met its context limit in 15m and were probably cut.',
    dashboard: 'ollama-models',
  },
]
