import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { CollectError } from '../../src/collectors/collector.ts'
import { failureOf } from '../helpers/collect.ts'
import { collectWith } from '../helpers/nvidia-smi-collect.ts'
import { RTX, createNvidiaSmi, type NvidiaSmi } from '../helpers/nvidia-smi.ts'
import { describeWith } from '../helpers/needs.ts'
import { waitFor } from '../helpers/wait.ts'

const hangs = { instead: { help: { hangs: true } } }

/** Whether a process with this id is there, and is no zombie. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function started(smi: NvidiaSmi): Promise<number> {
  return waitFor('the program to be started', () => smi.calls().at(-1)?.pid)
}

describe('a program that says why it fails', () => {
  it.each([
    [
      'driver_mismatch',
      'Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 590.48\n',
      18,
    ],
    ['unknown_error', 'Failed to initialize NVML: Unknown Error\n', 255],
    ['device_handle', 'Unable to determine the device handle for GPU0000:01:00.0: Unknown Error\n', 255],
    [
      'device_handle',
      'Unable to determine the device handle for GPU0: 0000:01:00.0: Unknown Error\nNo devices were found\n',
      0,
    ],
    ['no_driver', "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9],
    ['no_driver', "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.\n", 12],
    ['permission', 'Failed to initialize NVML: Insufficient Permissions\n', 255],
    ['permission', 'Failed to initialize NVML: GPU access blocked by the operating system\n', 255],
    ['device_handle', 'something else\n', 15],
    ['exit', 'Segmentation fault\n', 139],
    ['parse', 'Hello\n', 0],
    ['parse', '', 0],
  ])('fails as %s: %j', async (reason, stdout, code) => {
    const smi = createNvidiaSmi()
    smi.answer({ stdout, code })
    const { collect, seen } = collectWith(smi.program)
    const error = await failureOf(collect())
    expect(error).toBeInstanceOf(CollectError)
    expect(error).toMatchObject({ reason })
    expect(String(error)).toContain(stdout.split('\n')[0])
    expect(seen).toEqual([])
    smi.play({ instead: {} })
    await expect(collect()).resolves.not.toEqual([])
  })

  it('may say it on the other stream, or instead of its help', async () => {
    const smi = createNvidiaSmi()
    const answer = { stderr: 'Failed to initialize NVML: Unknown Error\n', code: 255 }
    smi.play({ instead: { help: answer } })
    const { collect } = collectWith(smi.program)
    await expect(collect()).rejects.toMatchObject({ reason: 'unknown_error' })
    smi.play({ instead: { gpus: answer } })
    await expect(collect()).rejects.toMatchObject({ reason: 'unknown_error' })
  })

  it('is quoted, printable and not at length', async () => {
    const smi = createNvidiaSmi()
    smi.answer({ stdout: `\n\u001b[31m${'bad '.repeat(1000)}\nsecond\n`, code: 1 })
    const message = String(await failureOf(collectWith(smi.program).collect()))
    expect(message).toContain('?[31mbad bad')
    expect(message).not.toMatch(/[^\x20-\x7e]|second/)
    expect(message.length).toBeLessThan(400)
  })
})

describe('a table that is not whole', () => {
  it('counts its whole lines', async () => {
    const smi = createNvidiaSmi()
    smi.play({ fields: [['index'], ['uuid'], ['memory.used']] })
    smi.answer({ stdout: `0, ${RTX.uuid}, 9021\n1, GPU-aaaa, 10` })
    const { collect, seen } = collectWith(smi.program)
    await collect()
    expect(seen).toMatchObject([[{ uuid: RTX.uuid, numbers: { memoryUsedBytes: 9021 * 1024 * 1024 } }]])
  })

  it('fails where the program says that it failed', async () => {
    const smi = createNvidiaSmi()
    smi.play({ fields: [['index'], ['uuid']] })
    smi.answer({ stdout: `0, ${RTX.uuid}\n`, code: 255 })
    await expect(collectWith(smi.program).collect()).rejects.toMatchObject({ reason: 'exit' })
  })

  it('fails where none is whole', async () => {
    const smi = createNvidiaSmi()
    smi.answer({ stdout: `0, ${RTX.uuid}, 580.65\n` })
    await expect(collectWith(smi.program).collect()).rejects.toMatchObject({ reason: 'parse' })
  })

  it('fails where the help is none', async () => {
    const smi = createNvidiaSmi()
    smi.play({ instead: { help: { stdout: 'Usage: nvidia-smi\n' } } })
    await expect(collectWith(smi.program).collect()).rejects.toMatchObject({ reason: 'parse' })
  })
})

describe('a program that hangs', () => {
  it('is killed after the timeout, and works again afterwards', async () => {
    const smi = createNvidiaSmi()
    smi.play(hangs)
    const { collect } = collectWith(smi.program, { timeoutMs: 3000 })
    await expect(collect()).rejects.toMatchObject({ name: 'CollectError', reason: 'timeout' })
    smi.play({ instead: {} })
    await waitFor('it to work again', () => collect().catch(() => undefined))
  })

  it('is killed when the run is given up', async () => {
    const smi = createNvidiaSmi()
    smi.play(hangs)
    const { collect } = collectWith(smi.program)
    const stop = new AbortController()
    const failure = failureOf(collect(stop.signal))
    const pid = await started(smi)
    stop.abort()
    expect(await failure).toMatchObject({ reason: 'timeout' })
    expect(isAlive(pid)).toBe(false)
    const before = smi.calls().length
    await expect(collect(stop.signal)).rejects.toMatchObject({ reason: 'timeout' })
    expect(smi.calls()).toHaveLength(before)
  })

  it('is killed when the collector is closed', async () => {
    const smi = createNvidiaSmi()
    smi.play(hangs)
    const { collect, collector } = collectWith(smi.program)
    const failure = failureOf(collect())
    await started(smi)
    collector.close?.()
    expect(await failure).toMatchObject({ reason: 'exit' })
    collector.close?.()
  })

  it('is killed with what a wrapper started', async () => {
    const smi = createNvidiaSmi()
    smi.play(hangs)
    const wrapper = join(smi.folder, 'wrapper')
    writeFileSync(wrapper, `#!/bin/sh\n'${smi.program}' "$@"\nexit 0\n`, { mode: 0o755 })
    const { collect } = collectWith(wrapper)
    const stop = new AbortController()
    const failure = failureOf(collect(stop.signal))
    const pid = await started(smi)
    stop.abort()
    expect(await failure).toMatchObject({ reason: 'timeout' })
    await waitFor('the grandchild to be gone', () => !isAlive(pid))
  })

  it('is stuck where it survives its kill: no second one is started until it is gone', async () => {
    const smi = createNvidiaSmi()
    smi.play(hangs)
    const { collect } = collectWith(smi.program)
    const stop = new AbortController()
    const failure = failureOf(collect(stop.signal))
    const pid = await started(smi)
    // A process that waits in the kernel takes no signal. Here the signal does not leave this process.
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
    onTestFinished(() => kill.mockRestore())
    stop.abort()
    expect(await failure).toMatchObject({ reason: 'stuck' })
    expect(kill).toHaveBeenCalledWith(-pid, 'SIGKILL')
    kill.mockRestore()
    expect(isAlive(pid)).toBe(true)

    await expect(collect()).rejects.toMatchObject({ reason: 'stuck' })
    await expect(collect()).rejects.toMatchObject({ reason: 'stuck' })
    expect(smi.calls()).toHaveLength(1)
    smi.play({ instead: {} })
    smi.release()
    await waitFor('it to work again', () => collect().catch(() => undefined))
  })
})

describe('a program that is not nvidia-smi', () => {
  it('is killed where it writes without end', async () => {
    const smi = createNvidiaSmi()
    smi.answer({ mebibytes: 2, hangs: false })
    await expect(collectWith(smi.program).collect()).rejects.toMatchObject({ reason: 'output_too_large' })
  })

  it('may be a folder, or no program at all', async () => {
    const smi = createNvidiaSmi()
    const folder = join(smi.folder, 'folder')
    mkdirSync(folder)
    await expect(collectWith(folder).collect()).rejects.toMatchObject({ reason: 'permission' })
    await expect(collectWith('').collect()).rejects.toMatchObject({ reason: 'spawn' })
    const noise = join(smi.folder, 'noise')
    writeFileSync(noise, '\u0000\u0001', { mode: 0o755 })
    await expect(collectWith(noise).collect()).rejects.toBeInstanceOf(CollectError)
  })
})

describeWith(['setsid'], 'a program whose child leaves its group', () => {
  it('does not hang the collector where that child keeps the output open', async () => {
    const smi = createNvidiaSmi()
    const wrapper = join(smi.folder, 'wrapper')
    const gone = join(smi.folder, 'gone')
    // The child leaves the group, and with it what is killed.
    writeFileSync(wrapper, `#!/bin/sh\nsetsid '${smi.program}' "$@" &\ntouch '${gone}'\n`, { mode: 0o755 })
    smi.play(hangs)
    const { collect } = collectWith(wrapper)
    const stop = new AbortController()
    const failure = failureOf(collect(stop.signal))
    await started(smi)
    await waitFor('the wrapper to end', () => existsSync(gone))
    stop.abort()
    expect(await failure).toMatchObject({ reason: 'timeout' })
  })
})
