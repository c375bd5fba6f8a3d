import { describe, expect, it } from 'vitest'
import { gpuInContainer } from '../../src/doctor/checks/gpu-in-container.ts'
import { fakeContainer, fakeId, startFakeDocker, type FakeDocker } from '../helpers/docker-fake.ts'
import type { Fields } from '../helpers/json.ts'
import { runCheck, sendJson } from './doctor-context.ts'
import { createNvidiaSmi, RTX } from '../helpers/nvidia-smi.ts'
import { holding } from './doctor-matchers.ts'

const GPU = { OLLASCOPE_GPU_EXPECTED: 'true' }
const LISTED = 'GPU 0: NVIDIA A100 (UUID: GPU-1)\n'
const START = `/exec/${fakeId(7)}/start`

interface Played {
  readonly create?: { readonly status: number; readonly json: unknown }
  /** `undefined`: it never answers. */
  readonly output?: string | undefined
  readonly states?: readonly Fields[]
  readonly inspect?: Fields
}

/** What the real daemon of these tests cannot be brought to. */
async function startDocker(played: Played): Promise<FakeDocker> {
  const { create = { status: 201, json: { Id: fakeId(7) } }, states = [{ Running: false, ExitCode: 0 }] } = played
  const inspect = { State: { Status: 'running', Running: true }, ...played.inspect }
  const fake = await startFakeDocker([fakeContainer(1, { inspect })])
  const left = [...states]
  fake.answer(/exec/, (request, response) => {
    if (request.url?.endsWith('/exec') === true) sendJson(response, create.status, create.json)
    else if (request.url?.endsWith('/json') === true)
      sendJson(response, 200, (left.length > 1 ? left.shift() : left[0]) ?? {})
    else if ('output' in played && played.output === undefined) response.flushHeaders()
    else response.end(played.output ?? LISTED)
  })
  return fake
}

const check = (fake: FakeDocker, env = {}, options = {}) =>
  runCheck(gpuInContainer, { OLLASCOPE_DOCKER_HOST: fake.host, ...GPU, ...env }, options)

describe('a program in a container', () => {
  it('whose end Docker knows a moment later is waited for', async () => {
    const running = { Running: true, ExitCode: null }
    const fake = await startDocker({ states: [running, running, { Running: false, ExitCode: 0 }] })
    expect(await check(fake)).toEqual({ status: 'ok', detail: 'ollama has NVIDIA A100' })
  })
  it('that cannot be killed, since it waits in the driver, is not waited for', async () => {
    const fake = await startDocker({ output: undefined })
    expect(await check(fake, {}, { timeoutMs: 300 })).toMatchObject({
      status: 'fail',
      detail: 'nvidia-smi does not end within 1 s in ollama',
    })
    expect(fake.asked).toContain(START)
  })
  it.each<[string, Played, string]>([
    ['a daemon that forbids it', { create: { status: 403, json: {} } }, 'lets nobody run a program'],
    ['a daemon that has no such thing', { create: { status: 501, json: { message: 'no' } } }, 'no program in it (501'],
    ['an answer without an id', { create: { status: 201, json: { Id: '../x' } } }, 'is no Docker'],
    ['an end that is not told', { states: [{ Running: false, ExitCode: null }] }, 'does not tell how'],
  ])('%s: skips, with what to type', async (_what, played, because) => {
    const result = await check(await startDocker(played))
    expect(result).toEqual({ status: 'skip', detail: holding(because) })
    expect(result.detail).toMatch(/: docker exec ollama nvidia-smi -L$/)
  })
})

describe('gpu-in-container, of what only real GPUs bring', () => {
  const two = () => {
    const smi = createNvidiaSmi()
    smi.play({ gpus: [RTX, { ...RTX, uuid: 'GPU-2', index: '1' }] })
    return { OLLASCOPE_NVIDIA_SMI: smi.program }
  }
  it.each<[string, string, Fields]>([
    ['all of them', 'warn', { Count: -1, Capabilities: [['gpu']] }],
    ['one', 'ok', { Count: 1, Capabilities: [['gpu']] }],
    ['one by its name', 'ok', { DeviceIDs: ['GPU-1'] }],
    ['all, as CDI says it', 'warn', { Driver: 'cdi', DeviceIDs: ['nvidia.com/gpu=all'] }],
  ])('it was given %s, and sees one of two: %s', async (_what, status, request) => {
    const fake = await startDocker({ inspect: { HostConfig: { DeviceRequests: [request] } } })
    expect(await check(fake, two())).toMatchObject({ status })
  })
  it("AMD's is not asked: its image has no such tool", async () => {
    const fake = await startDocker({ inspect: { HostConfig: { Devices: [{ PathOnHost: '/dev/kfd' }] } } })
    expect(await check(fake)).toEqual({ status: 'skip', detail: holding('docker exec ollama ls -l /dev/kfd') })
    expect(fake.asked).not.toContain(START)
  })
  it('a Mac has none in containers', async () => {
    const machine = { platform: 'darwin', arch: 'arm64' } as const
    expect(await check(await startDocker({}), {}, { machine })).toMatchObject({
      status: 'skip',
      detail: holding('Mac'),
    })
  })
})
