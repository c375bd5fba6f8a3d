import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createAmd } from '../../../src/collectors/amd.ts'
import { Absent } from '../../../src/collectors/collector.ts'
import type { GpuSnapshot } from '../../../src/collectors/gpu.ts'
import { GPUS } from '../../../src/metrics/collected.ts'
import { failureOf } from '../../helpers/collect.ts'
import { seriesOf, valueOf } from '../../helpers/nvidia-smi-collect.ts'
import { waitFor } from '../../helpers/wait.ts'

const GIB = 2 ** 30
const CARD = {
  vendor: '0x1002\n',
  device: '0x744c\n',
  unique_id: '3f9a61c2b7d04e58\n',
  mem_info_vram_total: `${24 * GIB}\n`,
  mem_info_vram_used: `${9 * GIB}\n`,
  gpu_busy_percent: '93\n',
  'hwmon/hwmon4/temp1_input': '61000\n',
  'hwmon/hwmon4/temp1_label': 'edge\n',
  'hwmon/hwmon4/power1_average': '200000000\n',
}

/** A folder that stands in for /sys, with these cards; their folders are links, as in the real one. */
function createSys(cards: Readonly<Record<string, Readonly<Record<string, string>>>>): string {
  const root = mkdtempSync(join(tmpdir(), 'sys-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'class/drm'), { recursive: true })
  for (const [name, files] of Object.entries(cards)) {
    for (const [file, text] of Object.entries(files)) write(join(root, 'devices', name, 'device', file), text)
    symlinkSync(join('../../devices', name), join(root, 'class/drm', name))
  }
  return root
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** Whoever opens it waits until somebody writes. */
function createPipe(path: string): void {
  execFileSync('/usr/bin/mkfifo', [path])
}

function collectFrom(sysRoot: string) {
  const clock = { ms: 0 }
  const seen: (readonly GpuSnapshot[])[] = []
  const collector = createAmd({ sysRoot, now: () => clock.ms, onGpus: (gpus) => seen.push(gpus) })
  return { clock, seen, collector, collect: (signal = new AbortController().signal) => collector.collect(signal) }
}

describe('the cards of AMD', () => {
  it('are read, and no others', async () => {
    const root = createSys({
      card0: { vendor: '0x10de\n', mem_info_vram_total: '1\n' },
      card1: { vendor: '0x1002\n' },
      card2: CARD,
      'card2-HDMI-A-1': CARD,
      card10: { ...CARD, unique_id: '77c0ffee00000001\n', product_name: 'AMD INSTINCT MI210\n' },
      renderD128: CARD,
    })
    write(join(root, 'module/amdgpu/version'), '6.8.5\n')
    const { collect, seen, collector } = collectFrom(root)
    const found = await collect()
    expect(seen[0]?.map(({ index }) => index)).toEqual(['2', '10'])
    expect(found[0]?.labels).toEqual({
      gpu: '2',
      uuid: '3f9a61c2b7d04e58',
      name: 'AMD 0x744c',
      driver_version: '6.8.5',
      vendor: 'amd',
    })
    const card = { gpu: '2' }
    expect(valueOf(found, GPUS.utilization, card)).toBe(0.93)
    expect(valueOf(found, GPUS.memoryUsed, card)).toBe(9 * GIB)
    expect(valueOf(found, GPUS.temperature, card)).toBe(61)
    expect(valueOf(found, GPUS.power, card)).toBe(200)
    expect(valueOf(found, GPUS.throttle)).toBeUndefined()
    expect(new Set(seriesOf(found)).size).toBe(found.length)
    expect(found.filter(({ metric }) => !collector.metrics.includes(metric))).toEqual([])
  })

  it('lose what cannot be read, and keep the rest', async () => {
    const root = createSys({ card0: CARD })
    rmSync(join(root, 'devices/card0/device/gpu_busy_percent'))
    mkdirSync(join(root, 'devices/card0/device/gpu_busy_percent')) // reading a folder fails for everybody
    rmSync(join(root, 'devices/card0/device/hwmon'), { recursive: true })
    const found = await collectFrom(root).collect()
    expect(found.map(({ metric }) => metric)).toEqual([GPUS.info, GPUS.memoryUsed, GPUS.memoryTotal])
  })

  it('that share an id are one', async () => {
    const { collect, seen } = collectFrom(createSys({ card0: CARD, card1: CARD }))
    await collect()
    expect(seen).toMatchObject([[{ index: '0' }]])
  })

  it('are told of, also where Ollama will not use them', async () => {
    const { collect, seen } = collectFrom(createSys({ card0: { ...CARD, mem_info_vram_total: `${GIB / 2}` } }))
    expect(valueOf(await collect(), GPUS.memoryTotal)).toBe(GIB / 2)
    expect(seen).toMatchObject([[{ isExpected: false }]])
  })

  it('add up their energy', async () => {
    const { collect, collector, clock } = collectFrom(createSys({ card0: CARD }))
    await collect()
    clock.ms += 15_000
    await collect()
    expect(valueOf(collector.lasting?.() ?? [], GPUS.energy)).toBe(3000)
  })
})

describe('the cards of others', () => {
  it('are left asleep: none of their files is opened but the one that says whose they are', async () => {
    const root = createSys({ card0: { vendor: '0x8086\n' }, card1: CARD })
    createPipe(join(root, 'devices/card0/device/gpu_busy_percent'))
    const { collect, seen } = collectFrom(root)
    await collect()
    expect(seen).toMatchObject([[{ index: '1' }]])
  })
})

describe('a machine without', () => {
  it.each([
    ['such a card', () => createSys({ card0: { vendor: '0x8086\n' } })],
    ['cards', () => createSys({})],
    ['/sys', () => '/nowhere'],
  ])('%s: the collector is absent', async (_what, root) => {
    const { collect, seen } = collectFrom(root())
    const error = await failureOf(collect())
    expect(error).toBeInstanceOf(Absent)
    expect(String(error)).toMatch(/no AMD GPU in .*amdgpu/)
    expect(seen).toEqual([])
  })

  it('a folder where one belongs fails', async () => {
    const root = createSys({})
    rmSync(join(root, 'class/drm'), { recursive: true })
    writeFileSync(join(root, 'class/drm'), '')
    await expect(collectFrom(root).collect()).rejects.toMatchObject({ name: 'CollectError', reason: 'unreadable' })
  })
})

describe('a driver that hangs', () => {
  it('is read once at a time, and again when it answers', async () => {
    const root = createSys({ card0: CARD })
    const file = join(root, 'devices/card0/device/gpu_busy_percent')
    rmSync(file)
    createPipe(file)
    const { collect, seen } = collectFrom(root)
    const stop = new AbortController()
    const failure = failureOf(collect(stop.signal))
    stop.abort()
    expect(await failure).toMatchObject({ reason: 'timeout' })
    await expect(collect()).rejects.toMatchObject({ reason: 'stuck' })
    await expect(collect(stop.signal)).rejects.toMatchObject({ name: 'CollectError' })
    const writer = await open(file, 'w')
    await writer.write('42\n')
    await writer.close()
    rmSync(file)
    writeFileSync(file, '43\n')
    const found = await waitFor('it to work again', () => collect().catch(() => undefined))
    expect(valueOf(found, GPUS.utilization)).toBe(0.43)
    expect(seen).toHaveLength(1)
  })
})
