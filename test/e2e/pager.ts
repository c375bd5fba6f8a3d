import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { startDockerd, type Dockerd } from '../helpers/dockerd.ts'
import { describeWith } from '../helpers/needs.ts'
import { createNvidiaSmi, RTX } from '../helpers/nvidia-smi.ts'
import { ROOT } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'
import { startAlerting, type Alerting, type Notice, type Target } from '../monitoring/alerting.ts'
import { GOOD, startOllama } from '../monitoring/ollama.ts'

/** How many times shorter all times are than shipped. */
const TIMES = 30
const LONG = 300_000

/** Asks the proxy to generate, so many times. */
async function generate(app: RunningApp, times: number, model = 'a', token = 'good') {
  const statuses = new Set<number>()
  for (let i = 0; i < times; i++) {
    const body = JSON.stringify({ model, prompt: 'x', stream: false })
    const headers = { Authorization: `Bearer ${token}` }
    const answer = await fetch(`${app.proxyUrl}/api/generate`, { method: 'POST', body, headers })
    await answer.arrayBuffer()
    statuses.add(answer.status)
  }
  return [...statuses]
}

function expectPage(notice: Notice, receiver: string): void {
  const { alertname = '', severity } = notice.labels
  expect(notice.receiver, alertname).toBe(receiver)
  expect(severity, alertname).toBe('critical')
  expect(notice.labels.instance, alertname).toBe('ollama')
  expect(notice.annotations.summary, alertname).not.toBe('')
  expect(notice.annotations.description, alertname).toContain('ollama')
  const { runbook_url = '' } = notice.annotations
  expect(runbook_url, alertname).toMatch(new RegExp(`/docs/runbooks/${alertname}\\.md$`))
  expect(existsSync(join(ROOT, 'docs/runbooks', `${alertname}.md`)), alertname).toBe(true)
}

const NEEDED = ['prometheus', 'prometheus-alertmanager', 'dockerd', 'docker', 'busybox', 'ip', 'tar']

/** Takes two minutes, most of them waiting: each kind has a file of its own, so that they run side by side. */
export function describePager(how: 'one process' | 'two processes'): void {
  describeWith(NEEDED, 'the pager', () => {
    test(`rings for what is broken, with ${how}, and only for that`, { timeout: LONG }, async () => {
      const ollama = await startOllama()
      const smi = createNvidiaSmi()
      const daemon = await startDockerd()
      onTestFinished(daemon.stop)
      const { eat } = await runOllamaContainer(daemon)
      ollama.state.models = [{ name: 'a', vram: 100 }]
      const env = {
        OLLASCOPE_COLLECTORS: 'ollama,nvidia,docker,cgroup,host',
        OLLASCOPE_NVIDIA_SMI: smi.program,
        OLLASCOPE_DOCKER_HOST: daemon.host,
        OLLASCOPE_COLLECT_INTERVAL: '1s',
        OLLASCOPE_STALL_AFTER: '1s',
        OLLASCOPE_TOKENS_FILE: writeTokens(),
      }
      const proxy = await startApp(ollama.port(), env, undefined, how === 'one process' ? 'serve' : 'proxy')
      onTestFinished(proxy.close)
      const apps: Target[] = [{ port: proxy.adminPort, component: how === 'one process' ? 'serve' : 'proxy' }]
      if (how === 'two processes') {
        const collector = await startApp(ollama.port(), env, undefined, 'collector')
        onTestFinished(collector.close)
        apps.push({ port: collector.adminPort, component: 'collector' })
      }
      const alerting = await startAlerting({ targets: apps, times: TIMES })
      onTestFinished(alerting.close)
      const pager = pagerOf(alerting)

      // Healthy traffic, a client's mistakes and strangers: nobody is woken.
      expect(await generate(proxy, 50)).toEqual([200])
      expect(await generate(proxy, 200, 'a', 'bad')).toEqual([401])
      ollama.state.answer = { status: 404, body: '{"error":"model \'b\' not found"}' }
      expect(await generate(proxy, 50, 'b')).toEqual([404])
      ollama.state.answer = GOOD
      await waitFor(
        'everything to be scraped',
        async () => (await alerting.query('ollama_gpu_expected == 1')).length > 0,
      )
      // Longer than what pages for a fallback, an OOM kill or a burst of errors is pending.
      await goBy(alerting, 8)
      expect(pager().map(({ labels }) => labels.alertname)).toEqual([])

      // A model falls back to the CPU.
      let from = performance.now()
      ollama.state.models = [{ name: 'a', vram: 0 }]
      const fallback = await alerting.notice('OllamaCPUFallback', 'firing', from)
      expectPage(fallback, 'pager')
      expect(fallback.labels.model).toBe('a:latest')
      from = performance.now()
      ollama.state.models = [{ name: 'a', vram: 100 }]
      await alerting.notice('OllamaCPUFallback', 'resolved', from)

      // The kernel kills a child in the container, whose process 1 lives on.
      from = performance.now()
      await eat()
      const killed = await alerting.notice('OllamaContainerOOMKilled', 'firing', from)
      expectPage(killed, 'pager')
      expect(killed.labels.name).toBe('ollama')
      await alerting.notice('OllamaContainerOOMKilled', 'resolved', from, 120_000)

      // The GPU vanishes, and returns.
      from = performance.now()
      smi.play({ gpus: [] })
      expectPage(await alerting.notice('OllamaGPUMissing', 'firing', from), 'pager')
      from = performance.now()
      smi.play({ gpus: [RTX] })
      await alerting.notice('OllamaGPUMissing', 'resolved', from, 120_000)

      // The queue is full.
      from = performance.now()
      ollama.state.answer = {
        status: 503,
        body: '{"error":"server busy, please try again.  maximum pending requests exceeded"}',
      }
      await generate(proxy, 5)
      expectPage(await alerting.notice('OllamaQueueSaturated', 'firing', from), 'pager')

      await alerting.notice('OllamaQueueSaturated', 'resolved', from, 120_000)

      // A stream begins and stands still: a ticket, and no page.
      from = performance.now()
      const stalled = new AbortController()
      ollama.state.holds = true
      const stream = await fetch(`${proxy.proxyUrl}/api/chat`, {
        method: 'POST',
        body: '{"model":"a","messages":[]}',
        headers: { Authorization: 'Bearer good' },
        signal: stalled.signal,
      })
      await stream.body?.getReader().read()
      expect((await alerting.notice('OllamaStreamStalled', 'firing', from)).receiver).toBe('chat')
      ollama.state.holds = false
      stalled.abort()
      await alerting.notice('OllamaStreamStalled', 'resolved', from)

      // A burst of errors.
      from = performance.now()
      ollama.state.answer = { status: 500, body: '{"error":"something broke"}' }
      await generate(proxy, 60)
      expectPage(await alerting.notice('OllamaErrorBudgetBurn', 'firing', from), 'pager')
      ollama.state.answer = GOOD

      // Ollama is down, and comes back: what follows from that wakes nobody.
      from = performance.now()
      await ollama.down()
      expectPage(await alerting.notice('OllamaDown', 'firing', from), 'pager')
      from = performance.now()
      await ollama.up()
      await alerting.notice('OllamaDown', 'resolved', from)

      const rang = new Set(pager().map(({ labels }) => labels.alertname))
      expect([...rang].toSorted()).toEqual([
        'OllamaCPUFallback',
        'OllamaContainerOOMKilled',
        'OllamaDown',
        'OllamaErrorBudgetBurn',
        'OllamaGPUMissing',
        'OllamaQueueSaturated',
      ])
    })
  })
}

/** What was told to who carries the pager. */
function pagerOf({ notices }: Alerting): () => Notice[] {
  return () => notices.filter(({ receiver }) => receiver === 'pager')
}

/** So many seconds of Prometheus's clock go by. */
async function goBy({ query }: Alerting, seconds: number): Promise<void> {
  const time = async () => (await query('vector(time())'))[0]?.value ?? NaN
  const from = await time()
  await waitFor(`${seconds} seconds`, async () => (await time()) > from + seconds)
}

/** A container called ollama whose child the kernel kills when it is told to eat. */
async function runOllamaContainer(daemon: Dockerd) {
  const script = 'while :; do if [ -e /tmp/eat ]; then rm /tmp/eat; tail /dev/zero; fi; sleep 0.05; done'
  const id = await daemon.run(script, { name: 'ollama', args: ['--memory=32m', '--memory-swap=32m'] })
  return { eat: () => daemon.docker('exec', id, 'touch', '/tmp/eat') }
}

/** @returns the path of a tokens file with one that is good */
function writeTokens(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-tokens-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'tokens')
  writeFileSync(path, `app:${createHash('sha256').update('good').digest('hex')}\n`)
  return path
}
