import type { Alert } from '../alert.ts'
import { presetEvents, quantile } from '../fragments.ts'
import {
  LATENCY_TARGET_MIN_SAMPLES,
  REQUEST_LATENCY_HIGH_SECONDS,
  UPSTREAM_SILENCE_SECONDS,
  TOKEN_RATE_COLLAPSE_RATIO,
  TOKEN_RATE_MIN_TOKENS,
  TTFT_MIN_SAMPLES,
  TTFT_HIGH_SECONDS,
} from '../thresholds.ts'

const TTFT = 'ollama_time_to_first_token_seconds'
const REQUEST = 'ollama_inference_duration_seconds'
const BY = 'instance, model'
const DECODE_RATE = 'instance_model:ollama_decode_tokens_per_second:rate10m'
const samples = (histogram: string, window: string) => presetEvents(`${histogram}_count`, window, BY)

const TARGETS = Object.entries({ ttft: TTFT, request: REQUEST }).flatMap(([metric, histogram]) =>
  [0.5, 0.95].map((q) =>
    [
      quantile(q, histogram, '30m', BY),
      `> on (${BY}) group_left (tier, metric, quantile)`,
      `ollama_latency_target_seconds{metric="${metric}", quantile="${q}"}`,
      `and on (${BY}) ${samples(histogram, '30m')} > ${LATENCY_TARGET_MIN_SAMPLES}`,
    ].join('\n'),
  ),
)

export const LATENCY: readonly Alert[] = [
  {
    name: 'OllamaLatencyTargetMissed',
    expr: TARGETS.join('\nor\n'),
    for: '15m',
    severity: 'warning',
    summary: 'A model is slower than its target',
    description:
      'Model {{ $labels.model }} on {{ $labels.instance }}: quantile {{ $labels.quantile }} of {{ $labels.metric }} was {{ $value | humanizeDuration }} in 30m, above its target.',
    dashboard: 'ollama-slo',
  },
  {
    name: 'OllamaHighTTFT',
    expr: `${quantile(0.95, TTFT, '10m', BY)} > ${TTFT_HIGH_SECONDS}
and ${samples(TTFT, '10m')} > ${TTFT_MIN_SAMPLES}`,
    for: '10m',
    severity: 'warning',
    summary: 'The first token takes long',
    description: `Model {{ $labels.model }} on {{ $labels.instance }}: p95 of the time to the first token was {{ $value | humanizeDuration }} in 10m.`,
    dashboard: 'ollama-models',
  },
  {
    name: 'OllamaHighRequestLatency',
    expr: `${quantile(0.95, REQUEST, '10m', BY)} > ${REQUEST_LATENCY_HIGH_SECONDS}`,
    for: '10m',
    severity: 'warning',
    summary: 'Requests that run a model take long',
    description: `Model {{ $labels.model }} on {{ $labels.instance }}: p95 of its good requests was {{ $value | humanizeDuration }} in 10m.`,
    dashboard: 'ollama-models',
  },
  {
    name: 'OllamaTokenRateCollapse',
    expr: `${DECODE_RATE} < ${TOKEN_RATE_COLLAPSE_RATIO} * quantile_over_time(0.5, ${DECODE_RATE}[1d])
and ${presetEvents('ollama_tokens_total{type="output"}', '10m', BY)} > ${TOKEN_RATE_MIN_TOKENS}`,
    for: '10m',
    severity: 'warning',
    summary: 'A model generates at less than half its usual speed',
    description:
      'Model {{ $labels.model }} on {{ $labels.instance }} generates {{ $value | humanize }} tokens/s, less than half its median of the last day.',
    dashboard: 'ollama-models',
  },
  {
    name: 'OllamaStreamStalled',
    expr: 'sum by (instance) (ollama_stalled_requests) > 0',
    for: '2m',
    severity: 'warning',
    summary: 'Streams have begun and do not go on',
    description: '{{ $value }} streams of {{ $labels.instance }} had their first token and then nothing.',
    dashboard: 'ollama-overview',
  },
  {
    name: 'OllamaWedged',
    expr: `max by (instance) (ollama_upstream_silence_seconds) > ${UPSTREAM_SILENCE_SECONDS}`,
    for: '1m',
    severity: 'critical',
    summary: 'Requests wait and nothing comes from Ollama',
    description:
      'Requests to {{ $labels.instance }} have waited for {{ $value | humanizeDuration }} without a byte from Ollama.',
    dashboard: 'ollama-overview',
  },
]
