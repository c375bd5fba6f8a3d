import { orDead, orIdle, orNone, orZero } from './alive.ts'
import { now, over, row, withExemplars, type Query } from './query.ts'
import {
  BAD,
  COUNTED,
  firing,
  increase,
  ofContainer,
  ofModel,
  ofTarget,
  quantile,
  rate,
  share,
  sumBy,
} from './selectors.ts'

const WITNESS = 'ollama_active_requests'
const CONTAINER = 'instance, name'
const perContainer = (metric: string) => `max by (${CONTAINER}) (${ofContainer(metric)})`
const workingSet = perContainer('container_memory_working_set_bytes')
const memoryLimit = `(${perContainer('container_spec_memory_limit_bytes')} > 0)`
const cpuSeconds = sumBy(CONTAINER, rate(ofContainer('container_cpu_usage_seconds_total')))
const quota = `(${perContainer('container_spec_cpu_quota')} / ${perContainer('container_spec_cpu_period')})`
const cpus = `count by (instance) (${ofTarget('node_cpu_seconds_total', 'mode="idle"')})`
const allRequests = ofTarget('ollama_requests_total')
const durations = ofTarget('ollama_request_duration_seconds_bucket')
/** Kinds of error that are the caller's. */
const CALLERS = '"client_abort|model_not_found|bad_request|not_found|unsupported|unauthorized|forbidden|rate_limited"'

const inference = ofModel('ollama_inference_requests_total', COUNTED)
export const ERROR_RATIO: readonly Query[] = [
  now(
    orDead(
      orIdle(share('instance', rate(ofModel('ollama_inference_requests_total', BAD)), rate(inference)), WITNESS),
      'proxy',
    ),
    '{{instance}}',
  ),
]

export const ACTIVE: readonly Query[] = [now(orDead(sumBy('instance', ofTarget(WITNESS)), 'proxy'), '{{instance}}')]

/** The watchdog always fires: without it no rule is evaluated, and there is nothing to count. */
const countOf = (severity: string) =>
  now(`count(${firing(`severity="${severity}"`)}) or 0 * count(${firing('alertname="OllascopeWatchdog"')})`, severity)
export const FIRING: readonly Query[] = [countOf('critical'), countOf('warning')]

/** Where nothing else fires there is the watchdog; without it, nobody knows. */
export const FIRING_LIST: readonly Query[] = [
  row(
    `max by (alertname, severity, instance, model, name) (${firing('severity!="none"')}) or on () max by (alertname, severity) (${firing('severity="none"')})`,
  ),
]

export const REQUEST_RATE: readonly Query[] = [
  over(`clamp_min(sum(${rate(allRequests)}) - sum(${rate(ofTarget('ollama_errors_total'))}), 0)`, 'success'),
  over(`sum(${rate(ofTarget('ollama_errors_total', `error_type!~${CALLERS}`))})`, 'errors'),
  over(`sum(${rate(ofTarget('ollama_errors_total', `error_type=~${CALLERS}`))})`, 'caller’s mistake, denied or left'),
]

export const API_LATENCY: readonly Query[] = [
  withExemplars(over(quantile(0.95, 'endpoint', durations), '{{endpoint}}')),
]

export const RESPONSE_TIME: readonly Query[] = [0.5, 0.95, 0.99].map((q) =>
  withExemplars(over(quantile(q, '', durations), `p${q * 100}`)),
)

export const TOTAL_REQUESTS: readonly Query[] = [
  now(orDead(orZero(sumBy('instance', increase(allRequests, '$__range')), WITNESS), 'proxy'), '{{instance}}'),
]

/** IDLE where nobody is meant to watch a container. */
const watchers = sumBy('instance', ofTarget('ollascope_collector_enabled', 'collector=~"docker|cgroup"'))
const oomEvents = ofContainer('container_oom_events_total')
/** Only while they are still told: a failing collector's past is no news. */
const kills = `${sumBy('instance', increase(oomEvents, '$__range'))} and on (instance) ${oomEvents}`
export const OOM_KILLS: readonly Query[] = [
  now(orDead(`${kills} or on (instance) (0 * (${watchers} == 0) - 2)`, 'collector'), '{{instance}}'),
]

export const MEMORY: readonly Query[] = [
  over(workingSet, '{{instance}} {{name}} working set'),
  over(perContainer('container_memory_usage_bytes'), '{{instance}} {{name}} usage with page cache'),
  over(memoryLimit, '{{instance}} {{name}} limit'),
]

/** Without a limit there is nothing that it could be a share of: IDLE. */
export const MEMORY_SHARE: readonly Query[] = [
  now(`${workingSet} / ${memoryLimit} or on (${CONTAINER}) (0 * ${workingSet} - 2)`, '{{instance}} {{name}}'),
]

export const CPU_SHARE: readonly Query[] = [
  over(`${cpuSeconds} / ${quota}`, '{{instance}} {{name}} of its quota'),
  over(
    `(${cpuSeconds} unless on (${CONTAINER}) ${quota}) / on (instance) group_left () ${cpus}`,
    '{{instance}} {{name}} of the host',
  ),
]

export const NETWORK: readonly Query[] = [
  over(sumBy(CONTAINER, rate(ofContainer('container_network_receive_bytes_total'))), '{{instance}} {{name}} received'),
  over(sumBy(CONTAINER, rate(ofContainer('container_network_transmit_bytes_total'))), '{{instance}} {{name}} sent'),
]

export const ERRORS_BY_TYPE: readonly Query[] = [
  over(orNone(sumBy('error_type', increase(ofTarget('ollama_errors_total'))), 'error_type', WITNESS), '{{error_type}}'),
]

export const WAITING: readonly Query[] = [
  over(`max by (instance) (${ofTarget('ollama_oldest_request_age_seconds')})`, '{{instance}} oldest request'),
  over(`max by (instance) (${ofTarget('ollama_upstream_silence_seconds')})`, '{{instance}} silence of Ollama'),
]
