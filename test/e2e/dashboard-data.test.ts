import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startApp } from '../helpers/app.ts'
import { configFile } from '../helpers/config-file.ts'
import { fakeContainer, fakeId, startFakeDocker } from '../helpers/docker-fake.ts'
import { playLoad } from '../helpers/load.ts'
import { describeWith } from '../helpers/needs.ts'
import { createNvidiaSmi } from '../helpers/nvidia-smi.ts'
import { ROOT } from '../helpers/process.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'
import { startAlerting } from '../monitoring/alerting.ts'
import { QUERIES } from '../monitoring/dashboards.ts'

/** What has no data behind this traffic, and why. */
const WITHOUT: readonly { readonly of: RegExp; readonly reason: string }[] = [
  { of: /^ollama-gpu-host: GPU temperature B$/, reason: 'this card does not tell the temperature of its memory' },
  { of: /^ollama-gpu-host: Container disk I\/O [AB]$/, reason: 'the recorded daemon counts no block devices' },
  { of: /^ollama-overview: CPU Usage % B$/, reason: 'of containers without a quota, and the one here has one' },
  { of: /^ollama-models: Loads and unloads B$/, reason: 'the stand-in unloads nothing' },
  { of: /: annotation Model loads$/, reason: 'the stand-in loads nothing anew' },
  { of: /^ollama-models: Prefill rate A$/, reason: 'the stand-in’s models are loaded: what was cached is not known' },
  { of: /^ollama-models: A\/B: (TTFT p95|decode rate) B$/, reason: 'the other model here makes embeddings' },
]

/** Grafana's variables as they are when a dashboard is opened: all of everything, and windows that fit the few seconds played. */
function fillIn(expr: string): string {
  return expr
    .replaceAll(/\$\{?__rate_interval\}?/g, '10s')
    .replaceAll(/\$\{?__range\}?/g, '30s')
    .replaceAll(/\$\{?__interval\}?/g, '5s')
    .replaceAll(/\$\{?model_a(:\w+)?\}?/g, 'gemma3:270m')
    .replaceAll(/\$\{?model_b(:\w+)?\}?/g, 'all-minilm:l6')
    .replaceAll(/\$\{?(job|instance|container|model)(:\w+)?\}?/g, '.*')
}

describeWith(['prometheus', 'prometheus-alertmanager'], 'the dashboards', () => {
  test('every query gives data after some traffic, or it is known why not', { timeout: 120_000 }, async () => {
    const standIn = await startStandIn({ speed: 50 })
    const docker = await startFakeDocker([
      fakeContainer(1, { inspect: { State: { Health: { Status: 'healthy' } }, HostConfig: { NanoCpus: 2e9 } } }),
    ])
    const app = await startApp(standIn.port, {
      OLLASCOPE_COLLECTORS: 'ollama,nvidia,docker,host',
      OLLASCOPE_NVIDIA_SMI: createNvidiaSmi().program,
      OLLASCOPE_GPU_PROCESSES: 'true',
      OLLASCOPE_DOCKER_HOST: docker.host,
      OLLASCOPE_COLLECT_INTERVAL: '1s',
      OLLAMA_MODELS: join(ROOT, 'test'),
      ...configFile('models: {"gemma3:270m": {targets: {ttft: {p50: 1s, p95: 2s}, request: {p50: 5s, p95: 10s}}}}'),
    })
    onTestFinished(app.close)
    const prometheus = await startAlerting({ targets: [{ port: app.adminPort, component: 'serve' }], times: 30 })
    onTestFinished(prometheus.close)
    const ends = performance.now() + 20_000
    await waitFor(
      'some traffic',
      async () => {
        await playLoad(app.proxyPort)
        return performance.now() > ends
      },
      60_000,
    )

    docker.emit('oom', fakeId(1), BigInt(Date.now()) * 1_000_000n)
    await waitFor('the kill', async () => (await prometheus.query('container_oom_events_total > 0')).length > 0)

    const empty: string[] = []
    for (const { name, expr } of QUERIES) {
      const result = await prometheus.query(fillIn(expr))
      expect(
        result.filter(({ value }) => value === Infinity),
        name,
      ).toEqual([])
      if (result.length === 0) empty.push(name)
    }
    expect(empty.filter((name) => !WITHOUT.some(({ of }) => of.test(name)))).toEqual([])
    // What has data all the same needs no reason.
    expect(WITHOUT.filter(({ of }) => !empty.some((name) => of.test(name)))).toEqual([])
  })
})
