import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { VariableType, type Panel, type RowPanel } from '@grafana/grafana-foundation-sdk/dashboard'
import type { ClassicDashboard } from '../../grafana/source/classic.ts'
import { ROOT } from '../helpers/process.ts'

const FOLDER = join(ROOT, 'grafana/dashboards')

/** A query as it is in the file: only some kinds of target have all of it. */
interface Target {
  readonly refId?: string
  readonly expr?: string
  readonly instant?: boolean
  readonly range?: boolean
  readonly exemplar?: boolean
  readonly legendFormat?: string
  readonly datasource?: { readonly uid?: string }
}

/** The committed dashboards, as Grafana reads them. */
export const DASHBOARDS = readdirSync(FOLDER).map((file) => ({
  file,
  dashboard: JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as ClassicDashboard,
}))

export const PANELS = DASHBOARDS.flatMap(({ dashboard }) =>
  (dashboard.panels ?? [])
    .filter((panel): panel is Panel => !isRow(panel))
    .map((panel) => ({ name: `${dashboard.uid ?? ''}: ${panel.title ?? ''}`, uid: dashboard.uid ?? '', panel })),
)

function isRow(panel: Panel | RowPanel): panel is RowPanel {
  return panel.type === 'row'
}

export function targetsOf(panel: Panel): Target[] {
  return (panel.targets ?? []) as Target[]
}

interface Asked {
  /** What it belongs to, and with what tells it from others of that. */
  readonly of: string
  readonly name: string
  readonly expr: string
  readonly instant: boolean
}

/** Every query there is: of panels, variables and annotations. */
export const QUERIES: readonly Asked[] = [
  ...PANELS.flatMap(({ name, panel }) =>
    targetsOf(panel).map(({ refId, expr, instant }) => ({
      of: name,
      name: `${name} ${refId ?? ''}`,
      expr: expr ?? '',
      instant: instant === true,
    })),
  ),
  ...DASHBOARDS.flatMap(({ dashboard }) =>
    (dashboard.annotations.list ?? []).map(({ name, target }) => ({
      of: `${dashboard.uid ?? ''}: annotation ${name}`,
      name: `${dashboard.uid ?? ''}: annotation ${name}`,
      expr: (target as Target | undefined)?.expr ?? '',
      instant: false,
    })),
  ),
  ...DASHBOARDS.flatMap(({ dashboard }) =>
    (dashboard.templating.list ?? [])
      .filter(({ type }) => type === VariableType.Query)
      .map(({ name, definition }) => ({
        of: `${dashboard.uid ?? ''}: variable ${name}`,
        name: `${dashboard.uid ?? ''}: variable ${name}`,
        expr: labelsAskedFor(definition ?? ''),
        instant: true,
      })),
  ),
]

/** The series whose labels a variable lists, and the label. */
function labelsAskedFor(definition: string): string {
  const [, series = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(definition) ?? []
  return `count by (${label}) (${series})`
}
