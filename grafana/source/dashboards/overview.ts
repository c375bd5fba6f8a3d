import { COLOURS } from '../colours.ts'
import { dashboard } from '../defaults.ts'
import { runbookOfRow, UIDS } from '../links.ts'
import { gauge } from '../panels/gauge.ts'
import { aboveZero, from } from '../panels/panel.ts'
import { stat } from '../panels/stat.ts'
import { idle, states } from '../panels/states.ts'
import { gpuShare, NEUTRAL, sources, tokensPerSecond, up } from '../panels/strip.ts'
import { table } from '../panels/table.ts'
import { bars, coloured, limit, lines, stacked } from '../panels/time-series.ts'
import * as queries from '../queries/overview.ts'
import * as thresholds from '../../../prometheus/source/thresholds.ts'

/** Where the gauge turns amber; no alert stands behind it. */
const MEMORY_NOTICE_RATIO = 0.75

const strip = [
  up(4),
  sources(3),
  gpuShare(4),
  stat({
    title: 'Active requests',
    description: 'Requests that have not ended yet.',
    unit: 'short',
    queries: queries.ACTIVE,
    width: 3,
    thresholds: NEUTRAL,
  }),
  tokensPerSecond(3),
  stat({
    title: 'Error ratio',
    description:
      'Failed requests of models over those that count: a caller’s mistake, a denied or a vanished client is in neither. Red from the ratio of the fastest burn alert.',
    unit: 'percentunit',
    decimals: 1,
    queries: queries.ERROR_RATIO,
    width: 3,
    thresholds: [
      ...from(1 - thresholds.SLO_TARGET, COLOURS.warn),
      { value: thresholds.SLO_WINDOWS[0].ratio, color: COLOURS.bad },
    ],
    mappings: [idle('idle')],
    alerts: ['OllamaErrorBudgetBurn'],
  }),
  stat({
    title: 'Firing alerts',
    description: 'Alerts that fire now. "no data" where Prometheus evaluates no rules. The list is below.',
    unit: 'short',
    queries: queries.FIRING,
    width: 4,
    thresholds: from(1),
  }),
]

const traffic = [
  coloured(
    coloured(
      stacked({
        title: 'Request Rate (Success vs Errors)',
        description:
          'Requests a second by how they ended, on every route. An error is the server’s fault; what the caller did wrong, was not allowed or left is apart.',
        unit: 'reqps',
        queries: queries.REQUEST_RATE,
        width: 8,
      }),
      '^success$',
      COLOURS.good,
    ),
    '^errors$',
    COLOURS.bad,
  ),
  lines({
    title: 'Response Time (p50, p95, p99)',
    description: 'From the head of a request to the end of its answer, all routes. Points are requests with a trace.',
    unit: 's',
    queries: queries.RESPONSE_TIME,
    width: 8,
  }),
  lines({
    title: 'API Latency (p95)',
    description: 'The slowest of 20 requests, by route. Points are requests with a trace.',
    unit: 's',
    queries: queries.API_LATENCY,
    width: 8,
    thresholds: from(thresholds.REQUEST_LATENCY_HIGH_SECONDS, COLOURS.warn),
    alerts: ['OllamaHighRequestLatency'],
  }),
]

const resources = [
  limit(
    lines({
      title: 'Memory Usage',
      description:
        'Of Ollama’s containers against their limit. Usage holds the page cache of model files, which the kernel takes back; the working set is what the limit counts in the end.',
      unit: 'bytes',
      queries: queries.MEMORY,
      width: 8,
      alerts: ['OllamaContainerMemoryHigh'],
    }),
    'limit$',
    COLOURS.bad,
  ),
  gauge({
    title: 'Memory Usage %',
    description: 'Working set over the memory limit of the container. From 90 % on, the next model may be killed.',
    unit: 'percentunit',
    decimals: 0,
    queries: queries.MEMORY_SHARE,
    width: 4,
    min: 0,
    max: 1,
    thresholds: [
      ...from(MEMORY_NOTICE_RATIO, COLOURS.warn),
      { value: thresholds.CONTAINER_MEMORY_HIGH_RATIO, color: COLOURS.bad },
    ],
    mappings: [idle('no limit')],
    alerts: ['OllamaContainerMemoryHigh'],
  }),
  stat({
    title: 'OOM Events',
    description:
      'Processes that the kernel killed for want of memory in Ollama’s containers, in the time that is shown.',
    unit: 'short',
    decimals: 0,
    queries: queries.OOM_KILLS,
    width: 4,
    height: 8,
    thresholds: aboveZero(),
    mappings: [idle('no container')],
    alerts: ['OllamaContainerOOMKilled'],
  }),
  lines({
    title: 'CPU Usage %',
    description:
      'CPU time of Ollama’s containers over their quota, and over all CPUs of the host where they have none.',
    unit: 'percentunit',
    queries: queries.CPU_SHARE,
    width: 8,
    thresholds: from(thresholds.CONTAINER_CPU_HIGH_RATIO, COLOURS.warn),
    alerts: ['OllamaContainerCPUHigh'],
  }),
  stat({
    title: 'Total Requests',
    description: 'Requests that ended in the time that is shown.',
    unit: 'short',
    decimals: 0,
    queries: queries.TOTAL_REQUESTS,
    width: 4,
    height: 8,
    thresholds: NEUTRAL,
  }),
  lines({
    title: 'Network I/O',
    description: 'Bytes a second that Ollama’s containers received and sent on all interfaces.',
    unit: 'Bps',
    queries: queries.NETWORK,
    width: 8,
  }),
  lines({
    title: 'Waiting',
    description:
      'Age of the oldest request, and for how long Ollama has been silent although requests wait for it. A long answer alone is not silence.',
    unit: 's',
    queries: queries.WAITING,
    width: 12,
    thresholds: from(thresholds.UPSTREAM_SILENCE_SECONDS),
    alerts: ['OllamaWedged', 'OllamaStreamStalled'],
  }),
]

const trouble = [
  bars({
    title: 'Errors by type',
    description: 'Requests that did not end well, by kind (docs/METRICS.md has the kinds).',
    unit: 'short',
    queries: queries.ERRORS_BY_TYPE,
    width: 12,
    alerts: ['OllamaOutOfMemoryErrors', 'OllamaRunnerCrashing', 'OllamaQueueSaturated'],
  }),
  table({
    title: 'Alerts that fire',
    description:
      'A row for each alert; a click on its name opens the runbook. Where all is well there is the watchdog alone; without any row, Prometheus evaluates no rules.',
    unit: 'none',
    queries: queries.FIRING_LIST,
    width: 12,
    columns: [
      { field: 'alertname', title: 'alert', links: [runbookOfRow()] },
      { field: 'severity', title: 'severity' },
      { field: 'instance', title: 'instance' },
      { field: 'model', title: 'model' },
      { field: 'name', title: 'container' },
    ],
    mappings: [states({ 1: { text: 'firing', color: COLOURS.bad } })],
  }),
]

export const overview = dashboard({
  uid: UIDS.overview,
  title: 'Ollama Monitoring - MLOps Dashboard',
  description: 'Whether Ollama serves, how fast, and what it takes for that.',
  sections: [
    { panels: strip },
    { heading: 'Requests', panels: traffic },
    { heading: 'Container', panels: resources },
    { heading: 'What went wrong', panels: trouble },
  ],
})
