import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { freePort } from '../helpers/ports.ts'
import { ROOT, startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'
import { shortenRoute, shortenRules } from './shortened.ts'

/** An alert as Alertmanager hands it to a webhook. */
export interface Notice {
  readonly receiver: string
  readonly status: 'firing' | 'resolved'
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Milliseconds of the monotonic clock, when it came. */
  readonly atMs: number
}

export interface Target {
  readonly port: number
  readonly component: 'serve' | 'proxy' | 'collector'
}

/** The shipped Prometheus and Alertmanager, for real, with a webhook in the place of every receiver. */
export interface Alerting {
  readonly prometheusUrl: string
  /** What the webhook got so far. */
  readonly notices: readonly Notice[]
  /** Waits for a notice of this alert, the first of such a status after that time. */
  readonly notice: (
    alertname: string,
    status: Notice['status'],
    afterMs?: number,
    deadlineMs?: number,
  ) => Promise<Notice>
  /** The values of a query now. */
  readonly query: (expr: string) => Promise<readonly { labels: Record<string, string>; value: number }[]>
  readonly close: () => Promise<void>
}

export interface AlertingOptions {
  readonly targets: readonly Target[]
  /** How many times shorter everything that is time is; 1 is as shipped. */
  readonly times: number
}

type Fields = Record<string, unknown>

export async function startAlerting({ targets, times }: AlertingOptions): Promise<Alerting> {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-alerting-'))
  const notices: Notice[] = []
  const webhook = createServer((req, res) => {
    const parts: Buffer[] = []
    req.on('data', (bytes: Buffer) => parts.push(bytes))
    req.on('end', () => {
      const { alerts } = JSON.parse(Buffer.concat(parts).toString()) as { alerts: Omit<Notice, 'receiver' | 'atMs'>[] }
      const receiver = (req.url ?? '').slice(1)
      for (const alert of alerts) notices.push({ ...alert, receiver, atMs: performance.now() })
      res.end()
    })
  })
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve))
  const [prometheusPort, alertmanagerPort] = [await freePort(), await freePort()]
  writeAlertmanager(folder, (webhook.address() as AddressInfo).port, times)
  writePrometheus(folder, targets, alertmanagerPort, times)

  const kills: (() => Promise<void>)[] = []
  const start = (program: string, args: readonly string[]) =>
    startProgram(program, args, { onEnd: (kill) => void kills.push(kill) })
  start('prometheus-alertmanager', [
    `--config.file=${join(folder, 'alertmanager.yml')}`,
    `--storage.path=${join(folder, 'alertmanager')}`,
    `--web.listen-address=127.0.0.1:${alertmanagerPort}`,
    '--cluster.listen-address=',
  ])
  const prometheus = start('prometheus', [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${prometheusPort}`,
  ])
  const prometheusUrl = `http://127.0.0.1:${prometheusPort}`
  const isReady = async (url: string) => {
    if (prometheus.child.exitCode !== null) throw new Error(prometheus.stderr())
    return fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
  }
  await waitFor('Alertmanager', () => isReady(`http://127.0.0.1:${alertmanagerPort}/-/ready`), 30_000)
  await waitFor('Prometheus', () => isReady(`${prometheusUrl}/-/ready`), 30_000)

  return {
    prometheusUrl,
    notices,
    notice: (alertname, status, afterMs = 0, deadlineMs = 60_000) =>
      waitFor(
        `${alertname} to be told as ${status}`,
        () => notices.find((one) => one.labels.alertname === alertname && one.status === status && one.atMs >= afterMs),
        deadlineMs,
      ),
    async query(expr) {
      const answer = await fetch(`${prometheusUrl}/api/v1/query?${new URLSearchParams({ query: expr }).toString()}`)
      const { status, data, error } = (await answer.json()) as {
        status: string
        error?: string
        data?: { result: { metric: Record<string, string>; value: [number, string] }[] }
      }
      if (status !== 'success' || data === undefined) throw new Error(`${expr}: ${error ?? status}`)
      return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
    },
    async close() {
      for (const kill of kills) await kill()
      webhook.closeAllConnections()
      webhook.close()
      rmSync(folder, { recursive: true })
    },
  }
}

function writeAlertmanager(folder: string, webhookPort: number, times: number): void {
  const shipped = readYaml('prometheus/alertmanager.yml')
  const receivers = (shipped.receivers as Fields[]).map(({ name }) => ({
    name,
    webhook_configs: [{ url: `http://127.0.0.1:${webhookPort}/${String(name)}`, send_resolved: true }],
  }))
  const { inhibit_rules, time_intervals } = shipped
  write(folder, 'alertmanager.yml', {
    route: shortenRoute(shipped.route as Fields, times),
    receivers,
    ...(inhibit_rules !== undefined && { inhibit_rules }),
    ...(time_intervals !== undefined && { time_intervals }),
  })
}

/** The shipped configuration, its job asking these targets, and every other job left out. */
function writePrometheus(folder: string, targets: readonly Target[], alertmanagerPort: number, times: number): void {
  const shipped = readYaml('prometheus/prometheus.yml')
  const job = (shipped.scrape_configs as Fields[]).find(({ job_name }) => job_name === 'ollascope')
  if (job === undefined) throw new Error('prometheus.yml has no job "ollascope"')
  const [first] = job.static_configs as { labels?: Fields }[]
  const rest = Object.fromEntries(
    Object.entries(job).filter(([key]) => !['authorization', 'file_sd_configs', 'static_configs'].includes(key)),
  )
  const interval = times === 1 ? {} : { scrape_interval: '500ms', scrape_timeout: '500ms' }
  const seconds =
    times === 1 ? shipped.global : { ...(shipped.global as Fields), ...interval, evaluation_interval: '500ms' }
  const rules = join(ROOT, 'prometheus/rules')
  mkdirSync(join(folder, 'rules'))
  for (const name of readdirSync(rules).filter((one) => one.endsWith('.yml'))) {
    const text = readFileSync(join(rules, name), 'utf8')
    write(folder, join('rules', name), times === 1 ? (parse(text) as Fields) : shortenRules(text, times))
  }
  write(folder, 'prometheus.yml', {
    global: seconds,
    rule_files: [join(folder, 'rules/*.yml')],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanagerPort}`] }] }] },
    scrape_configs: [
      {
        ...rest,
        ...interval,
        static_configs: targets.map(({ port, component }) => ({
          targets: [`127.0.0.1:${port}`],
          labels: { ...first?.labels, component },
        })),
      },
    ],
  })
}

function readYaml(path: string): Fields {
  return parse(readFileSync(join(ROOT, path), 'utf8')) as Fields
}

function write(folder: string, name: string, value: unknown): void {
  writeFileSync(join(folder, name), stringify(value))
}
