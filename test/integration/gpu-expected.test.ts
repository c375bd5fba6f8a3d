import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { configFile } from '../helpers/config-file.ts'
import { createNvidiaSmi, type NvidiaSmi } from '../helpers/nvidia-smi.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

/** Its models run on the CPU. */
const ON_CPU = ['gemma3:270m', 'all-minilm:l6']

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-gpu-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

async function start(smi: NvidiaSmi, env: Readonly<Record<string, string>> = {}): Promise<RunningApp> {
  const standIn = await startStandIn()
  const app = await startApp(standIn.port, {
    OLLASCOPE_COLLECTORS: 'ollama,nvidia',
    OLLASCOPE_NVIDIA_SMI: smi.program,
    OLLASCOPE_COLLECT_INTERVAL: '1s',
    ...env,
  })
  onTestFinished(app.close)
  await waitFor('the models and the GPUs', async () => {
    const { value } = await app.samples()
    const looked = value('ollascope_collector_duration_seconds', { collector: 'nvidia' })
    return looked !== undefined && value('ollama_loaded_models') === 2
  })
  return app
}

const expected = async (app: RunningApp) => (await app.samples()).value('ollama_gpu_expected')
const gpus = async (app: RunningApp) => (await app.samples()).sum('ollama_gpu_info')

async function readiness(app: RunningApp) {
  const response = await fetch(`${app.adminUrl}/readyz`)
  return { code: response.status, ...((await response.json()) as { status: string; reasons: string[] }) }
}

function without(smi: NvidiaSmi): void {
  smi.play({ gpus: [] })
}

describe('a GPU that was seen', () => {
  it('is expected from then on, also when it is gone', async () => {
    const smi = createNvidiaSmi()
    const app = await start(smi)
    expect([await expected(app), await gpus(app)]).toEqual([1, 1])
    without(smi)
    await waitFor('its end', async () => (await gpus(app)) === 0)
    expect(await expected(app)).toBe(1)
    smi.answer({ code: 255, stdout: '', stderr: 'Failed to initialize NVML: Driver/library version mismatch\n' })
    await waitFor('the failure', async () => {
      const { value } = await app.samples()
      return (value('ollascope_collector_errors_total', { collector: 'nvidia', reason: 'driver_mismatch' }) ?? 0) > 0
    })
    expect(await expected(app)).toBe(1)
  })

  it('is expected after a restart, where that is remembered', async () => {
    const smi = createNvidiaSmi()
    const env = { OLLASCOPE_STATE_DIR: makeFolder() }
    const before = await start(smi, env)
    expect(await expected(before)).toBe(1)
    await before.close()
    without(smi)
    const after = await start(smi, env)
    expect([await expected(after), await gpus(after)]).toEqual([1, 0])
    await after.close()
    const later = await start(smi, env)
    expect(await expected(later)).toBe(1)
    const status: unknown = await (await fetch(`${later.adminUrl}/status`)).json()
    expect(status).toMatchObject({ gpu: { expected: true, because: 'seen before this process began', gpus: [] } })
    expect(await expected(await start(smi))).toBe(0)
  })

  it('costs nothing but a line where it cannot be remembered', async () => {
    const file = join(makeFolder(), 'file')
    writeFileSync(file, '')
    const app = await start(createNvidiaSmi(), { OLLASCOPE_STATE_DIR: file })
    expect([await expected(app), await gpus(app)]).toEqual([1, 1])
    const lines = app.log.filter(({ msg }) => msg === 'OLLASCOPE_STATE_DIR: nothing can be written there')
    expect(lines).toHaveLength(1)
  })

  it('is logged with each look, where that is wanted', async () => {
    const app = await start(createNvidiaSmi(), { OLLASCOPE_LOG_GPU: 'true' })
    expect(app.log.find(({ msg }) => msg === 'gpus')).toMatchObject({
      gpus: [{ vendor: 'nvidia', name: 'NVIDIA GeForce RTX 4090', numbers: { powerWatts: 312.45 } }],
    })
  })
})

describe('what is configured', () => {
  it('is expected without ever being seen', async () => {
    const smi = createNvidiaSmi()
    without(smi)
    expect(await expected(await start(smi, { OLLASCOPE_GPU_EXPECTED: 'true' }))).toBe(1)
  })

  it('is not expected, whatever is seen', async () => {
    const app = await start(createNvidiaSmi(), { OLLASCOPE_GPU_EXPECTED: 'false' })
    expect([await expected(app), await gpus(app)]).toEqual([0, 1])
  })
})

describe('models on the CPU', () => {
  const reasons = ON_CPU.map((model) => `${model} runs on the CPU, and a GPU is expected (seen)`)

  it('make it degraded where there is a GPU', async () => {
    expect(await readiness(await start(createNvidiaSmi()))).toEqual({ code: 200, status: 'degraded', reasons })
  })

  it('make it unready where a GPU is required', async () => {
    const app = await start(createNvidiaSmi(), { OLLASCOPE_READY_REQUIRES_GPU: 'true' })
    expect(await readiness(app)).toEqual({ code: 503, status: 'degraded', reasons })
  })

  it('that are meant for it do not', async () => {
    const file = configFile('models: {"gemma3:270m": {processor: cpu}, "all-minilm:l6": {processor: cpu}}')
    const app = await start(createNvidiaSmi(), { OLLASCOPE_READY_REQUIRES_GPU: 'true', ...file })
    expect(await readiness(app)).toEqual({ code: 200, status: 'ready', reasons: [] })
    const { value } = await app.samples()
    expect(ON_CPU.map((model) => value('ollama_model_cpu_intended', { model }))).toEqual([1, 1])
  })

  it('do not where no GPU is expected', async () => {
    const smi = createNvidiaSmi()
    without(smi)
    expect(await readiness(await start(smi))).toEqual({ code: 200, status: 'ready', reasons: [] })
  })
})
