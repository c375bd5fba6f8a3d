import { orDead, orIdle, orNone, orZero } from './alive.ts'
import { now, over, row, withExemplars, type Query } from './query.ts'
import { BAD, COUNTED, decodeRate, increase, ofModel, ofTarget, quantile, rate, share, sumBy } from './selectors.ts'

const MODEL = 'instance, model'
const WITNESS = 'ollama_active_requests'
const requests = ofModel('ollama_inference_requests_total')
const output = ofModel('ollama_tokens_total', 'type="output"')
const firstToken = ofModel('ollama_time_to_first_token_seconds_bucket')
const perToken = ofModel('ollama_time_per_output_token_seconds_bucket')
const loaded = (metric: string) => `max by (${MODEL}) (${ofModel(metric)})`

export const LOADED: readonly Query[] = [
  now(orDead(`max by (instance) (${ofTarget('ollama_loaded_models')})`, 'collector'), '{{instance}}'),
]
export const TTFT_NOW: readonly Query[] = [
  now(orDead(orIdle(`${quantile(0.95, 'instance', firstToken)} >= 0`, WITNESS), 'proxy'), '{{instance}}'),
]
const truncations = ofModel('ollama_context_truncations_suspected_total')
export const TRUNCATED_NOW: readonly Query[] = [
  now(orDead(orZero(sumBy('instance', increase(truncations, '$__range')), WITNESS), 'proxy'), '{{instance}}'),
]

/** In the order of the table's columns. */
export const TABLE: readonly Query[] = [
  row(sumBy(MODEL, increase(requests, '$__range'))),
  row(
    share(
      MODEL,
      rate(ofModel('ollama_inference_requests_total', BAD), '$__range'),
      rate(ofModel('ollama_inference_requests_total', COUNTED), '$__range'),
    ),
  ),
  row(sumBy(MODEL, increase(ofModel('ollama_tokens_total', 'type="input"'), '$__range'))),
  row(sumBy(MODEL, increase(output, '$__range'))),
  row(quantile(0.95, MODEL, firstToken, '$__range')),
  row(quantile(0.95, MODEL, perToken, '$__range')),
  row(loaded('ollama_loaded_model_gpu_ratio')),
  row(quantile(0.95, MODEL, ofModel('ollama_context_utilization_ratio_bucket'), '$__range')),
  row(loaded('ollama_loaded_model_context_tokens')),
]

const cells = (buckets: string): readonly Query[] => [
  { expr: sumBy('le', increase(buckets)), legend: '{{le}}', format: 'heatmap', exemplars: true },
]
export const TTFT_CELLS = cells(firstToken)
export const TPOT_CELLS = cells(perToken)

export const TTFT: readonly Query[] = [0.5, 0.95].map((q) =>
  withExemplars(over(quantile(q, MODEL, firstToken), `{{instance}} {{model}} p${q * 100}`)),
)
export const TPOT: readonly Query[] = [0.5, 0.95].map((q) =>
  over(quantile(q, MODEL, perToken), `{{instance}} {{model}} p${q * 100}`),
)
export const STUTTER: readonly Query[] = [
  over(quantile(0.99, MODEL, ofModel('ollama_inter_chunk_seconds_bucket')), '{{instance}} {{model}}'),
]
export const DECODE: readonly Query[] = [
  over(decodeRate(MODEL, output, ofModel('ollama_eval_duration_seconds_sum')), '{{instance}} {{model}}'),
]
export const PREFILL: readonly Query[] = [
  over(
    `${sumBy(MODEL, rate(ofModel('ollama_prefill_tokens_total')))} / (${sumBy(MODEL, rate(ofModel('ollama_prefill_seconds_total')))} > 0)`,
    '{{instance}} {{model}}',
  ),
]

/** Each phase over its own requests: not every request has every phase. */
const phase = (metric: string, legend: string) =>
  over(`sum(${rate(ofModel(`${metric}_sum`))}) / (sum(${rate(ofModel(`${metric}_count`))}) > 0)`, legend)
export const PHASES: readonly Query[] = [
  phase('ollama_queue_wait_seconds', '1 queue'),
  phase('ollama_load_duration_seconds', '2 load'),
  phase('ollama_prompt_eval_duration_seconds', '3 prefill'),
  phase('ollama_eval_duration_seconds', '4 decode'),
]
export const QUEUE_WAIT: readonly Query[] = [
  over(quantile(0.9, MODEL, ofModel('ollama_queue_wait_seconds_bucket')), '{{instance}} {{model}}'),
]

export const OUTCOMES: readonly Query[] = [over(sumBy('outcome', rate(requests)), '{{outcome}}')]
export const ABORTS: readonly Query[] = [
  over(orNone(sumBy('phase', increase(ofModel('ollama_inference_aborts_total'))), 'phase', WITNESS), '{{phase}}'),
]

export const GPU_SHARE: readonly Query[] = [over(loaded('ollama_loaded_model_gpu_ratio'), '{{instance}} {{model}}')]
export const RESIDENT: readonly Query[] = [
  over(loaded('ollama_loaded_model_size_bytes'), '{{instance}} {{model}} in memory'),
  over(loaded('ollama_loaded_model_vram_bytes'), '{{instance}} {{model}} on a GPU'),
]
export const LOADS: readonly Query[] = [
  over(
    orNone(sumBy(MODEL, increase(ofModel('ollama_model_load_events_total'))), 'model', 'ollama_loaded_models'),
    '{{instance}} {{model}} loaded',
  ),
  over(
    `- ${sumBy(MODEL, increase(ofModel('ollama_model_unload_events_total')))} < 0`,
    '{{instance}} {{model}} unloaded',
  ),
]
export const CONTEXT: readonly Query[] = [0.5, 0.95].map((q) =>
  over(quantile(q, MODEL, ofModel('ollama_context_utilization_ratio_bucket')), `{{instance}} {{model}} p${q * 100}`),
)
export const TRUNCATIONS: readonly Query[] = [
  over(orNone(sumBy(MODEL, increase(truncations)), 'model', WITNESS), '{{instance}} {{model}}'),
]
