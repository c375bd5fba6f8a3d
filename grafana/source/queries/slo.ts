import { sli } from '../../../prometheus/source/recording.ts'
import { SLO_TARGET, SLO_WINDOWS } from '../../../prometheus/source/thresholds.ts'
import { orDead, orIdle } from './alive.ts'
import { now, over, row, type Query } from './query.ts'
import { BAD, COUNTED, ofModel, ofRecorded, partOf, quantile, rate, share, sumBy } from './selectors.ts'

const WITNESS = 'ollama_active_requests'
const TIMEOUT = 'outcome="timeout"'
const requests = (matcher: string) => ofModel('ollama_inference_requests_total', matcher)

/** Bad requests over those that count, as Prometheus records them; without a bad one it records none. */
function badShare(window: string): string {
  const { bad, total } = sli(window)
  return partOf('instance', ofRecorded(bad), ofRecorded(total))
}

/** Hours that are recorded, all of the period: a ratio of two sums is right although they overlap. */
const inPeriod = (metric: string) => `sum_over_time(${ofRecorded(metric)}[30d:5m])`
const spent = partOf('instance', inPeriod(sli('1h').bad), inPeriod(sli('1h').total))
const BUDGET = Number((1 - SLO_TARGET).toFixed(6))
export const BUDGET_LEFT: readonly Query[] = [
  now(orDead(orIdle(`clamp_min(1 - (${spent}) / ${BUDGET}, 0)`, WITNESS), 'proxy'), '{{instance}}'),
]

/** The smaller of a pair is what its alert goes by; 1 is where it fires. */
export const BURN_AGAINST_ALERT: readonly Query[] = SLO_WINDOWS.map(({ long, short, ratio }) => {
  const [slow, fast] = [badShare(long), badShare(short)]
  const smaller = `((${slow}) <= on (instance) (${fast}) or on (instance) (${fast}))`
  return now(orDead(orIdle(`${smaller} / ${ratio}`, WITNESS), 'proxy'), `${long} and ${short} {{instance}}`)
})

export function burnRate({ long, short }: { readonly long: string; readonly short: string }): readonly Query[] {
  return [long, short].map((window) => over(badShare(window), `{{instance}} ${window}`))
}

export const TIMEOUTS_NOW: readonly Query[] = [
  now(
    orDead(orIdle(share('instance', rate(requests(TIMEOUT), '10m'), rate(requests(COUNTED), '10m')), WITNESS), 'proxy'),
    '{{instance}}',
  ),
]
export const TIMEOUTS: readonly Query[] = [
  over(share('instance', rate(requests(TIMEOUT)), rate(requests(COUNTED))), '{{instance}}'),
]
export const TIMEOUTS_BY_MODEL: readonly Query[] = [
  over(share('instance, model', rate(requests(TIMEOUT)), rate(requests(COUNTED))), '{{instance}} {{model}}'),
]
export const COUNTED_REQUESTS: readonly Query[] = [
  over(
    `sum(${rate(requests(COUNTED))}) - (sum(${rate(requests(BAD))}) or 0 * sum(${rate(requests(COUNTED))}))`,
    'good',
  ),
  over(sumBy('outcome', rate(requests(BAD))), '{{outcome}}'),
]
export const LEFT_OUT: readonly Query[] = [
  over(sumBy('outcome', rate(requests('outcome=~"caller_error|denied|client_abort"'))), '{{outcome}}'),
]

const TARGETS = [
  { metric: 'ttft', buckets: 'ollama_time_to_first_token_seconds_bucket' },
  { metric: 'request', buckets: 'ollama_inference_duration_seconds_bucket' },
].flatMap((one) => [0.5, 0.95].map((q) => ({ ...one, q })))
const BY_TARGET = 'instance, model, tier, metric, quantile'
const target = (...more: readonly string[]) =>
  `max by (${BY_TARGET}) (${ofModel('ollama_latency_target_seconds', ...more)})`

/** What was measured in half an hour, and what the alert compares with it: one series for each target. */
const measured = (operator: string) =>
  TARGETS.map(({ metric, buckets, q }) => {
    const measure = quantile(q, 'instance, model', ofModel(buckets), '30m')
    return `${measure} ${operator} ${target(`metric="${metric}"`, `quantile="${q}"`)}`
  }).join(' or ')
const MEASURED = measured('+ on (instance, model) group_right () 0 *')
const AGAINST_TARGET = measured('/ on (instance, model) group_right ()')

/** In the order of the table's columns. */
export const LATENCY_TABLE: readonly Query[] = [row(MEASURED), row(target()), row(AGAINST_TARGET)]
export const LATENCY: readonly Query[] = [over(AGAINST_TARGET, '{{instance}} {{model}} {{metric}} {{quantile}}')]
export const LATENCY_NOW: readonly Query[] = [
  now(orDead(orIdle(`max by (instance) (${AGAINST_TARGET})`, WITNESS), 'proxy'), '{{instance}}'),
]
