import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import { TableCellBackgroundDisplayMode, TableCellDisplayMode } from '@grafana/grafana-foundation-sdk/common'
import type { DashboardLink, DynamicConfigValue, Threshold } from '@grafana/grafana-foundation-sdk/dashboard'
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/table'
import { fill, type PanelSpec } from './panel.ts'
import { whenEmpty } from './states.ts'

/** A column: a label, or the value of one of the queries. */
interface Column {
  /** As the data has it: a label's name, or `Value #A`. */
  readonly field: string
  readonly title: string
  readonly unit?: string
  readonly decimals?: number
  /** Colours the cell. */
  readonly thresholds?: readonly Threshold[]
  readonly links?: readonly Builder<DashboardLink>[]
  /** What a cell without a value says, where that is nothing to worry about. */
  readonly empty?: string
}

interface TableSpec extends PanelSpec {
  readonly columns: readonly Column[]
}

/** The queries side by side, a row for each set of labels that they share. */
export function table({ columns, ...spec }: TableSpec): PanelBuilder {
  const panel = fill(new PanelBuilder(), spec)
    .transformations([
      { id: 'merge', options: {} },
      {
        id: 'filterFieldsByName',
        options: { include: { names: columns.map(({ field }) => field) } },
      },
      {
        id: 'organize',
        options: {
          indexByName: Object.fromEntries(columns.map(({ field }, index) => [field, index])),
          renameByName: Object.fromEntries(columns.map(({ field, title }) => [field, title])),
        },
      },
    ])
    .filterable(true)
  for (const column of columns) panel.overrideByName(column.title, properties(column))
  return panel
}

function properties({ unit, decimals, thresholds, links, empty }: Column): DynamicConfigValue[] {
  return [
    ...(unit === undefined ? [] : [{ id: 'unit', value: unit }]),
    ...(decimals === undefined ? [] : [{ id: 'decimals', value: decimals }]),
    ...(thresholds === undefined
      ? []
      : [
          { id: 'thresholds', value: { mode: 'absolute', steps: thresholds } },
          {
            id: 'custom.cellOptions',
            value: { type: TableCellDisplayMode.ColorBackground, mode: TableCellBackgroundDisplayMode.Basic },
          },
        ]),
    ...(empty === undefined ? [] : [{ id: 'mappings', value: [whenEmpty(empty)] }]),
    ...(links === undefined ? [] : [{ id: 'links', value: links.map((link) => link.build()) }]),
  ]
}
