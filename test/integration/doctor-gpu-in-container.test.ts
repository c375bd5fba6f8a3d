import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { gpuInContainer } from '../../src/doctor/checks/gpu-in-container.ts'
import { describeWithDockerd, startDockerd, type Dockerd } from '../helpers/dockerd.ts'
import { describeWith } from '../helpers/needs.ts'
import { createNvidiaSmi, RTX } from '../helpers/nvidia-smi.ts'
import { changesIn, checkAt, checkShortly, removeLater, startSocketProxy } from './doctor-dockerd.ts'
import { holding, matching } from './doctor-matchers.ts'

// Docker starts a container in its own time.
vi.setConfig({ testTimeout: 60_000 })

const EXPECTED = { OLLASCOPE_GPU_EXPECTED: 'true' }
const A100 = 'GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)'
const OTHER = A100.replace('GPU 0', 'GPU 1')

/** Answers the question that doctor asks, and no other. */
const says = (text: string, code = 0, to = 1) =>
  `[ "$*" = -L ] || exit 99\ncat >&${to} <<'END'\n${text}\nEND\nexit ${code}`

describeWithDockerd('gpu-in-container, with a real daemon', () => {
  let dockerd: Dockerd
  let folder = ''
  let program = ''

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ollascope-doctor-gpu-'))
    program = join(folder, 'nvidia-smi')
    dockerd = await startDockerd()
  }, 60_000)
  afterAll(async () => {
    await dockerd.stop()
    rmSync(folder, { recursive: true })
  }, 60_000)

  /** Ollama's container, with this in the place of nvidia-smi. */
  async function start(script: string, args: readonly string[] = []): Promise<string> {
    writeFileSync(program, `#!/bin/sh\n${script}\n`)
    chmodSync(program, 0o755)
    const mount = `--volume=${program}:/bin/nvidia-smi:ro`
    return removeLater(dockerd, await dockerd.run('exec sleep 600', { name: 'ollama', args: [mount, ...args] }))
  }
  const host = (...names: readonly string[]) => {
    const smi = createNvidiaSmi()
    smi.play({ gpus: names.map((name, index) => ({ ...RTX, name, uuid: `GPU-${index}`, index: String(index) })) })
    return { OLLASCOPE_NVIDIA_SMI: smi.program }
  }

  it('is ok where it sees as many as the host, and changes nothing', async () => {
    const id = await start(says(`${A100}\n  MIG 1g.5gb     Device  0: (UUID: MIG-1)\n${OTHER}`))
    const before = await changesIn(dockerd, id)
    const detail = 'ollama has NVIDIA A100-SXM4-40GB, NVIDIA A100-SXM4-40GB'
    expect(await checkAt(gpuInContainer, dockerd, host('A100', 'A100'))).toEqual({ status: 'ok', detail })
    expect(await changesIn(dockerd, id)).toEqual(before)
  })

  it('is ok where a GPU is expected, and none can be seen from here', async () => {
    await start(says(A100))
    expect(await checkAt(gpuInContainer, dockerd, EXPECTED)).toMatchObject({ status: 'ok' })
  })

  it('warns where the host has more, unless it was given some by name', async () => {
    await start(says(A100))
    expect(await checkAt(gpuInContainer, dockerd, host('A100', 'A100'))).toEqual({
      status: 'warn',
      detail: 'ollama has NVIDIA A100-SXM4-40GB: 1 of the 2 that the host has',
      fix: holding('docker restart ollama'),
    })
    await dockerd.docker('rm', '--force', 'ollama')
    await start(says(A100), ['--env=NVIDIA_VISIBLE_DEVICES=GPU-5c89852c'])
    expect(await checkAt(gpuInContainer, dockerd, host('A100', 'A100'))).toMatchObject({ status: 'ok' })
  })

  it.each<[string, string, string | RegExp, string | RegExp]>([
    [
      'a daemon-reload took it away',
      says('Failed to initialize NVML: Unknown Error', 255),
      /Unknown Error": .*daemon-reload.*restart the container/,
      /^docker restart ollama; docker exec ollama nvidia-smi -L .*cgroupfs/,
    ],
    [
      'the driver was updated',
      says('Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.65', 18),
      /version mismatch": .*reboot/,
      /^docker restart ollama; docker exec ollama nvidia-smi -L$/,
    ],
    ['there is none', says('No devices found.', 6), /ollama has nvidia-smi, and no GPU/, /docker restart ollama/],
    ['it says so on stderr', says('No devices were found', 6, 2), /and no GPU/, /docker restart ollama/],
    ['it says nothing', 'exit 0', /gave no table/, /docker exec ollama/],
    ['one of them is gone', says(`${A100}\nUnable to determine the device handle`, 15), /Xid/, /docker exec ollama/],
  ])('fails where %s', async (_what, script, detail, fix) => {
    await start(script)
    const result = await checkAt(gpuInContainer, dockerd, EXPECTED)
    expect(result).toEqual({ status: 'fail', detail: matching(detail), fix: matching(fix) })
  })

  it('fails where the program is missing, or cannot be run', async () => {
    const missing = { status: 'fail', detail: holding('no nvidia-smi'), fix: holding('--gpus all') }
    removeLater(dockerd, await dockerd.run('exec sleep 600', { name: 'ollama' }))
    expect(await checkAt(gpuInContainer, dockerd, EXPECTED)).toEqual(missing)
    await dockerd.docker('rm', '--force', 'ollama')
    await start(says(A100))
    chmodSync(program, 0o644)
    expect(await checkAt(gpuInContainer, dockerd, EXPECTED)).toEqual(missing)
  })

  it('fails where it hangs, and leaves nothing behind', async () => {
    const id = await start('exec sleep 500')
    expect(await checkShortly(gpuInContainer, dockerd, EXPECTED)).toEqual({
      status: 'fail',
      detail: 'nvidia-smi does not end within 5 s in ollama',
      fix: holding('dmesg'),
    })
    const processes = await dockerd.docker('top', id, '-eo', 'pid,args')
    expect(processes).toContain('sleep 600')
    expect(processes).not.toContain('sleep 500')
  })

  it('of several, tells of all, and judges by the worst', async () => {
    await start(says(A100), ['--label=ollascope.watch=true'])
    const args = ['--label=ollascope.watch=true']
    removeLater(dockerd, await dockerd.run('exec sleep 600', { name: 'second', args }))
    expect(await checkAt(gpuInContainer, dockerd, EXPECTED)).toMatchObject({
      status: 'fail',
      detail: matching(/^ollama has NVIDIA A100-SXM4-40GB; second has no nvidia-smi/),
    })
  })

  describe('skips', () => {
    it('where no GPU is expected: nothing is run', async () => {
      await start('touch /tmp/ran')
      expect(await checkAt(gpuInContainer, dockerd)).toMatchObject({ status: 'skip', detail: holding('no GPU') })
      expect(await checkAt(gpuInContainer, dockerd, { OLLASCOPE_GPU_EXPECTED: 'false' })).toMatchObject({
        status: 'skip',
      })
      await expect(dockerd.docker('exec', 'ollama', 'ls', '/tmp/ran')).rejects.toThrow('No such file')
    })
    it('without a container of Ollama', async () => {
      const result = await checkAt(gpuInContainer, dockerd, EXPECTED)
      expect(result).toEqual({ status: 'skip', detail: 'Ollama runs in no container here' })
    })
    it('where it does not run, or is paused', async () => {
      await start(says(A100))
      await dockerd.docker('pause', 'ollama')
      const typed = ': docker exec ollama nvidia-smi -L'
      expect(await checkAt(gpuInContainer, dockerd, EXPECTED)).toEqual({
        status: 'skip',
        detail: `ollama is paused${typed}`,
      })
      await dockerd.docker('unpause', 'ollama')
      await dockerd.docker('kill', 'ollama')
      expect(await checkAt(gpuInContainer, dockerd, EXPECTED)).toEqual({
        status: 'skip',
        detail: `ollama is exited${typed}`,
      })
    })
    it('where it could not end what it starts', async () => {
      await start(says(A100))
      await dockerd.docker('exec', 'ollama', 'rm', '/bin/timeout')
      const result = await checkAt(gpuInContainer, dockerd, EXPECTED)
      expect(result).toEqual({
        status: 'skip',
        detail: matching(/^ollama runs no `timeout` \(exit 126: .*\): docker exec ollama nvidia-smi -L$/),
      })
    })
  })

  describeWith(['haproxy'], "behind the stack's socket proxy", () => {
    it('skips, and says what to type', async () => {
      await start(says(A100))
      const OLLASCOPE_DOCKER_HOST = await startSocketProxy(dockerd)
      const result = await checkAt(gpuInContainer, dockerd, { ...EXPECTED, OLLASCOPE_DOCKER_HOST })
      const at = OLLASCOPE_DOCKER_HOST.replace('tcp', 'http')
      const detail = `${at} lets nobody run a program in a container (405): docker exec ollama nvidia-smi -L`
      expect(result).toEqual({ status: 'skip', detail })
    })
  })
})
