import { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'

/** Classic JSON. The SDK would rather have its successor, which Grafana does not take from files by default. */
export function newDashboard(title: string) {
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  return new DashboardBuilder(title)
}

export type ClassicDashboard = ReturnType<ReturnType<typeof newDashboard>['build']>
