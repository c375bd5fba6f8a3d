import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  ReduceDataOptionsBuilder,
  VizOrientation,
} from '@grafana/grafana-foundation-sdk/common'
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { fill, type PanelSpec } from './panel.ts'

/** Values of now. Only instant queries: over a range, the last value of a dead source would still be shown. */
export function stat(spec: PanelSpec): PanelBuilder {
  return fill(new PanelBuilder(), { height: 4, ...spec })
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Background)
    .textMode(BigValueTextMode.Auto)
    .orientation(VizOrientation.Auto)
}
