import { TooltipDisplayMode } from '@grafana/grafana-foundation-sdk/common'
import {
  CellValuesBuilder,
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
  HeatmapTooltipBuilder,
  PanelBuilder,
  YAxisConfigBuilder,
} from '@grafana/grafana-foundation-sdk/heatmap'
import { fill, type PanelSpec } from './panel.ts'

/** A histogram over time: the unit is that of its buckets, a cell holds requests. */
export function heatmap(spec: PanelSpec): PanelBuilder {
  return fill(new PanelBuilder(), spec)
    .yAxis(new YAxisConfigBuilder().unit(spec.unit))
    .cellValues(new CellValuesBuilder().unit('short'))
    .color(new HeatmapColorOptionsBuilder().mode(HeatmapColorMode.Scheme).scheme('Oranges').steps(64).exponent(0.5))
    .tooltip(new HeatmapTooltipBuilder().mode(TooltipDisplayMode.Single).yHistogram(true).showColorScale(true))
}
