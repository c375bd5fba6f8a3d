import { COLOURS } from '../colours.ts'
import { dashboard } from '../defaults.ts'
import { receiptsOfRow, receiptsOfSeries, UIDS } from '../links.ts'
import { heatmap } from '../panels/heatmap.ts'
import { aboveZero, from } from '../panels/panel.ts'
import { stat } from '../panels/stat.ts'
import { idle } from '../panels/states.ts'
import { GPU_SHARE_COLOURS, gpuShare, NEUTRAL, sources, tokensPerSecond, up } from '../panels/strip.ts'
import { table } from '../panels/table.ts'
import { bars, lines, shares, signedBars, stacked } from '../panels/time-series.ts'
import * as queries from '../queries/models.ts'
import * as thresholds from '../../../prometheus/source/thresholds.ts'
import { comparedModels } from '../variables.ts'
import { compared } from './compared.ts'

const receipts = { dataLinks: [receiptsOfSeries()] }
const firstTokenColours = from(thresholds.TTFT_HIGH_SECONDS, COLOURS.warn)

const strip = [
  up(3),
  sources(3),
  gpuShare(4),
  stat({
    title: 'Loaded models',
    description: 'Models in memory.',
    unit: 'short',
    queries: queries.LOADED,
    width: 3,
    thresholds: NEUTRAL,
  }),
  tokensPerSecond(3),
  stat({
    title: 'TTFT p95',
    description: 'Time to the first token that 95 of 100 streaming requests keep.',
    unit: 's',
    queries: queries.TTFT_NOW,
    width: 4,
    thresholds: firstTokenColours,
    mappings: [idle('idle')],
    alerts: ['OllamaHighTTFT'],
  }),
  stat({
    title: 'Truncated prompts',
    description:
      'Requests in the time that is shown whose prompt met the context limit and was probably cut, which Ollama does silently.',
    unit: 'short',
    decimals: 0,
    queries: queries.TRUNCATED_NOW,
    width: 4,
    thresholds: aboveZero(COLOURS.warn),
    alerts: ['OllamaContextTruncation'],
  }),
]

const perModel = [
  table({
    title: 'Models',
    description:
      'A row for each model that had requests in the time that is shown, or is loaded. A click on a model opens its receipts, where the logging profile runs.',
    unit: 'none',
    queries: queries.TABLE,
    width: 24,
    columns: [
      { field: 'instance', title: 'instance' },
      { field: 'model', title: 'model', links: [receiptsOfRow()] },
      { field: 'Value #A', title: 'requests', unit: 'short', decimals: 0, empty: 'none' },
      {
        field: 'Value #B',
        title: 'error ratio',
        unit: 'percentunit',
        decimals: 1,
        empty: '-',
        thresholds: from(1 - thresholds.SLO_TARGET, COLOURS.warn),
      },
      { field: 'Value #C', title: 'tokens in', unit: 'short', decimals: 0, empty: '-' },
      { field: 'Value #D', title: 'tokens out', unit: 'short', decimals: 0, empty: '-' },
      { field: 'Value #E', title: 'TTFT p95', unit: 's', empty: '-', thresholds: firstTokenColours },
      { field: 'Value #F', title: 'TPOT p95', unit: 's', empty: '-' },
      {
        field: 'Value #G',
        title: 'GPU share',
        unit: 'percentunit',
        decimals: 0,
        empty: 'not loaded',
        thresholds: GPU_SHARE_COLOURS,
      },
      { field: 'Value #H', title: 'context used p95', unit: 'percentunit', decimals: 0, empty: '-' },
      { field: 'Value #I', title: 'context length', unit: 'short', empty: 'not loaded' },
    ],
  }),
]

const residency = [
  shares({
    title: 'GPU share over time',
    description:
      'How much of each loaded model is on a GPU: red where nothing, amber below 99 %. A line ends where the model is unloaded or Ollama is not asked.',
    unit: 'percentunit',
    queries: queries.GPU_SHARE,
    width: 12,
    max: 1,
    thresholds: GPU_SHARE_COLOURS,
    alerts: ['OllamaCPUFallback', 'OllamaPartialCPUOffload'],
    ...receipts,
  }),
  signedBars({
    title: 'Loads and unloads',
    description:
      'Models that were loaded, and below zero unloaded. Many of both is thrashing: they do not fit together.',
    unit: 'short',
    queries: queries.LOADS,
    width: 6,
    alerts: ['OllamaModelThrashing'],
  }),
  lines({
    title: 'Models in memory',
    description: 'Size of each loaded model, and what of it is on a GPU.',
    unit: 'bytes',
    queries: queries.RESIDENT,
    width: 6,
  }),
]

const speed = [
  heatmap({
    title: 'TTFT',
    description:
      'Requests by their time to the first token. Two bands are two kinds of request: loaded and not loaded.',
    unit: 's',
    queries: queries.TTFT_CELLS,
    width: 12,
  }),
  heatmap({
    title: 'TPOT',
    description: 'Requests by the decode time of an output token, as Ollama measured it.',
    unit: 's',
    queries: queries.TPOT_CELLS,
    width: 12,
  }),
  lines({
    title: 'TTFT by model (p50, p95)',
    description: 'Time to the first content, thinking or tool call of a stream. Points are requests with a trace.',
    unit: 's',
    queries: queries.TTFT,
    width: 12,
    thresholds: firstTokenColours,
    alerts: ['OllamaHighTTFT'],
    ...receipts,
  }),
  lines({
    title: 'TPOT by model (p50, p95)',
    description: 'Decode time of an output token, as Ollama measured it, once a request.',
    unit: 's',
    queries: queries.TPOT,
    width: 12,
    ...receipts,
  }),
  stacked({
    title: 'Phases of a request',
    description:
      'Mean time that requests waited for a slot, loaded their model, read the prompt and wrote the answer: the tallest one is what to work on.',
    unit: 's',
    queries: queries.PHASES,
    width: 12,
  }),
  lines({
    title: 'Decode rate',
    description: 'Output tokens over the time that decoding took. A GPU that is lost shows here at once.',
    unit: 'short',
    decimals: 1,
    queries: queries.DECODE,
    width: 6,
    alerts: ['OllamaTokenRateCollapse'],
    ...receipts,
  }),
  lines({
    title: 'Prefill rate',
    description: 'Prompt tokens that were surely computed over the time that took.',
    unit: 'short',
    decimals: 1,
    queries: queries.PREFILL,
    width: 6,
    ...receipts,
  }),
  lines({
    title: 'Queue wait (p90)',
    description: 'Wait for a free slot of the loaded model.',
    unit: 's',
    queries: queries.QUEUE_WAIT,
    width: 12,
    thresholds: from(thresholds.QUEUE_WAIT_HIGH_SECONDS, COLOURS.warn),
    alerts: ['OllamaQueueWaitHigh'],
    ...receipts,
  }),
  lines({
    title: 'Stutter (p99)',
    description: 'Wall time between two chunks of a stream: what a person sees.',
    unit: 's',
    queries: queries.STUTTER,
    width: 12,
    ...receipts,
  }),
]

const results = [
  stacked({
    title: 'Outcomes',
    description: 'Requests a second by how they ended.',
    unit: 'reqps',
    queries: queries.OUTCOMES,
    width: 12,
    alerts: ['OllamaErrorBudgetBurn'],
  }),
  bars({
    title: 'Aborts by phase',
    description: 'Requests that their client gave up, by what they were doing.',
    unit: 'short',
    queries: queries.ABORTS,
    width: 12,
  }),
  lines({
    title: 'Context use (p50, p95)',
    description: 'Input and output tokens over the context length that the model is loaded with.',
    unit: 'percentunit',
    queries: queries.CONTEXT,
    width: 12,
    max: 1,
    ...receipts,
  }),
  bars({
    title: 'Truncations',
    description: 'Requests whose prompt met the context limit and was probably cut.',
    unit: 'short',
    queries: queries.TRUNCATIONS,
    width: 12,
    alerts: ['OllamaContextTruncation'],
    ...receipts,
  }),
]

export const models = dashboard({
  uid: UIDS.models,
  title: 'Ollama - Models',
  description: 'What each model does: speed, outcomes, and where it runs.',
  variables: comparedModels(),
  sections: [
    { panels: strip },
    { heading: 'Each model', panels: perModel },
    { heading: 'Where they run', panels: residency },
    { heading: 'Speed', panels: speed },
    { heading: 'Results', panels: results },
    {
      heading: 'A ($model_a) and B ($model_b)',
      panels: compared,
    },
  ],
})
