import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import { DashboardLinkBuilder, type DashboardLink } from '@grafana/grafana-foundation-sdk/dashboard'

/** The dashboards, in the order of their links. */
export const UIDS = {
  overview: 'ollama-overview',
  models: 'ollama-models',
  gpuHost: 'ollama-gpu-host',
  slo: 'ollama-slo',
} as const

export type Uid = (typeof UIDS)[keyof typeof UIDS]

const TITLES: Readonly<Record<Uid, string>> = {
  'ollama-overview': 'Overview',
  'ollama-models': 'Models',
  'ollama-gpu-host': 'GPU and host',
  'ollama-slo': 'SLO',
}

/** Where the pages of docs/runbooks/ are read. */
const RUNBOOKS = 'https://github.com/ollascope/ollascope/blob/main/docs/runbooks'
/** Of the logging profile. */
const LOKI = 'loki'
const LOG_STREAM = '{service="ollascope"}'

/** The SDK hides every link in a menu unless that is taken away. */
function shown(builder: DashboardLinkBuilder): Builder<DashboardLink> {
  return {
    build() {
      const link = builder.build()
      delete link.placement
      return link
    },
  }
}

/** To the other dashboards, with the time and the variables of this one. */
export function dashboardLinks(own: Uid): Builder<DashboardLink>[] {
  return Object.values(UIDS)
    .filter((uid) => uid !== own)
    .map((uid) =>
      shown(
        new DashboardLinkBuilder(TITLES[uid])
          .url(`/d/${uid}`)
          .icon('dashboard')
          .tooltip(`Open "${TITLES[uid]}" with the same time and variables`)
          .keepTime(true)
          .includeVars(true),
      ),
    )
}

/** To the page of an alert that a panel is about. */
export function runbookLink(alert: string): Builder<DashboardLink> {
  return newTab(`Runbook: ${alert}`, `${RUNBOOKS}/${alert}.md`)
}

/** To the page of the alert that a table's row names. */
export function runbookOfRow(): Builder<DashboardLink> {
  return newTab('Runbook', `${RUNBOOKS}/\${__value.raw}.md`)
}

/** To the receipts of a series' model; needs the logging profile. */
export function receiptsOfSeries(): Builder<DashboardLink> {
  return newTab('Receipts of this model (logging profile)', receipts('${__field.labels.model}'))
}

export function receiptsOfRow(): Builder<DashboardLink> {
  return newTab('Receipts of this model (logging profile)', receipts('${__data.fields.model}'))
}

function newTab(title: string, url: string): Builder<DashboardLink> {
  return shown(new DashboardLinkBuilder(title).url(url).targetBlank(true))
}

/** A receipt has the name as the client wrote it, a series the full one. */
function receipts(model: string): string {
  const fullName = '| label_format full_model="{{ regexReplaceAll \\"^([^:]+)$\\" .model \\"${1}:latest\\" }}"'
  const panes = {
    receipts: {
      datasource: LOKI,
      queries: [
        {
          refId: 'A',
          expr: `${LOG_STREAM} | json | msg = "request" ${fullName} | full_model = "MODEL"`,
          datasource: { type: 'loki', uid: LOKI },
        },
      ],
      range: { from: 'FROM', to: 'TO' },
    },
  }
  // Grafana fills in its own variables only where their braces are not encoded.
  const encoded = encodeURIComponent(JSON.stringify(panes))
    .replace('MODEL', model)
    .replace('FROM', '${__from}')
    .replace('TO', '${__to}')
  return `/explore?schemaVersion=1&orgId=1&panes=${encoded}`
}
