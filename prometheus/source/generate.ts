import { stringify } from 'yaml'
import type { Alert } from './alert.ts'
import { ALERT_GROUPS } from './alerts.ts'
import { RECORDING_GROUPS } from './recording.ts'

const RUNBOOKS = 'https://github.com/ollascope/ollascope/blob/main/docs/runbooks/'
const HEAD = '# Made by "node prometheus/generate.ts" from prometheus/source: change that, not this.\n'

/** All that is made, by path from this package's folder of Prometheus. */
export function generate(runbooks = RUNBOOKS): ReadonlyMap<string, string> {
  const base = runbooks.endsWith('/') ? runbooks : `${runbooks}/`
  const alerts = ALERT_GROUPS.map(({ name, alerts }) => ({ name, rules: alerts.map((one) => alertRule(one, base)) }))
  const custom = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: {
      name: 'ollascope',
      // What a Prometheus selects its rules by: the second is the default of kube-prometheus-stack.
      labels: { 'app.kubernetes.io/name': 'ollascope', release: 'kube-prometheus-stack' },
    },
    spec: { groups: [...RECORDING_GROUPS, ...alerts] },
  }
  return new Map([
    ['rules/recording.yml', toYaml({ groups: RECORDING_GROUPS })],
    ['rules/alerts.yml', toYaml({ groups: alerts })],
    ['kubernetes/prometheusrule.yaml', toYaml(custom)],
  ])
}

function alertRule(alert: Alert, runbooks: string) {
  const { name, expr, for: lasting, keepFiringFor, severity, labels, summary, description, dashboard } = alert
  return {
    alert: name,
    expr,
    ...(lasting === undefined ? {} : { for: lasting }),
    ...(keepFiringFor === undefined ? {} : { keep_firing_for: keepFiringFor }),
    labels: { severity, ...labels },
    annotations: { summary, description, runbook_url: `${runbooks}${name}.md`, dashboard_url: `/d/${dashboard}` },
  }
}

function toYaml(document: unknown): string {
  return HEAD + stringify(document, { lineWidth: 0, aliasDuplicateObjects: false, singleQuote: true })
}
