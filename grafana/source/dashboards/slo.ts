import { SLO_TARGET, SLO_WINDOWS, TIMEOUT_RATIO } from '../../../prometheus/source/thresholds.ts'
import { COLOURS } from '../colours.ts'
import { dashboard } from '../defaults.ts'
import { receiptsOfRow, receiptsOfSeries, UIDS } from '../links.ts'
import { from } from '../panels/panel.ts'
import { stat } from '../panels/stat.ts'
import { idle } from '../panels/states.ts'
import { sources } from '../panels/strip.ts'
import { table } from '../panels/table.ts'
import { coloured, lines, stacked } from '../panels/time-series.ts'
import * as queries from '../queries/slo.ts'

const noRequests = idle('no requests yet')
const BURN = ['OllamaErrorBudgetBurn']
const timeouts = { thresholds: from(TIMEOUT_RATIO), alerts: ['OllamaTimeoutRatioHigh'] }
/** Twice a target is no other alert than a little above it. */
const againstTarget = { thresholds: from(1), alerts: ['OllamaLatencyTargetMissed'] }

const strip = [
  sources(3),
  stat({
    title: 'Error budget left',
    description: `Of the bad requests that an objective of ${SLO_TARGET * 100} % allows in 30 days, or as long as there are numbers. Below a quarter it is amber, at nothing red.`,
    unit: 'percentunit',
    decimals: 1,
    queries: queries.BUDGET_LEFT,
    width: 4,
    thresholds: [
      { value: null, color: COLOURS.bad },
      { value: 0.001, color: COLOURS.warn },
      { value: 0.25, color: COLOURS.good },
    ],
    mappings: [noRequests],
    alerts: BURN,
  }),
  stat({
    title: 'Burn rate against its alert',
    description:
      'Share of bad requests in each pair of windows, over the share at which its alert fires: at 100 % it does. The smaller of a pair counts.',
    unit: 'percentunit',
    decimals: 0,
    queries: queries.BURN_AGAINST_ALERT,
    width: 9,
    thresholds: [...from(0.5, COLOURS.warn), { value: 1, color: COLOURS.bad }],
    mappings: [noRequests],
    alerts: BURN,
  }),
  stat({
    title: 'Timeouts',
    description: 'Share of the requests of the last 10 minutes that a time limit ended; 2 % may.',
    unit: 'percentunit',
    decimals: 1,
    queries: queries.TIMEOUTS_NOW,
    width: 4,
    mappings: [noRequests],
    ...timeouts,
  }),
  stat({
    title: 'Worst latency',
    description:
      'The latency of the last 30 minutes that is worst against its target; 100 % is the target. Targets are in the config file.',
    unit: 'percentunit',
    decimals: 0,
    queries: queries.LATENCY_NOW,
    width: 4,
    mappings: [idle('no target met a request')],
    ...againstTarget,
  }),
]

const burn = SLO_WINDOWS.map((windows) =>
  lines({
    title: `Burn: ${windows.long} and ${windows.short}`,
    description: `Share of bad requests. The alert fires where both lines are above the dashed one: the budget of 30 days burns ${Math.round((windows.ratio / (1 - SLO_TARGET)) * 10) / 10} times too fast.`,
    unit: 'percentunit',
    queries: queries.burnRate(windows),
    width: 6,
    thresholds: from(windows.ratio, windows.severity === 'critical' ? COLOURS.bad : COLOURS.warn),
    alerts: BURN,
  }),
)

const counted = [
  coloured(
    stacked({
      title: 'Requests that count',
      description: 'Good ones, and bad ones by how they ended.',
      unit: 'reqps',
      queries: queries.COUNTED_REQUESTS,
      width: 12,
      alerts: BURN,
    }),
    '^good$',
    COLOURS.good,
  ),
  stacked({
    title: 'Requests that do not count',
    description: 'A caller’s mistake, a denied and a vanished client are in neither side of the objective.',
    unit: 'reqps',
    queries: queries.LEFT_OUT,
    width: 12,
  }),
]

const late = [
  lines({
    title: 'Timeouts against 2 %',
    description: 'Share of the requests that count and that a time limit ended.',
    unit: 'percentunit',
    queries: queries.TIMEOUTS,
    width: 12,
    ...timeouts,
  }),
  lines({
    title: 'Timeouts by model',
    description: 'The same for each model.',
    unit: 'percentunit',
    queries: queries.TIMEOUTS_BY_MODEL,
    width: 12,
    dataLinks: [receiptsOfSeries()],
    ...timeouts,
  }),
]

const latency = [
  table({
    title: 'Latency budgets',
    description: 'What the config file wants of each model, and what was measured in the last 30 minutes.',
    unit: 'none',
    queries: queries.LATENCY_TABLE,
    width: 12,
    columns: [
      { field: 'instance', title: 'instance' },
      { field: 'model', title: 'model', links: [receiptsOfRow()] },
      { field: 'tier', title: 'tier' },
      { field: 'metric', title: 'time' },
      { field: 'quantile', title: 'quantile' },
      { field: 'Value #A', title: 'measured', unit: 's', empty: 'no requests' },
      { field: 'Value #B', title: 'target', unit: 's' },
      {
        field: 'Value #C',
        title: 'of target',
        unit: 'percentunit',
        decimals: 0,
        empty: 'no requests',
        thresholds: againstTarget.thresholds,
      },
    ],
    alerts: againstTarget.alerts,
  }),
  lines({
    title: 'Latency against target',
    description: 'The p50 and p95 of 30 minutes over their targets in the config file; above 100 % one is missed.',
    unit: 'percentunit',
    queries: queries.LATENCY,
    width: 12,
    dataLinks: [receiptsOfSeries()],
    ...againstTarget,
  }),
]

export const slo = dashboard({
  uid: UIDS.slo,
  title: 'Ollama - SLO',
  description: 'Whether Ollama keeps what was promised, and how fast the error budget burns.',
  sections: [
    { panels: strip },
    { heading: 'How fast the error budget burns', panels: burn },
    { heading: 'What the objective is made of', panels: counted },
    { heading: 'What ran out of time', panels: late },
    { heading: 'Latency', panels: latency },
  ],
})
