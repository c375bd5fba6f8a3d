import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { gpuExpected, gpuProcess, nvidia, rocm } from '../../src/doctor/checks/gpu.ts'
import { inventory } from '../../src/doctor/checks/inventory.ts'
import { vram } from '../../src/doctor/checks/memory.ts'
import { modelsOnGpu } from '../../src/doctor/checks/models.ts'
import { createNvidiaSmi, RTX } from '../helpers/nvidia-smi.ts'
import { adminAt, folderOfTest, MODEL, play, playOllama, runCheck, statusDocument } from './doctor-context.ts'
import { holding, matching } from './doctor-matchers.ts'

const EXPECTED = { OLLASCOPE_GPU_EXPECTED: 'true' }

/** The kernel's files of an AMD card with 16 GiB. */
function amdRoot(): string {
  const root = folderOfTest()
  const device = join(root, 'class/drm/card0/device')
  mkdirSync(device, { recursive: true })
  const files = {
    vendor: '0x1002',
    device: '0x744c',
    uevent: 'PCI_SLOT_NAME=0000:03:00.0',
    mem_info_vram_total: String(2 ** 34),
    mem_info_vram_used: '0',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(device, name), `${text}\n`)
  return root
}

describe('nvidia', () => {
  it('is ok with a GPU, its driver and its memory', async () => {
    const smi = createNvidiaSmi()
    expect(await runCheck(nvidia, { OLLASCOPE_NVIDIA_SMI: smi.program })).toEqual({
      status: 'ok',
      detail: 'NVIDIA GeForce RTX 4090, driver 580.65.06, 9.5 GB of 26 GB used',
    })
  })
  it.each([
    ['Failed to initialize NVML: Driver/library version mismatch\n', 18, /reboot/],
    ['Failed to initialize NVML: Unknown Error\n', 255, /restart the container/],
  ])('fails with what the driver says: %j', async (stdout, code, advice) => {
    const smi = createNvidiaSmi()
    smi.answer({ stdout, code })
    const result = await runCheck(nvidia, { OLLASCOPE_NVIDIA_SMI: smi.program })
    expect(result).toEqual({
      status: 'fail',
      detail: matching(advice),
      fix: holding('dmesg'),
    })
  })
  it('fails where it hangs', async () => {
    const smi = createNvidiaSmi()
    smi.answer({ hangs: true })
    const result = await runCheck(nvidia, { OLLASCOPE_NVIDIA_SMI: smi.program }, { timeoutMs: 2000 })
    expect(result).toMatchObject({ status: 'fail', detail: holding('took longer') })
  })
  it('where it is not: a failure if a GPU is expected here, else nothing', async () => {
    expect(await runCheck(nvidia, EXPECTED)).toMatchObject({
      status: 'fail',
      fix: holding('--gpus all'),
    })
    expect(await runCheck(nvidia)).toMatchObject({ status: 'skip' })
    expect(await runCheck(nvidia, { ...EXPECTED, OLLASCOPE_UPSTREAM: 'http://ollama:11434' })).toMatchObject({
      status: 'skip',
    })
  })
  it('where the collector sees one instead, that is told', async () => {
    const gpu = {
      expected: true,
      because: 'seen',
      gpus: [{ vendor: 'nvidia', name: 'RTX', memory_used_bytes: 1, memory_total_bytes: 2 }],
    }
    const url = await play({ '/status': statusDocument({ gpu }) })
    expect(await runCheck(nvidia, { ...EXPECTED, ...adminAt(url) })).toMatchObject({
      status: 'ok',
      detail: holding('collector sees RTX'),
    })
  })
  it('without any GPU fails only where one is expected', async () => {
    const smi = createNvidiaSmi()
    smi.play({ gpus: [] })
    expect(await runCheck(nvidia, { OLLASCOPE_NVIDIA_SMI: smi.program, ...EXPECTED })).toMatchObject({ status: 'fail' })
    expect(await runCheck(nvidia, { OLLASCOPE_NVIDIA_SMI: smi.program })).toMatchObject({ status: 'skip' })
  })
})

describe('rocm', () => {
  it('is ok with a card, and skips without', async () => {
    expect(await runCheck(rocm, { OLLASCOPE_SYS_ROOT: amdRoot() })).toMatchObject({
      status: 'ok',
      detail: holding('17 GB'),
    })
    expect(await runCheck(rocm)).toMatchObject({ status: 'skip' })
  })
  it('fails where the cards cannot be looked at', async () => {
    const root = folderOfTest()
    mkdirSync(join(root, 'class'))
    writeFileSync(join(root, 'class/drm'), 'no folder')
    expect(await runCheck(rocm, { OLLASCOPE_SYS_ROOT: root })).toMatchObject({
      status: 'fail',
      fix: holding('rocm-smi'),
    })
  })
})

describe('gpu-expected', () => {
  it('fails where a GPU is there, or in production, and nothing is said', async () => {
    const OLLASCOPE_NVIDIA_SMI = createNvidiaSmi().program
    expect(await runCheck(gpuExpected, { OLLASCOPE_NVIDIA_SMI })).toMatchObject({
      status: 'fail',
      fix: 'set OLLASCOPE_GPU_EXPECTED=true',
    })
    expect(await runCheck(gpuExpected, { OLLASCOPE_SYS_ROOT: amdRoot() })).toMatchObject({ status: 'fail' })
    expect(await runCheck(gpuExpected, { NODE_ENV: 'production' })).toMatchObject({
      status: 'fail',
      detail: holding('production'),
    })
  })
  it('is ok where it is said, and skips where nothing speaks for a GPU', async () => {
    expect(await runCheck(gpuExpected, EXPECTED)).toMatchObject({ status: 'ok' })
    expect(await runCheck(gpuExpected, { NODE_ENV: 'production', OLLASCOPE_GPU_EXPECTED: 'false' })).toMatchObject({
      status: 'ok',
    })
    expect(await runCheck(gpuExpected)).toMatchObject({ status: 'skip' })
  })
})

describe('what a GPU that is here means', () => {
  it('a model on the CPU is a fallback', async () => {
    const env = {
      OLLASCOPE_NVIDIA_SMI: createNvidiaSmi().program,
      OLLASCOPE_UPSTREAM: await playOllama({ gpuShare: 0 }),
    }
    expect(await runCheck(modelsOnGpu, env)).toMatchObject({
      status: 'fail',
      detail: holding('RTX 4090 is here'),
    })
  })
  it('so it is where the collector remembers one', async () => {
    const url = await play({
      '/status': statusDocument({ gpu: { expected: true, because: 'seen before this process began', gpus: [] } }),
    })
    const env = { ...adminAt(url), OLLASCOPE_UPSTREAM: await playOllama({ gpuShare: 0 }) }
    expect(await runCheck(modelsOnGpu, env)).toMatchObject({
      status: 'fail',
      detail: holding('seen before'),
    })
  })
})

describe('gpu-process', () => {
  it('is ok with a process of Ollama, warns without, where a model is on the GPU', async () => {
    const smi = createNvidiaSmi()
    const env = { OLLASCOPE_NVIDIA_SMI: smi.program, OLLASCOPE_UPSTREAM: await playOllama() }
    expect(await runCheck(gpuProcess, env)).toMatchObject({
      status: 'warn',
      fix: holding('pid namespace'),
    })
    smi.play({ processes: [`${RTX.uuid}, 42, /usr/bin/ollama, 8000`] })
    expect(await runCheck(gpuProcess, env)).toMatchObject({ status: 'ok' })
  })
  it('skips without a model on the GPU, and without a GPU', async () => {
    const env = {
      OLLASCOPE_NVIDIA_SMI: createNvidiaSmi().program,
      OLLASCOPE_UPSTREAM: await playOllama({ loaded: false }),
    }
    expect(await runCheck(gpuProcess, env)).toMatchObject({ status: 'skip' })
    expect(await runCheck(gpuProcess, { OLLASCOPE_UPSTREAM: await playOllama() })).toMatchObject({ status: 'skip' })
  })
})

describe('vram', () => {
  const at = async (used: string, loaded = false) => {
    const smi = createNvidiaSmi()
    smi.play({ gpus: [{ ...RTX, 'memory.used': used }] })
    return runCheck(vram, {
      OLLASCOPE_NVIDIA_SMI: smi.program,
      OLLASCOPE_UPSTREAM: await playOllama({ loaded }),
      OLLAMA_MODEL: MODEL,
    })
  }
  it('warns where a part of it did not fit', async () => {
    const OLLASCOPE_UPSTREAM = await playOllama({ gpuShare: 0.5 })
    expect(await runCheck(vram, { OLLASCOPE_UPSTREAM, OLLAMA_MODEL: MODEL })).toMatchObject({
      status: 'warn',
      detail: '4.5 GB of 8.9 GB of big:7b are in it',
    })
  })
  it('is ok where the model fits or is in it, fails where it does not', async () => {
    expect(await at('9021')).toMatchObject({
      status: 'ok',
      detail: matching(/wants 10 GB, VRAM has 16 GB/),
    })
    expect(await at('20000')).toMatchObject({ status: 'fail', detail: matching(/VRAM has 4\.8 GB/) })
    expect(await at('20000', true)).toMatchObject({ status: 'ok' })
  })
})

describe('inventory', () => {
  it('names what there is', async () => {
    const { status, detail } = await runCheck(inventory, { OLLASCOPE_NVIDIA_SMI: createNvidiaSmi().program })
    expect(status).toBe('ok')
    expect(detail).toMatch(/RAM; no container runtime seen; .*; driver 580\.65\.06; NVIDIA GeForce RTX 4090$/)
  })
})
