import type { PanelBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { COLOURS } from '../colours.ts'
import { SOURCES, TOKENS_PER_SECOND, UP, WORST_GPU_SHARE } from '../queries/shared.ts'
import { GPU_SHARE_PARTIAL } from '../../../prometheus/source/thresholds.ts'
import { stat } from './stat.ts'
import { idle, UP_OR_DOWN, WELL_OR_FAILING } from './states.ts'

/** None is red, a part is amber: a model that left the GPU is many times slower. */
export const GPU_SHARE_COLOURS = [
  { value: null, color: COLOURS.bad },
  { value: 0.001, color: COLOURS.warn },
  { value: GPU_SHARE_PARTIAL, color: COLOURS.good },
] as const
/** For measures that are neither good nor bad. */
export const NEUTRAL = [{ value: null, color: COLOURS.quiet }] as const

export function up(width: number): PanelBuilder {
  return stat({
    title: 'Ollama',
    description: 'Whether Ollama answers. "no data" where the collector that asks it does not answer itself.',
    unit: 'bool',
    queries: UP,
    width,
    mappings: [UP_OR_DOWN],
    alerts: ['OllamaDown'],
  })
}

/** On top of every dashboard: what the other panels are worth. */
export function sources(width: number): PanelBuilder {
  return stat({
    title: 'Sources',
    description:
      'Whether everything that these dashboards are made from works: scrapes of Ollascope, and each collector that should run. Where it fails, a panel that shows nothing means nothing.',
    unit: 'bool',
    queries: SOURCES,
    width,
    mappings: [WELL_OR_FAILING],
    alerts: ['OllascopeDown', 'OllascopeCollectorFailing', 'OllascopeCollectorStale'],
  })
}

export function gpuShare(width: number): PanelBuilder {
  return stat({
    title: 'GPU share',
    description:
      'How much of the worst loaded model is on a GPU. 0 is a fallback to the CPU. Models that are meant for the CPU are left out.',
    unit: 'percentunit',
    decimals: 0,
    queries: WORST_GPU_SHARE,
    width,
    thresholds: GPU_SHARE_COLOURS,
    mappings: [idle('no model')],
    alerts: ['OllamaCPUFallback', 'OllamaPartialCPUOffload'],
  })
}

export function tokensPerSecond(width: number): PanelBuilder {
  return stat({
    title: 'Tokens/s',
    description: 'Output tokens a second, as Ollama reported them when requests ended.',
    unit: 'short',
    decimals: 1,
    queries: TOKENS_PER_SECOND,
    width,
    thresholds: NEUTRAL,
  })
}
