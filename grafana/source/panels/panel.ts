import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import {
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type DashboardLink,
  type Panel,
  type Threshold,
  type ThresholdsConfig,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import { COLOURS } from '../colours.ts'
import { runbookLink } from '../links.ts'
import type { Query } from '../queries/query.ts'
import { DATASOURCE } from '../variables.ts'
import { NO_DATA } from './states.ts'

/** What every kind of panel has. */
export interface PanelSpec {
  readonly title: string
  readonly description: string
  readonly unit: string
  readonly queries: readonly Query[]
  /** Of 24 columns. */
  readonly width: number
  readonly height?: number
  /** From the lowest; without one it has the colour of what is well. */
  readonly thresholds?: readonly Threshold[]
  readonly mappings?: readonly ValueMapping[]
  readonly decimals?: number
  readonly min?: number
  readonly max?: number
  /** Alerts that it is about; each is a link to its runbook. */
  readonly alerts?: readonly string[]
  readonly dataLinks?: readonly Builder<DashboardLink>[]
}

interface Common {
  title(text: string): this
  description(text: string): this
  datasource(source: { type: string; uid: string }): this
  unit(unit: string): this
  span(width: number): this
  height(height: number): this
  targets(targets: Builder<Dataquery>[]): this
  thresholds(thresholds: Builder<ThresholdsConfig>): this
  mappings(mappings: ValueMapping[]): this
  noValue(text: string): this
  decimals(decimals: number): this
  min(min: number): this
  max(max: number): this
  links(links: Builder<DashboardLink>[]): this
  dataLinks(links: Builder<DashboardLink>[]): this
  build(): Panel
}

/** Fills in what all kinds have in common. */
export function fill<P extends Common>(panel: P, spec: PanelSpec): P {
  panel
    .title(spec.title)
    .description(spec.description)
    .datasource(DATASOURCE)
    .unit(spec.unit)
    .span(spec.width)
    .height(spec.height ?? 8)
    .targets(spec.queries.map(target))
    .thresholds(
      new ThresholdsConfigBuilder()
        .mode(ThresholdsMode.Absolute)
        .steps([...(spec.thresholds ?? [{ value: null, color: COLOURS.good }])]),
    )
    .mappings([...NO_DATA, ...(spec.mappings ?? [])])
    .noValue('no data')
  if (spec.decimals !== undefined) panel.decimals(spec.decimals)
  if (spec.min !== undefined) panel.min(spec.min)
  if (spec.max !== undefined) panel.max(spec.max)
  if (spec.alerts !== undefined) panel.links(spec.alerts.map(runbookLink))
  if (spec.dataLinks !== undefined) panel.dataLinks([...spec.dataLinks])
  return panel
}

/** Well below `at`, and of this colour from there on. */
export function from(at: number, color: string = COLOURS.bad): Threshold[] {
  return [
    { value: null, color: COLOURS.good },
    { value: at, color },
  ]
}

/** Coloured as soon as it is not 0: thresholds hold from their value on. */
export function aboveZero(color?: string): Threshold[] {
  return from(1e-6, color)
}

const FORMATS = {
  time_series: PromQueryFormat.TimeSeries,
  table: PromQueryFormat.Table,
  heatmap: PromQueryFormat.Heatmap,
} as const

function target(query: Query, index: number): DataqueryBuilder {
  const builder = new DataqueryBuilder()
    .refId(String.fromCharCode('A'.charCodeAt(0) + index))
    .datasource(DATASOURCE)
    .expr(query.expr)
    .legendFormat(query.legend)
    .format(FORMATS[query.format ?? 'time_series'])
  if (query.exemplars === true) builder.exemplar(true)
  if (query.step !== undefined) builder.interval(query.step)
  return query.instant === true ? builder.instant() : builder.range()
}
