import type { Alert } from '../alert.ts'
import { events } from '../fragments.ts'
import { JUDGED, sli } from '../recording.ts'
import { SLO_MIN_REQUESTS, SLO_WINDOWS, TIMEOUT_RATIO } from '../thresholds.ts'

const TIMEOUTS = 'ollama_inference_requests_total{outcome="timeout"}'

export const SLO: readonly Alert[] = [
  ...SLO_WINDOWS.map(({ long, short, ratio, for: lasting, severity }): Alert => ({
    name: 'OllamaErrorBudgetBurn',
    expr: [
      `${sli(long).ratio} > ${ratio}`,
      `and ${sli(short).ratio} > ${ratio}`,
      `and ${sli(long).total} > ${SLO_MIN_REQUESTS}`,
    ].join('\n'),
    for: lasting,
    severity,
    labels: { long, short },
    summary: `The error budget of Ollama burns: more than ${percent(ratio)} of requests end badly`,
    description: `{{ $value | humanizePercentage }} of the requests to {{ $labels.instance }} ended badly in ${long}, and more than ${percent(ratio)} in the last ${short}.`,
    dashboard: 'ollama-slo',
  })),
  {
    name: 'OllamaTimeoutRatioHigh',
    expr: [
      events(TIMEOUTS, '10m', 'instance'),
      '/',
      `(${events(JUDGED, '10m', 'instance')} > 0)`,
      `> ${TIMEOUT_RATIO}`,
    ].join('\n'),
    for: '10m',
    severity: 'warning',
    summary: 'Requests to Ollama time out',
    description: `{{ $value | humanizePercentage }} of the requests to {{ $labels.instance }} timed out in 10m; ${percent(TIMEOUT_RATIO)} may.`,
    dashboard: 'ollama-slo',
  },
]

function percent(ratio: number): string {
  return `${Number((ratio * 100).toFixed(2))} %`
}
