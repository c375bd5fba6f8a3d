import { ReduceDataOptionsBuilder, VizOrientation } from '@grafana/grafana-foundation-sdk/common'
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/gauge'
import { fill, type PanelSpec } from './panel.ts'

/** A value of now between its bounds. */
export function gauge(spec: PanelSpec): PanelBuilder {
  return fill(new PanelBuilder(), spec)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .showThresholdMarkers(true)
    .orientation(VizOrientation.Auto)
}
