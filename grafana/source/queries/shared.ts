import { COLLECTOR_STALE_SECONDS } from '../../../prometheus/source/thresholds.ts'
import { orDead, orIdle, orZero } from './alive.ts'
import { now, type Query } from './query.ts'
import { ofModel, ofTarget, rate, sumBy } from './selectors.ts'

const RUNNING = ofTarget('ollascope_collector_enabled')
const fresh = `time() - ${ofTarget('ollascope_collector_last_success_timestamp_seconds')} <= bool ${COLLECTOR_STALE_SECONDS}`
/** 1 for each collector that succeeds and whose success is not old; 0 for one that should run and does not. */
export const COLLECTOR_WELL = `(${ofTarget('ollascope_collector_success')} * (${fresh})) and (${RUNNING} == 1)`

/** The strip of every dashboard. */
export const SOURCES: readonly Query[] = [
  now(`min by (instance) (${ofTarget('up', 'component!=""')} or (${COLLECTOR_WELL}))`, '{{instance}}'),
]

export const UP: readonly Query[] = [now(orDead(ofTarget('ollama_up'), 'collector'), '{{instance}}')]

/** The worst of the models that are not meant for the CPU. */
const share = `min by (instance) (${ofModel('ollama_loaded_model_gpu_ratio')} unless on (instance, model) ${ofTarget('ollama_model_cpu_intended')})`
export const WORST_GPU_SHARE: readonly Query[] = [
  now(orDead(orIdle(share, 'ollama_loaded_models'), 'collector'), '{{instance}}'),
]

export const TOKENS_PER_SECOND: readonly Query[] = [
  now(
    orDead(
      orZero(sumBy('instance', rate(ofModel('ollama_tokens_total', 'type="output"'))), 'ollama_active_requests'),
      'proxy',
    ),
    '{{instance}}',
  ),
]
