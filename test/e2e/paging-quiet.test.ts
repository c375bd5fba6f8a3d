import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startApp } from '../helpers/app.ts'
import { LOAD, playRecorded } from '../helpers/load.ts'
import { describeWith } from '../helpers/needs.ts'
import { createNvidiaSmi } from '../helpers/nvidia-smi.ts'
import { ROOT } from '../helpers/process.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'
import { startAlerting } from '../monitoring/alerting.ts'

/** How long it is to be quiet; an hour is in bench/README.md. */
const SECONDS = Number(process.env.QUIET_SECONDS ?? '60')
/** At 1 all times are as shipped. */
const TIMES = Number(process.env.QUIET_TIMES ?? '30')
const BAD: readonly string[] = ['err-queue-full', 'runner-killed-chat', 'server-killed-mid-stream']

describeWith(['prometheus', 'prometheus-alertmanager'], 'the pager', () => {
  test('is silent in healthy traffic', { timeout: SECONDS * 1000 + 120_000 }, async () => {
    const standIn = await startStandIn()
    const app = await startApp(standIn.port, {
      OLLASCOPE_COLLECTORS: 'ollama,nvidia,host',
      OLLASCOPE_NVIDIA_SMI: createNvidiaSmi().program,
      // Elsewhere on this machine other tests may run out of memory.
      OLLASCOPE_PROC_ROOT: join(ROOT, 'test/captures/proc'),
      OLLASCOPE_COLLECT_INTERVAL: TIMES === 1 ? '10s' : '1s',
      // The models of the stand-in are on the CPU, and meant to be.
      OLLASCOPE_GPU_EXPECTED: 'false',
    })
    onTestFinished(app.close)
    const alerting = await startAlerting({ targets: [{ port: app.adminPort, component: 'serve' }], times: TIMES })
    onTestFinished(alerting.close)
    const ends = performance.now() + SECONDS * 1000
    let played = 0
    await waitFor(
      'the traffic',
      async () => {
        for (const name of LOAD.filter((one) => !BAD.includes(one))) await playRecorded(app.proxyPort, name)
        played++
        return performance.now() > ends
      },
      SECONDS * 1000 + 60_000,
    )

    expect(played).toBeGreaterThan(1)
    const told = alerting.notices.filter(({ receiver }) => receiver !== 'deadman')
    expect(told.map(({ labels }) => labels)).toEqual([])
    // It could ring: the dead man's switch did.
    await alerting.notice('OllascopeWatchdog', 'firing')
    expect(
      (await alerting.query('ALERTS{alertname!="OllascopeWatchdog",alertstate="firing",severity!="info"}')).length,
    ).toBe(0)
  })
})
