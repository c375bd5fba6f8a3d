import { chmodSync, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Absent, CollectError } from '../../src/collectors/collector.ts'
import { GPUS } from '../../src/metrics/collected.ts'
import { failureOf } from '../helpers/collect.ts'
import { collectWith, seriesOf, valueOf } from '../helpers/nvidia-smi-collect.ts'
import { MIG, NEW_FIELDS, OLD_FIELDS, RTX, createNvidiaSmi } from '../helpers/nvidia-smi.ts'

const rtx = { gpu: '0', uuid: RTX.uuid }
const mig = { gpu: '1', uuid: MIG.uuid }

describe('what is read', () => {
  it('is published in base units', async () => {
    const smi = createNvidiaSmi()
    const { collect } = collectWith(smi.program)
    const found = await collect()
    const values = Object.fromEntries(
      found.filter(({ metric }) => metric !== GPUS.throttle).map(({ metric, value }) => [metric.name, value]),
    )
    expect(values).toEqual({
      ollama_gpu_info: 1,
      ollama_gpu_utilization_ratio: 0.97,
      ollama_gpu_memory_utilization_ratio: 0.57,
      ollama_gpu_memory_used_bytes: 9021 * 1024 * 1024,
      ollama_gpu_memory_total_bytes: 24564 * 1024 * 1024,
      ollama_gpu_memory_reserved_bytes: 411 * 1024 * 1024,
      ollama_gpu_temperature_celsius: 71,
      ollama_gpu_power_watts: 312.45,
      ollama_gpu_power_limit_watts: 450,
      ollama_gpu_sm_clock_hertz: 2.52e9,
      ollama_gpu_memory_clock_hertz: 10.251e9,
      ollama_gpu_fan_ratio: 0.46,
      ollama_gpu_performance_state: 2,
      ollama_gpu_persistence_mode: 0,
    })
    expect(found[0]?.labels).toEqual({ ...rtx, name: RTX.name, driver_version: '580.65.06', vendor: 'nvidia' })
    expect(found.filter(({ value, metric }) => metric === GPUS.throttle && value === 1)).toEqual([
      { metric: GPUS.throttle, labels: { ...rtx, reason: 'sw_power_cap' }, value: 1 },
    ])
    expect(found.filter(({ metric }) => metric === GPUS.throttle)).toHaveLength(9)
  })

  it('are several GPUs, one of them partitioned', async () => {
    const smi = createNvidiaSmi()
    smi.play({ gpus: [RTX, MIG] })
    const { collect, seen } = collectWith(smi.program)
    const found = await collect()
    expect(valueOf(found, GPUS.utilization, rtx)).toBe(0.97)
    expect(valueOf(found, GPUS.utilization, mig)).toBeUndefined()
    expect(valueOf(found, GPUS.migMode, mig)).toBe(1)
    expect(valueOf(found, GPUS.eccCorrected, mig)).toBe(3)
    expect(valueOf(found, GPUS.memoryTemperature, mig)).toBe(52)
    expect(new Set(seriesOf(found)).size).toBe(found.length)
    expect(seen).toHaveLength(1)
    expect(JSON.parse(JSON.stringify(seen[0]))).toMatchObject([
      { uuid: RTX.uuid, throttle: ['sw_power_cap'], isExpected: true, pciAddress: '00000000:01:00.0' },
      { uuid: MIG.uuid, throttle: [], numbers: { migMode: 1 } },
    ])
  })

  it('is nothing where the driver has no GPU, which is no failure', async () => {
    const smi = createNvidiaSmi()
    smi.play({ gpus: [] })
    const { collect, seen } = collectWith(smi.program)
    await expect(collect()).resolves.toEqual([])
    expect(seen).toEqual([[]])
  })

  it('is the table also where an infoROM is corrupt', async () => {
    const smi = createNvidiaSmi()
    smi.play({ fields: [['index'], ['uuid']] })
    const stdout = `0, ${RTX.uuid}\nWARNING: infoROM is corrupted at gpu 0000:01:00.0\n`
    smi.answer({ stdout, code: 14 })
    await expect(collectWith(smi.program).collect()).resolves.toMatchObject([{ metric: GPUS.info, labels: rtx }])
  })

  it('loses a GPU that vanishes, and has it again when it returns', async () => {
    const smi = createNvidiaSmi()
    smi.play({ gpus: [RTX, MIG] })
    const { collect, collector, clock, seen } = collectWith(smi.program)
    await collect()
    clock.ms += 10_000
    await collect()
    const joules = valueOf(collector.lasting?.() ?? [], GPUS.energy, mig)
    expect(joules).toBeCloseTo(3124.5)
    smi.play({ gpus: [RTX] })
    expect((await collect()).some(({ labels }) => labels.uuid === MIG.uuid)).toBe(false)
    smi.play({ gpus: [] })
    expect(await collect()).toEqual([])
    clock.ms += 61_000
    smi.play({ gpus: [MIG] })
    expect(valueOf(await collect(), GPUS.info, mig)).toBe(1)
    expect(valueOf(collector.lasting?.() ?? [], GPUS.energy, mig)).toBe(joules)
    expect(seen.map((gpus) => gpus.length)).toEqual([2, 2, 1, 0, 1])
  })
})

describe('the program', () => {
  it('is started without a shell, in the language of C, and sees no secret', async () => {
    const smi = createNvidiaSmi()
    const env = {
      PATH: process.env.PATH,
      LD_LIBRARY_PATH: '/opt/lib',
      LANG: 'de_DE',
      OLLASCOPE_METRICS_TOKEN: 'secret',
    }
    await collectWith(smi.program, { env, processes: true }).collect()
    const calls = smi.calls()
    expect(calls.map(({ kind }) => kind)).toEqual(['help', 'gpus', 'processes'])
    for (const call of calls) {
      expect(call.env).toMatchObject({ PATH: env.PATH, LD_LIBRARY_PATH: '/opt/lib', LC_ALL: 'C' })
      expect(JSON.stringify(call.env)).not.toMatch(/secret|de_DE/)
    }
  })

  it('is asked for its fields once', async () => {
    const smi = createNvidiaSmi()
    const { collect } = collectWith(smi.program)
    await collect()
    await collect()
    expect(smi.calls().map(({ kind }) => kind)).toEqual(['help', 'gpus', 'gpus'])
  })

  it('is found on the PATH', async () => {
    const smi = createNvidiaSmi()
    const PATH = `${smi.folder}${delimiter}${process.env.PATH ?? ''}`
    await expect(collectWith('nvidia-smi', { env: { PATH } }).collect()).resolves.not.toEqual([])
  })

  it.each([
    ['by name', 'nvidia-smi-that-is-nowhere'],
    ['by path', '/nowhere/nvidia-smi'],
  ])('is absent %s', async (_how, program) => {
    const { collect, seen } = collectWith(program)
    const error = await failureOf(collect())
    expect(error).toBeInstanceOf(Absent)
    expect(String(error)).toContain('OLLASCOPE_NVIDIA_SMI')
    expect(seen).toEqual([])
  })

  it('fails where it may not be executed', async () => {
    const smi = createNvidiaSmi()
    chmodSync(smi.program, 0o644)
    await expect(collectWith(smi.program).collect()).rejects.toMatchObject({
      name: 'CollectError',
      reason: 'permission',
    })
  })

  it('comes and goes', async () => {
    const smi = createNvidiaSmi()
    const { collect } = collectWith(smi.program)
    await collect()
    chmodSync(smi.program, 0o644)
    await expect(collect()).rejects.toMatchObject({ reason: 'permission' })
    chmodSync(smi.program, 0o755)
    await expect(collect()).resolves.not.toEqual([])
  })
})

describe('the driver', () => {
  it('may be an old one', async () => {
    const smi = createNvidiaSmi()
    smi.play({ fields: OLD_FIELDS })
    const found = await collectWith(smi.program).collect()
    expect(valueOf(found, GPUS.throttle, { reason: 'sw_power_cap' })).toBe(1)
    expect(valueOf(found, GPUS.memoryReserved)).toBeUndefined()
    expect(valueOf(found, GPUS.memoryUsed)).toBe(9021 * 1024 * 1024)
  })

  it('is asked again for its fields after an update, whether it renames some or offers more', async () => {
    const smi = createNvidiaSmi()
    smi.play({ fields: OLD_FIELDS })
    const { collect } = collectWith(smi.program)
    await collect()
    smi.answer({
      stdout: 'Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 590.48\n',
      code: 18,
    })
    await expect(collect()).rejects.toMatchObject({ reason: 'driver_mismatch' })
    const renamed = NEW_FIELDS.map(([first]) => [first])
    const updated = { ...RTX, driver_version: '590.48.01', kmd_version: '590.48.01' }
    smi.play({ fields: renamed, gpus: [updated], instead: {} })
    const found = await collect()
    expect(valueOf(found, GPUS.throttle, { reason: 'sw_power_cap' })).toBe(1)
    expect(valueOf(found, GPUS.info, { driver_version: '590.48.01' })).toBe(1)
    expect(smi.calls().map(({ kind }) => kind)).toEqual(['help', 'gpus', 'gpus', 'gpus', 'help', 'gpus'])
  })

  it('is asked again for its fields after an update that keeps all names', async () => {
    const smi = createNvidiaSmi()
    smi.play({ fields: OLD_FIELDS })
    const { collect } = collectWith(smi.program)
    await collect()
    const updated = { ...RTX, driver_version: '590.48.01', kmd_version: '590.48.01' }
    smi.play({ fields: [...OLD_FIELDS, ['memory.reserved'], ['kmd_version']], gpus: [updated] })
    expect(valueOf(await collect(), GPUS.memoryReserved)).toBeUndefined()
    expect(valueOf(await collect(), GPUS.memoryReserved)).toBe(411 * 1024 * 1024)
    await collect()
    expect(smi.calls().map(({ kind }) => kind)).toEqual(['help', 'gpus', 'gpus', 'help', 'gpus', 'gpus'])
  })

  it('may offer a field that it refuses', async () => {
    const smi = createNvidiaSmi()
    smi.answer({ stdout: 'Field "pstate" is not a valid field to query.\n\n', code: 2 })
    await expect(collectWith(smi.program).collect()).rejects.toMatchObject({ reason: 'fields' })
    expect(smi.calls()).toHaveLength(4)
  })
})

describe('memory by process', () => {
  const processes = [
    `${RTX.uuid}, 4711, /usr/local/bin/ollama, 5120`,
    `${RTX.uuid}, 4712, /usr/lib/ollama/llama-server, 1024`,
    `${RTX.uuid}, 4713, /opt/train, with a comma, 256`,
    `${MIG.uuid}, 4714, python3, [N/A]`,
  ]
  const MIB = 1024 * 1024

  it('is that of Ollama, and that of all others', async () => {
    const smi = createNvidiaSmi()
    smi.play({ gpus: [RTX, MIG], processes })
    const { collect, seen } = collectWith(smi.program, { processes: true })
    const found = await collect()
    expect(valueOf(found, GPUS.processMemory, { ...rtx, process: 'ollama' })).toBe(6144 * MIB)
    expect(valueOf(found, GPUS.processMemory, { ...rtx, process: 'other' })).toBe(256 * MIB)
    expect(valueOf(found, GPUS.processMemory, { ...mig, process: 'ollama' })).toBe(0)
    expect(valueOf(found, GPUS.processMemory, { ...mig, process: 'other' })).toBeUndefined()
    expect(seen[0]?.[0]?.processMemoryBytes).toEqual({ ollama: 6144 * MIB, other: 256 * MIB })
    expect(JSON.stringify(found)).not.toContain('471')
  })

  it('is not asked for unless somebody wants it', async () => {
    const smi = createNvidiaSmi()
    smi.play({ processes })
    const { collect } = collectWith(smi.program)
    expect(valueOf(await collect(), GPUS.processMemory)).toBeUndefined()
    expect(smi.calls().map(({ kind }) => kind)).toEqual(['help', 'gpus'])
  })

  it.each([
    ['fails', { stdout: 'Unknown Error\n', code: 255 }],
    ['writes without end', { mebibytes: 2 }],
  ])('costs nothing else where its query %s', async (_how, answer) => {
    const smi = createNvidiaSmi()
    smi.play({ instead: { processes: answer } })
    const { collect, seen } = collectWith(smi.program, { processes: true })
    const found = await collect()
    expect(valueOf(found, GPUS.utilization, rtx)).toBe(0.97)
    expect(valueOf(found, GPUS.processMemory)).toBeUndefined()
    expect(seen).toHaveLength(1)
  })
})

// Where there is a real one it is read too. Where there is none, nothing is missing: few machines have a GPU.
if ((process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'nvidia-smi')))) {
  describe('the real nvidia-smi of this machine', () => {
    it('is understood', async () => {
      const { collect, collector, seen } = collectWith('nvidia-smi', { processes: true })
      const found = await collect().catch((error: unknown) => error)
      if (found instanceof CollectError) {
        // The driver does not work here, and that was understood.
        expect(['driver_mismatch', 'unknown_error', 'device_handle', 'no_driver', 'permission']).toContain(found.reason)
        return
      }
      if (!Array.isArray(found)) throw new Error('no measurements', { cause: found })
      const all = [...(await collect()), ...(collector.lasting?.() ?? [])]
      const gpus = seen.at(-1) ?? []
      expect(all.every(({ value }) => Number.isFinite(value) && value >= 0)).toBe(true)
      expect(new Set(seriesOf(all)).size).toBe(all.length)
      for (const gpu of gpus) {
        const labels = { gpu: gpu.index, uuid: gpu.uuid }
        expect(gpu).toMatchObject({
          name: expect.stringMatching(/\w/) as string,
          driverVersion: expect.stringMatching(/^\d/) as string,
        })
        expect(valueOf(all, GPUS.memoryTotal, labels)).toBeGreaterThan(2 ** 28)
        expect(valueOf(all, GPUS.performanceState, labels)).toBeLessThan(16)
        expect(
          all.filter(({ metric, labels: { uuid } }) => metric === GPUS.throttle && uuid === gpu.uuid),
        ).toHaveLength(9)
      }
    })
  })
}
