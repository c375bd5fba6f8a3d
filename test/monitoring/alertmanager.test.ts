import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../helpers/needs.ts'
import { freePort } from '../helpers/ports.ts'
import { ended, ROOT, startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'

const CONFIG = join(ROOT, 'prometheus/alertmanager.yml')

type Labels = Readonly<Record<string, string>>

describeWith(['amtool'], 'amtool', () => {
  test('takes the configuration', async () => {
    const { code, stdout } = await ended(startProgram('amtool', ['check-config', CONFIG]))
    expect(stdout).toContain('SUCCESS')
    expect(code).toBe(0)
  })

  test.each([
    ['pager', ['alertname=OllamaCPUFallback', 'severity=critical', 'instance=ollama']],
    ['chat', ['alertname=OllamaHighTTFT', 'severity=warning', 'instance=ollama']],
    ['null', ['alertname=OllamaVRAMNearlyFull', 'severity=info', 'instance=ollama']],
    ['deadman', ['alertname=OllascopeWatchdog', 'severity=none']],
    ['chat', ['alertname=SomethingElse']],
  ])('%s gets %s', async (receiver, labels) => {
    const args = ['config', 'routes', 'test', `--config.file=${CONFIG}`, `--verify.receivers=${receiver}`, ...labels]
    const { code, stdout } = await ended(startProgram('amtool', args))
    expect(stdout.trim()).toBe(receiver)
    expect(code).toBe(0)
  })
})

/** What an alert silences, and what it leaves. */
const INHIBITIONS: readonly { readonly source: Labels; readonly silences: Labels[]; readonly leaves: Labels[] }[] = [
  {
    source: { alertname: 'OllamaDown', severity: 'critical' },
    silences: [
      { alertname: 'OllamaErrorBudgetBurn', severity: 'critical' },
      { alertname: 'OllamaTimeoutRatioHigh' },
      { alertname: 'OllamaLatencyTargetMissed', model: 'a' },
      { alertname: 'OllamaHighTTFT', model: 'a' },
      { alertname: 'OllamaHighRequestLatency', model: 'a' },
      { alertname: 'OllamaTokenRateCollapse', model: 'a' },
      { alertname: 'OllamaStreamStalled' },
      { alertname: 'OllamaWedged' },
      { alertname: 'OllamaQueueWaitHigh', model: 'a' },
      { alertname: 'OllamaGPUIdleWhileGenerating' },
      { alertname: 'OllascopeCollectorFailing', collector: 'ollama' },
      { alertname: 'OllascopeCollectorStale', collector: 'ollama' },
    ],
    leaves: [
      { alertname: 'OllamaContainerOOMKilled', name: 'ollama' },
      { alertname: 'OllamaHostOOMKill' },
      { alertname: 'OllamaOutOfMemoryErrors' },
      { alertname: 'OllamaRunnerCrashing' },
      { alertname: 'OllamaContainerMemoryHigh', name: 'ollama' },
      { alertname: 'OllamaGPUMissing' },
      { alertname: 'OllamaGPUUncorrectableECC' },
      { alertname: 'OllamaCPUFallback', model: 'a' },
      { alertname: 'OllascopeDown', component: 'proxy' },
      { alertname: 'OllascopeCollectorFailing', collector: 'nvidia' },
      { alertname: 'OllamaWedged', instance: 'elsewhere' },
    ],
  },
  ...['proxy', 'serve'].map((component) => ({
    source: { alertname: 'OllascopeDown', component },
    silences: [{ alertname: 'OllamaErrorBudgetBurn' }, { alertname: 'OllamaHighTTFT', model: 'a' }],
    leaves: [
      { alertname: 'OllamaDown' },
      { alertname: 'OllamaContainerOOMKilled', name: 'ollama' },
      { alertname: 'OllamaGPUMissing' },
      { alertname: 'OllamaCPUFallback', model: 'a' },
    ],
  })),
  {
    source: { alertname: 'OllascopeDown', component: 'collector' },
    silences: [],
    leaves: [{ alertname: 'OllamaErrorBudgetBurn' }, { alertname: 'OllamaHighTTFT', model: 'a' }],
  },
  {
    source: { alertname: 'OllamaCPUFallback', model: 'a' },
    silences: [
      { alertname: 'OllamaLatencyTargetMissed', model: 'a' },
      { alertname: 'OllamaHighTTFT', model: 'a' },
      { alertname: 'OllamaHighRequestLatency', model: 'a' },
      { alertname: 'OllamaTokenRateCollapse', model: 'a' },
      { alertname: 'OllamaGPUIdleWhileGenerating' },
    ],
    leaves: [
      { alertname: 'OllamaHighTTFT', model: 'b' },
      { alertname: 'OllamaCPUFallback', model: 'c' },
      { alertname: 'OllamaContainerOOMKilled', name: 'ollama' },
      { alertname: 'OllamaGPUMissing' },
    ],
  },
  {
    source: { alertname: 'OllamaErrorBudgetBurn', severity: 'critical', long: '1h' },
    silences: [{ alertname: 'OllamaErrorBudgetBurn', severity: 'warning', long: '3d' }],
    leaves: [{ alertname: 'OllamaErrorBudgetBurn', severity: 'critical', long: '6h' }],
  },
  {
    source: { alertname: 'OllascopeCollectorFailing', collector: 'nvidia' },
    silences: [{ alertname: 'OllascopeCollectorStale', collector: 'nvidia' }],
    leaves: [{ alertname: 'OllascopeCollectorStale', collector: 'docker' }],
  },
]

describeWith(['prometheus-alertmanager'], 'Alertmanager', () => {
  test('silences what follows from an alert, and nothing else', async () => {
    const url = await startAlertmanager()
    // Each case is an Ollama of its own. The last one shows that all sources before it are known.
    const cases = [
      ...INHIBITIONS,
      { source: { alertname: 'OllamaDown' }, silences: [{ alertname: 'OllamaWedged' }], leaves: [] },
    ]
    const alerts = cases.flatMap(({ source, silences, leaves }, i) => {
      const at = (isSilenced: boolean) => (labels: Labels) => ({
        labels: { severity: 'warning', instance: `ollama-${i}`, ...labels },
        isSilenced,
      })
      return [at(false)(source), ...silences.map(at(true)), ...leaves.map(at(false))]
    })
    for (const alert of alerts) await post(url, alert.labels) // one by one: they are taken in this order

    const expected = alerts.map(({ labels, isSilenced }) => `${textOf(labels)} ${isSilenced}`).sort()
    const last = expected.find((line) => line.includes(`ollama-${cases.length - 1}`) && line.endsWith('true'))
    const told = await waitFor('the last alert to be silenced', async () => {
      const lines = await silenced(url)
      return last !== undefined && lines.includes(last) && lines
    })
    expect(told).toEqual(expected)
  })
})

async function startAlertmanager(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-alertmanager-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const address = `127.0.0.1:${await freePort()}`
  const running = startProgram('prometheus-alertmanager', [
    `--config.file=${CONFIG}`,
    `--storage.path=${folder}`,
    `--web.listen-address=${address}`,
    '--cluster.listen-address=',
  ])
  const url = `http://${address}`
  await waitFor('Alertmanager to be ready', async () => {
    if (running.child.exitCode !== null) throw new Error(running.stderr())
    return fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  })
  return url
}

async function post(url: string, labels: Labels): Promise<void> {
  const response = await fetch(`${url}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([{ labels }]),
  })
  expect(response.status).toBe(200)
}

async function silenced(url: string): Promise<string[]> {
  const response = await fetch(`${url}/api/v2/alerts`)
  const alerts = (await response.json()) as { labels: Labels; status: { inhibitedBy: string[] } }[]
  return alerts.map(({ labels, status }) => `${textOf(labels)} ${status.inhibitedBy.length > 0}`).sort()
}

function textOf(labels: Labels): string {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map((pair) => pair.join('='))
    .join(' ')
}
