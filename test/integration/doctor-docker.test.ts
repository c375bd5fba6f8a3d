import { describe, expect, it } from 'vitest'
import type { Check, Result } from '../../src/doctor/check.ts'
import { containers, docker, dockerGpu } from '../../src/doctor/checks/docker.ts'
import { inventory } from '../../src/doctor/checks/inventory.ts'
import { ollamaLog } from '../../src/doctor/checks/log.ts'
import { dockerMemory } from '../../src/doctor/checks/memory.ts'
import { fakeContainer, startFakeDocker, type FakeDocker } from '../helpers/docker-fake.ts'
import type { Fields } from '../helpers/json.ts'
import { MODEL, playOllama, runCheck, sendJson } from './doctor-context.ts'
import { holding } from './doctor-matchers.ts'

const GPU = { OLLASCOPE_GPU_EXPECTED: 'true' }
const DEVICES = { HostConfig: { DeviceRequests: [{ Driver: 'nvidia', Count: -1, Capabilities: [['gpu']] }] } }

/** A daemon that also answers what the collectors never ask. */
async function startDocker(inspect: Fields = {}, info: Fields = {}, log = Buffer.alloc(0)): Promise<FakeDocker> {
  const running = { State: { Status: 'running', Running: true, ExitCode: 0, OOMKilled: false } }
  const fake = await startFakeDocker([fakeContainer(1, { inspect: { ...running, ...inspect } })])
  fake.answer(/^\/(info|version)$|\/logs$/, (request, response) => {
    if (request.url === '/version') sendJson(response, 200, { Version: '26.1.4' })
    else if (request.url === '/info') sendJson(response, 200, { MemTotal: 32e9, Runtimes: { runc: {} }, ...info })
    else response.end(log)
  })
  return fake
}

function check(one: Check, fake: FakeDocker, env: Record<string, string> = {}): Promise<Result> {
  return runCheck(one, { OLLASCOPE_DOCKER_HOST: fake.host, ...env })
}

describe('docker', () => {
  it('is ok with its version, and skips where there is none', async () => {
    const fake = await startDocker()
    expect(await check(docker, fake)).toEqual({ status: 'ok', detail: `${fake.socket}, version 26.1.4` })
    expect(await check(inventory, fake)).toMatchObject({ detail: holding('Docker 26.1.4') })
    expect(await runCheck(docker)).toMatchObject({ status: 'skip' })
  })
  it('fails where nobody listens, or it refuses or hangs', async () => {
    const host = { OLLASCOPE_DOCKER_HOST: 'tcp://127.0.0.1:1' }
    expect(await runCheck(docker, host)).toMatchObject({
      status: 'fail',
      detail: holding('refused'),
      fix: holding('docker ps'),
    })
    const fake = await startFakeDocker()
    fake.answer(/containers/, (_request, response) => sendJson(response, 403, {}))
    expect(await check(docker, fake)).toMatchObject({ status: 'fail', detail: holding('403') })
    fake.answer(/containers/)
    const result = await runCheck(docker, { OLLASCOPE_DOCKER_HOST: fake.host }, { timeoutMs: 300 })
    expect(result).toMatchObject({ status: 'fail', detail: holding('in time') })
  })
  it('says so where a socket proxy shows containers only', async () => {
    const fake = await startFakeDocker()
    expect(await check(docker, fake)).toMatchObject({
      status: 'ok',
      detail: holding('containers only'),
    })
  })
})

describe('containers', () => {
  it('are ok where they run', async () => {
    expect(await check(containers, await startDocker())).toEqual({ status: 'ok', detail: 'ollama running' })
  })
  it.each<[string, Fields]>([
    ['ollama exited', { State: { Status: 'exited', Running: false, ExitCode: 137 } }],
    ['ollama restarting', { State: { Status: 'restarting', Running: true, ExitCode: 1 } }],
    ['ollama running (unhealthy)', { State: { Status: 'running', Running: true, Health: { Status: 'unhealthy' } } }],
  ])('%s: fails', async (detail, inspect) => {
    const result = await check(containers, await startDocker(inspect))
    expect(result).toEqual({ status: 'fail', detail, fix: 'docker logs --tail 50 ollama; docker start ollama' })
  })
  it('are ok where one ended that was made to', async () => {
    const done = {
      State: { Status: 'exited', Running: false, ExitCode: 0 },
      HostConfig: { RestartPolicy: { Name: 'no' } },
    }
    expect(await check(containers, await startDocker(done))).toMatchObject({ status: 'ok' })
  })
  it('of the same project count too, those of others do not', async () => {
    const fake = await startDocker()
    const labels = { 'com.docker.compose.project': 'stack' }
    const inspect = { State: { Status: 'exited', Running: false, ExitCode: 1 } }
    fake.containers[0] = fakeContainer(1, { labels, inspect: { State: { Status: 'running', Running: true } } })
    fake.containers.push(fakeContainer(2, { name: 'database', image: 'db:1', inspect }))
    expect(await check(containers, fake)).toMatchObject({ status: 'ok', detail: 'ollama running' })
    fake.containers.push(fakeContainer(3, { name: 'grafana', image: 'g:1', labels, inspect }))
    expect(await check(containers, fake)).toMatchObject({ status: 'fail', detail: 'ollama running, grafana exited' })
  })
  it('of a stack beside a native Ollama count', async () => {
    const labels = { 'com.docker.compose.project': 'stack' }
    const up = { State: { Status: 'running', Running: true } }
    const down = { State: { Status: 'exited', Running: false, ExitCode: 1 } }
    const fake = await startFakeDocker([
      fakeContainer(1, { name: 'stack-ollascope-1', image: 'ollascope:1', labels, inspect: up }),
      fakeContainer(2, { name: 'stack-prometheus-1', image: 'prometheus:1', labels, inspect: down }),
    ])
    const detail = 'stack-ollascope-1 running, stack-prometheus-1 exited'
    expect(await check(containers, fake)).toMatchObject({ status: 'fail', detail })
  })
  it('skip without Docker, or without any of these', async () => {
    expect(await runCheck(containers)).toMatchObject({ status: 'skip' })
    expect(await check(containers, await startFakeDocker([]))).toMatchObject({ status: 'skip' })
  })
})

describe('docker-gpu', () => {
  it('fails where the container was given none, and one is expected', async () => {
    const result = await check(dockerGpu, await startDocker(), GPU)
    expect(result).toMatchObject({
      status: 'fail',
      detail: holding('given no GPU'),
      fix: holding('--gpus all'),
    })
  })
  it.each<[string, Fields]>([
    ['--gpus', DEVICES],
    ['the runtime', { HostConfig: { Runtime: 'nvidia' } }],
    ['devices', { HostConfig: { Devices: [{ PathOnHost: '/dev/kfd' }] } }],
  ])('is ok where it was given one by %s', async (_how, inspect) => {
    expect(await check(dockerGpu, await startDocker(inspect), GPU)).toMatchObject({ status: 'ok' })
  })
  it('without a container of Ollama, wants the runtime', async () => {
    const fake = await startDocker({}, { Runtimes: { runc: {}, nvidia: {} } })
    fake.containers = []
    expect(await check(dockerGpu, fake, GPU)).toMatchObject({ status: 'ok', detail: 'runtimes runc, nvidia' })
    const without = await startDocker()
    without.containers = []
    expect(await check(dockerGpu, without, GPU)).toMatchObject({
      status: 'warn',
      fix: holding('nvidia-ctk'),
    })
  })
  it('skips where no GPU is expected', async () => {
    expect(await check(dockerGpu, await startDocker())).toMatchObject({ status: 'skip' })
  })
})

describe('docker-memory', () => {
  const at = async (limit: number, total: number, env = {}) => {
    const fake = await startDocker({ HostConfig: { Memory: limit } }, { MemTotal: total })
    return check(dockerMemory, fake, {
      OLLASCOPE_UPSTREAM: await playOllama({ loaded: false }),
      OLLAMA_MODEL: MODEL,
      ...env,
    })
  }
  it('is ok with room; fails below a limit, and in a small virtual machine', async () => {
    expect(await at(0, 32e9)).toMatchObject({ status: 'ok' })
    expect(await at(6e9, 32e9)).toMatchObject({
      status: 'fail',
      detail: 'big:7b wants 10 GB, the limit of ollama has 6 GB',
      fix: holding('docker update'),
    })
    expect(await at(0, 8e9)).toMatchObject({
      status: 'fail',
      detail: holding("Docker's memory has 8 GB"),
    })
  })
  it('only warns where the weights go to a GPU', async () => {
    expect(await at(6e9, 32e9, GPU)).toMatchObject({ status: 'warn' })
  })
})

describe('ollama-log of a container', () => {
  /** As a daemon sends it for a container without a terminal. */
  const frames = (...lines: readonly string[]) =>
    Buffer.concat(
      lines.map((line) => {
        const head = Buffer.from([2, 0, 0, 0, 0, 0, 0, 0])
        head.writeUInt32BE(Buffer.byteLength(line), 4)
        return Buffer.concat([head, Buffer.from(line)])
      }),
    )
  // Pieces end where the container's writes did: here in the middle of what is looked for.
  const log = (library: string) =>
    frames(
      'msg="Listening on :11434"\nmsg="inference comp',
      `ute" id=0 library=${library}\n`,
      'offloaded 17/17 layers to GPU\n',
    )

  it('is ok with a GPU, and fails without', async () => {
    expect(await check(ollamaLog, await startDocker({}, {}, log('cuda')), GPU)).toEqual({
      status: 'ok',
      detail: 'library=cuda; offloaded 17/17 layers to GPU',
    })
    expect(await check(ollamaLog, await startDocker({}, {}, log('cpu')), GPU)).toMatchObject({ status: 'fail' })
  })
  it('is read whole with a terminal, too', async () => {
    const plain = Buffer.from('msg="inference compute" id=0 library=Metal\r\n')
    expect(await check(ollamaLog, await startDocker({}, {}, plain), GPU)).toMatchObject({ status: 'ok' })
  })
  it('is read up to a bound, and no further', async () => {
    const fake = await startDocker()
    fake.answer(/\/logs$/, (_request, response) => {
      response.write('msg="inference compute" id=0 library=cuda\n')
      // It goes on, and never ends.
      response.write(Buffer.alloc(9 * 1024 * 1024, '\n'))
    })
    expect(await check(ollamaLog, fake, GPU)).toMatchObject({ status: 'ok', detail: holding('library=cuda') })
  })
  it('skips where a socket proxy forbids it, and without Docker', async () => {
    expect(await check(ollamaLog, await startFakeDocker(), GPU)).toMatchObject({
      status: 'skip',
      detail: holding('--ollama-log'),
    })
    expect(await runCheck(ollamaLog, GPU)).toMatchObject({ status: 'skip' })
  })
})
