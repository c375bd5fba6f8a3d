import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createStatus } from '../../src/admin/status.ts'
import type { GpuSnapshot } from '../../src/collectors/gpu.ts'
import type { CollectorState } from '../../src/collectors/scheduler.ts'
import { INFERENCE_PHASES } from '../../src/ollama/phase.ts'
import { OUTCOMES, type ErrorType, type Outcome } from '../../src/ollama/outcome.ts'
import type { InFlight } from '../../src/proxy/proxy.ts'
import { createReceipt } from '../../src/receipt.ts'
import { startApp, type LogLine } from '../helpers/app.ts'
import { exchangeOf } from '../helpers/exchange.ts'
import { isFields } from '../helpers/json.ts'
import { loadedModel } from '../helpers/loaded.ts'
import { describeWith } from '../helpers/needs.ts'
import { freePort } from '../helpers/ports.ts'
import { ROOT, startProgram } from '../helpers/process.ts'
import { runProgram } from '../helpers/programs.ts'
import { waitFor } from '../helpers/wait.ts'
import { ALERTS, blocksIn, PAGES } from './runbooks-pages.ts'

describe('commands', () => {
  test.each(PAGES)('of $name are good shell', async (page) => {
    const { code, stderr } = await runProgram('bash', ['-n'], blocksIn(page, 'sh').join('\n'))
    expect([stderr, code]).toEqual(['', 0])
  })
})

interface Silence {
  readonly matchers: readonly { readonly name: string; readonly value: string; readonly isRegex: boolean }[]
  readonly startsAt: string
  readonly endsAt: string
}

describeWith(['amtool', 'prometheus-alertmanager'], 'amtool', () => {
  test('takes every line, and each page silences its own alert', { timeout: 180_000 }, async () => {
    const url = await startAlertmanager()
    const lines = PAGES.flatMap((page) => {
      const own = blocksIn(page, 'sh').flatMap((block) =>
        block.split('\n').filter((line) => line.startsWith('amtool ')),
      )
      return own.map((line) => `${line} || echo 'refused: ${page.name}' >&2`)
    })
    const script = [`amtool() { command amtool --alertmanager.url=${url} "$@"; }`, ...lines]
    const running = startProgram('timeout', ['150', 'bash', '-c', script.join('\n')])
    const { code } = await running.exited
    expect([running.stderr(), code]).toEqual(['', 0])

    const silences = (await (await fetch(`${url}/api/v2/silences`)).json()) as Silence[]
    const made = silences.map(({ matchers, startsAt, endsAt }) => {
      expect(matchers.some(({ isRegex }) => isRegex)).toBe(false)
      const hours = (Date.parse(endsAt) - Date.parse(startsAt)) / 3_600_000
      expect(hours).toBeGreaterThan(0.9)
      expect(hours).toBeLessThan(24.1)
      return new Map(matchers.map(({ name, value }) => [name, value]))
    })
    expect(made.map((matchers) => matchers.get('alertname')).sort()).toEqual(
      PAGES.map(({ name }) => name)
        .filter((name) => name !== 'README')
        .sort(),
    )
    for (const matchers of made) {
      const name = matchers.get('alertname')
      const labels = labelsOf(name)
      const unknown = [...matchers.keys()].filter((label) => !['alertname', 'severity', ...labels].includes(label))
      expect([name, unknown]).toEqual([name, []])
      expect([name, matchers.has('instance')]).toEqual([name, labels.includes('instance')])
    }
  })
})

/** The labels that the description of an alert names. */
function labelsOf(name: string | undefined): readonly string[] {
  const texts = ALERTS.filter(({ alert }) => alert === name).map(({ annotations }) => annotations.description ?? '')
  return [...texts.join('\n').matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label)
}

async function startAlertmanager(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-runbooks-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const config = join(folder, 'alertmanager.yml')
  writeFileSync(config, 'route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n')
  const url = `http://127.0.0.1:${await freePort()}`
  const running = startProgram('prometheus-alertmanager', [
    `--config.file=${config}`,
    `--storage.path=${folder}`,
    `--web.listen-address=${url.slice('http://'.length)}`,
    '--cluster.listen-address=',
  ])
  await waitFor('Alertmanager', async () => {
    if (running.child.exitCode !== null) throw new Error(running.stderr())
    return fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  })
  return url
}

const FILTERS = PAGES.flatMap((page) =>
  blocksIn(page, 'sh').flatMap((block) =>
    [...block.matchAll(/^(.*?)\| jq((?: -\w+)*) '([^']*)'/gm)].map(([, source = '', flags = '', filter = '']) => ({
      page: page.name,
      source,
      flags: flags.trim().split(' ').filter(Boolean),
      filter,
    })),
  ),
)

describeWith(['jq'], 'jq', () => {
  test('finds what the pages look for', async () => {
    const log = [...RECEIPTS.map(asLogLine), ...OTHER_LINES, await collectorLine()]
    const inputs: Readonly<Record<'status' | 'readyz' | 'log', readonly unknown[]>> = {
      status: [STATUS],
      readyz: [{ status: 'degraded', reasons: ['it runs on the CPU'] }],
      log,
    }
    expect(FILTERS.length).toBe(PAGES.flatMap(({ text }) => [...text.matchAll(/\| jq/g)]).length)
    for (const { page, source, flags, filter } of FILTERS) {
      const input = inputs[kindOf(source)]
      const text = input.map((one) => JSON.stringify(one)).join('\n')
      const { code, stdout, stderr } = await runProgram('jq', [...flags, filter], text)
      const where = `${page}: ${filter}`
      expect([where, stderr, code]).toEqual([where, '', 0])
      expect([where, stdout.trim()]).not.toEqual([where, ''])
      expect([where, stdout]).not.toEqual([where, expect.stringMatching(/\bnull\b/)])
      expect([where, strangersIn(filter, valuesByKey(input))]).toEqual([where, []])
    }
  })

  test('every line that it is to find by its text is one that the sources write', () => {
    const sources = ['collection.ts', 'traffic.ts']
      .map((file) => readFileSync(join(ROOT, 'src', file), 'utf8'))
      .join('')
    const texts = FILTERS.flatMap(({ filter }) =>
      [...filter.matchAll(/\.msg == "([^"]+)"|startswith\("([^"]+)"\)/g)].map(
        ([, whole, start]) => whole ?? start ?? '',
      ),
    )
    expect(texts.length).toBeGreaterThan(0)
    for (const text of [...texts, ...OTHER_LINES.filter((line) => 'kills' in line).map(({ msg }) => msg)]) {
      expect(sources).toContain(`'${String(text)}`)
    }
  })
})

function kindOf(source: string): 'status' | 'readyz' | 'log' {
  if (/\/status\b/.test(source)) return 'status'
  if (/\/readyz\b/.test(source)) return 'readyz'
  if (/^docker logs --since \w+ ollascope(-collector)? $/.test(source)) return 'log'
  throw new Error(`what does it give to jq? ${source}`)
}

/** The fields that a filter reads, and the values that it compares them with, which are nowhere in the input. */
function strangersIn(filter: string, known: ReadonlyMap<string, ReadonlySet<unknown>>): string[] {
  const fields = [...filter.matchAll(/\.([a-z_]\w*)(?: == "([^"]*)")?/g)]
  return fields
    .filter(([, name = '', value]) => {
      const values = known.get(name)
      return values === undefined || (value !== undefined && !values.has(value))
    })
    .map(([all]) => all)
}

function valuesByKey(value: unknown, found = new Map<string, Set<unknown>>()): Map<string, Set<unknown>> {
  if (Array.isArray(value)) for (const one of value) valuesByKey(one, found)
  else if (isFields(value)) {
    for (const [key, one] of Object.entries(value)) {
      found.set(key, (found.get(key) ?? new Set()).add(one))
      valuesByKey(one, found)
    }
  }
  return found
}

const OUTCOME_OF: Readonly<Record<ErrorType, Outcome>> = {
  model_not_found: 'caller_error',
  bad_request: 'caller_error',
  not_found: 'caller_error',
  unsupported: 'caller_error',
  unauthorized: 'denied',
  forbidden: 'denied',
  rate_limited: 'denied',
  client_abort: 'client_abort',
  queue_full: 'rejected',
  overloaded: 'rejected',
  connect_timeout: 'timeout',
  upstream_timeout: 'timeout',
  idle_timeout: 'timeout',
  upload_timeout: 'timeout',
  truncated: 'truncated',
  connect: 'error',
  dns: 'error',
  upstream_reset: 'error',
  out_of_memory: 'error',
  runner_crash: 'error',
  load_failed: 'error',
  stream_error: 'error',
  proxy_internal: 'error',
  other: 'error',
}
const FAILURES = Object.entries(OUTCOME_OF) as [ErrorType, Outcome][]
const LOADED = loadedModel('gemma3:270m', { digest: 'd', sizeBytes: 100, vramBytes: 50, contextLength: 4096 })

/** One of each kind: what went well, slowly, has all the numbers, what did not has none of Ollama's. */
const RECEIPTS = [
  ...OUTCOMES.filter((outcome) => !FAILURES.some(([, failed]) => failed === outcome)).map((outcome) => ({ outcome })),
  ...FAILURES.map(([errorType, outcome]) => ({ outcome, errorType })),
].map((verdict) =>
  createReceipt(
    exchangeOf({
      client: 'app',
      verdict,
      durationSeconds: 130,
      ...('errorType' in verdict
        ? { usage: {}, timeToFirstTokenSeconds: undefined, chunks: 0, status: 500 }
        : {
            timeToFirstTokenSeconds: 15,
            usage: {
              inputTokens: 4000,
              outputTokens: 24,
              totalSeconds: 100,
              loadSeconds: 5,
              promptEvalSeconds: 2,
              evalSeconds: 60,
            },
          }),
      abortPhase: verdict.outcome === 'client_abort' ? 'prefill' : undefined,
    }),
    LOADED,
  ),
)

const asLogLine = (receipt: (typeof RECEIPTS)[number]): LogLine => ({
  level: 'info',
  time: '-',
  ...receipt,
  msg: 'request',
})

const OTHER_LINES: readonly LogLine[] = [
  { level: 'info', time: '-', admin: 'http://127.0.0.1:9435', msg: 'ollascope collects' },
  { level: 'fatal', time: '-', msg: 'an error that nobody caught' },
  { level: 'error', time: '-', msg: 'the proxy failed' },
  { level: 'warn', time: '-', collector: 'amd', reason: 'unreadable', msg: 'the amd collector fails' },
  { level: 'error', time: '-', kills: 1, msg: 'out of memory: the kernel killed a process in the container' },
  { level: 'warn', time: '-', kills: 1, msg: 'out of memory: what became of the models around it' },
]

/** What a collector that fails really logs. */
async function collectorLine(): Promise<LogLine> {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-runbooks-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const program = join(folder, 'nvidia-smi')
  writeFileSync(program, '#!/bin/sh\necho "Failed to initialize NVML: Driver/library version mismatch"\nexit 18\n')
  chmodSync(program, 0o755)
  const env = { OLLASCOPE_COLLECTORS: 'nvidia', OLLASCOPE_NVIDIA_SMI: program }
  const app = await startApp(await freePort(), env, undefined, 'collector')
  onTestFinished(app.close)
  return waitFor('the line of the collector', () => app.log.find(({ collector }) => collector === 'nvidia'))
}

const GPU: GpuSnapshot = {
  vendor: 'nvidia',
  index: '0',
  uuid: 'GPU-1',
  name: 'a card',
  driverVersion: '590.48',
  pciAddress: '',
  isExpected: true,
  numbers: { utilizationRatio: 0, memoryUsedBytes: 1, memoryTotalBytes: 2, temperatureCelsius: 90, powerWatts: 99 },
  throttle: undefined,
}
const inFlight = (phase: InFlight['phase']): InFlight => ({
  requestId: 'r1',
  method: 'POST',
  client: 'app',
  endpoint: '/api/chat',
  model: { kind: 'named', name: 'gemma3:270m' },
  phase,
  ageSeconds: 700,
})
const failing = (name: CollectorState['name']): CollectorState => ({
  name,
  status: 'failing',
  problem: { reason: 'timeout', message: 'it took too long' },
  durationSeconds: 10,
  lastSuccessSeconds: 1_800_000_000,
  errors: new Map(),
})
const failure = { reason: 'refused', message: 'connection refused' }

/** Everything in it is known, so that a filter that finds nothing looks in the wrong place. */
const STATUS = createStatus({
  version: { version: '1.2.3', revision: 'abc' },
  role: 'serve',
  uptimeSeconds: 1,
  upstreamUrl: 'http://ollama:11434',
  upstream: {
    version: { value: '0.24.0', failure, seconds: 1 },
    installed: { value: [LOADED], failure, seconds: 1 },
    loaded: { value: [LOADED, { ...LOADED, name: 'b', vramBytes: 0 }], failure, seconds: 1 },
  },
  readiness: { ready: true, status: 'degraded', reasons: ['it runs on the CPU'] },
  gpuExpectation: { expected: true, because: 'seen' },
  gpus: [GPU],
  meantForCpu: new Set(),
  inFlight: [...INFERENCE_PHASES, 'waiting' as const, 'streaming' as const].map(inFlight),
  collectors: [failing('nvidia'), failing('docker')],
  tracesUrl: undefined,
  receipts: RECEIPTS.map((receipt) => ({ receipt, writtenMs: 0 })),
})
