import { events } from './fragments.ts'
import { SLO_WINDOWS } from './thresholds.ts'

/** The part of a name before the first colon says by which labels it is. */
export interface Recording {
  readonly record: string
  readonly expr: string
}

export interface RecordingGroup {
  readonly name: string
  /** Left out, the one of the configuration. */
  readonly interval?: string
  readonly rules: readonly Recording[]
}

const REQUESTS = 'ollama_inference_requests_total'
/** Those that count for the service level: not a caller's mistake, nor a denied or vanished client. */
export const JUDGED = `${REQUESTS}{outcome!~"caller_error|denied|client_abort"}`
const BAD = `${REQUESTS}{outcome=~"rejected|timeout|truncated|error"}`

/** How many requests were judged in a window, how many of them were bad, and the share of these. */
export function sli(window: string) {
  return {
    total: `instance:ollama_sli_total:increase${window}`,
    bad: `instance:ollama_sli_bad:increase${window}`,
    ratio: `instance:ollama_sli_bad:ratio${window}`,
  }
}

function recordSli(window: string): Recording[] {
  const { total, bad, ratio } = sli(window)
  return [
    { record: total, expr: events(JUDGED, window, 'instance') },
    { record: bad, expr: events(BAD, window, 'instance') },
    { record: ratio, expr: `${bad} / (${total} > 0)` },
  ]
}

/** Windows of hours are read often and change little. */
const isSlow = (window: string) => !/^(\d+m|1h)$/.test(window)
const WINDOWS = SLO_WINDOWS.flatMap(({ short, long }) => [short, long]).filter((one, i, all) => all.indexOf(one) === i)

const WITH_EVAL_TIME = 'and on (instance, model, endpoint) rate(ollama_eval_duration_seconds_count[10m]) > 0'

export const RECORDING_GROUPS: readonly RecordingGroup[] = [
  { name: 'ollama-sli', rules: WINDOWS.filter((window) => !isSlow(window)).flatMap(recordSli) },
  { name: 'ollama-sli-slow', interval: '1m', rules: WINDOWS.filter(isSlow).flatMap(recordSli) },
  {
    name: 'ollama-models',
    rules: [
      {
        // Of requests that tell both: OpenAI's formats have tokens and no times.
        record: 'instance_model:ollama_decode_tokens_per_second:rate10m',
        expr: [
          `sum by (instance, model) (rate(ollama_tokens_total{type="output"}[10m]) ${WITH_EVAL_TIME})`,
          '/',
          '(sum by (instance, model) (rate(ollama_eval_duration_seconds_sum[10m])) > 0)',
        ].join('\n'),
      },
    ],
  },
  {
    name: 'ollama-gpus',
    rules: [
      {
        // By uuid: a GPU whose driver or process changed is there twice for a moment.
        record: 'instance:ollama_gpus:count',
        expr: 'count by (instance) (count by (instance, uuid) (ollama_gpu_info))',
      },
    ],
  },
]

export const RECORDING: readonly Recording[] = RECORDING_GROUPS.flatMap(({ rules }) => rules)
