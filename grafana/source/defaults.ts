import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  DashboardCursorSync,
  RowBuilder,
  type Panel,
  type VariableModel,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { annotations } from './annotations.ts'
import { newDashboard, type ClassicDashboard } from './classic.ts'
import { dashboardLinks, type Uid } from './links.ts'
import { commonVariables } from './variables.ts'

/** Panels under a heading, from left to right; a line is full at 24 columns. */
interface Section {
  readonly heading?: string
  readonly panels: readonly Builder<Panel>[]
}

interface DashboardSpec {
  readonly uid: Uid
  readonly title: string
  readonly description: string
  readonly sections: readonly Section[]
  readonly variables?: readonly Builder<VariableModel>[]
}

/** A dashboard with all that the four have in common. */
export function dashboard({ uid, title, description, sections, variables = [] }: DashboardSpec): ClassicDashboard {
  const builder = newDashboard(title)
    .uid(uid)
    .description(description)
    .tags(['ollama', 'monitoring', 'mlops'])
    .refresh('10s')
    .time({ from: 'now-1h', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .variables([...commonVariables(), ...variables])
    .annotations(annotations())
    .links(dashboardLinks(uid))
  for (const { heading, panels } of sections) {
    if (heading !== undefined) builder.withRow(new RowBuilder(heading))
    for (const panel of panels) builder.withPanel(panel)
  }
  const built = builder.build()
  // The SDK gives no ids: without them Grafana renumbers, and links to a panel break.
  return { ...built, panels: built.panels?.map((panel, index) => ({ ...panel, id: index + 1 })) ?? [] }
}
