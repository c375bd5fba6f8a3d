import {
  GraphDrawStyle,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import { FieldColorBuilder, FieldColorModeId } from '@grafana/grafana-foundation-sdk/dashboard'
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import { fill, type PanelSpec } from './panel.ts'

/** Lines over time, from 0 on; thresholds are dashed lines. */
export function lines(spec: PanelSpec): PanelBuilder {
  return graph({ min: 0, ...spec })
}

function graph(spec: PanelSpec): PanelBuilder {
  const panel = fill(new PanelBuilder(), spec)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassicByName))
    .lineWidth(1)
    .fillOpacity(8)
    .showPoints(VisibilityMode.Auto)
    .spanNulls(false)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Bottom)
        .calcs(['lastNotNull', 'max']),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
  return spec.thresholds === undefined
    ? panel
    : panel.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed))
}

/** Lines that lie in areas of their thresholds' colours. */
export function shares(spec: PanelSpec): PanelBuilder {
  return lines(spec).thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Area))
}

/** Parts of a whole over time, one upon the other. */
export function stacked(spec: PanelSpec): PanelBuilder {
  return asStack(lines(spec))
}

function asStack(panel: PanelBuilder): PanelBuilder {
  return panel.fillOpacity(40).stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'))
}

/** How often something happened, one bar a step. */
export function bars(spec: PanelSpec): PanelBuilder {
  return asBars(stacked(spec))
}

/** Bars that go below 0 too. */
export function signedBars(spec: PanelSpec): PanelBuilder {
  return asBars(asStack(graph(spec)))
}

function asBars(panel: PanelBuilder): PanelBuilder {
  return panel.drawStyle(GraphDrawStyle.Bars).fillOpacity(80)
}

/** One series in a colour of its own, so that it is known at once. */
export function coloured(panel: PanelBuilder, pattern: string, colour: string): PanelBuilder {
  return panel.overrideByRegexp(pattern, [{ id: 'color', value: { mode: 'fixed', fixedColor: colour } }])
}

/** A limit: a dashed line without an area. */
export function limit(panel: PanelBuilder, pattern: string, colour: string): PanelBuilder {
  return panel.overrideByRegexp(pattern, [
    { id: 'color', value: { mode: 'fixed', fixedColor: colour } },
    { id: 'custom.lineStyle', value: { fill: 'dash', dash: [10, 10] } },
    { id: 'custom.fillOpacity', value: 0 },
  ])
}
