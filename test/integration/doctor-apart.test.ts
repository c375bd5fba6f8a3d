import type { ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { collectors, metrics } from '../../src/doctor/checks/ollascope.ts'
import { ports } from '../../src/doctor/checks/ports.ts'
import { proxy, upstream } from '../../src/doctor/checks/ollama.ts'
import { findUpstream } from '../../src/doctor/upstream.ts'
import { expectsGpu } from '../../src/doctor/gpus.ts'
import type { DockerAnswers, SeenContainer } from '../../src/doctor/docker.ts'
import { startApp } from '../helpers/app.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'
import { adminAt, contextOf, NOWHERE, play, playOllama, runCheck, silence, statusDocument } from './doctor-context.ts'
import { holding } from './doctor-matchers.ts'

const TOKEN = { OLLASCOPE_ADMIN_TOKEN: 'secret' }

/** A proxy and a collector as two processes, in front of one Ollama; both want the token. */
async function startApart() {
  const { port } = await startStandIn()
  const proxy = await startApp(port, TOKEN, undefined, 'proxy')
  onTestFinished(proxy.close)
  const collector = await startApp(port, { ...TOKEN, OLLASCOPE_COLLECTORS: 'ollama,host' }, undefined, 'collector')
  onTestFinished(collector.close)
  return {
    env: { ...adminAt(proxy.adminUrl), ...TOKEN },
    options: { collector: { url: collector.adminUrl, given: false } },
  }
}

describe('a collector that is a process of its own', () => {
  it('is asked beside the proxy, with the same token', async () => {
    const { env, options } = await startApart()
    await waitFor('both collectors', async () => {
      const { status, detail } = await runCheck(collectors, env, options)
      return status === 'ok' && detail === 'ollama ok, nvidia off, amd off, docker off, cgroup off, host ok'
    })
    expect(await runCheck(metrics, env, options)).toMatchObject({ status: 'ok', detail: holding('ollama_up is 1') })
  })

  it('tells what fails in it', async () => {
    const failing = { name: 'nvidia', status: 'failing', message: 'reboot' }
    const sample = (text: string) => (_request: unknown, response: ServerResponse) => response.end(text)
    const proxy = await play({ '/status': statusDocument({ role: 'proxy' }), '/metrics': sample('other 1\n') })
    const collector = await play({
      '/status': statusDocument({ role: 'collector', collectors: [failing], gpu: { expected: true, because: 'seen' } }),
      '/metrics': sample('ollama_up 0\n'),
    })
    const options = { collector: { url: collector, given: true } }
    const found = await runCheck(collectors, adminAt(proxy), options)
    expect(found).toMatchObject({ status: 'fail', detail: 'nvidia: reboot', fix: holding(`${collector}/status`) })
    expect(await runCheck(metrics, adminAt(proxy), options)).toMatchObject({ status: 'fail', detail: holding('is 0') })
    // What it remembers counts here.
    expect(await expectsGpu(contextOf(adminAt(proxy), options))).toMatchObject({ expected: true })
  })

  it('fails where it was named and does not answer, else is skipped with how to name it', async () => {
    const url = await play({ '/status': statusDocument({ role: 'proxy' }) })
    const ask = (given: boolean) => runCheck(collectors, adminAt(url), { collector: { url: NOWHERE, given } })
    expect(await ask(true)).toMatchObject({ status: 'fail', detail: holding('refused'), fix: holding(NOWHERE) })
    expect(await ask(false)).toMatchObject({ status: 'skip', detail: holding('--collector URL') })
  })
})

describe('an Ollama in a container without a port', () => {
  const container = (state: string) => ({ listed: { name: 'ollama' }, state }) as SeenContainer
  const daemon =
    (...ollama: SeenContainer[]) =>
    () =>
      Promise.resolve({ ollama } as unknown as DockerAnswers)
  const search = (url: string, docker: () => Promise<DockerAnswers>, isDefault = true) =>
    findUpstream({ url, isDefault, docker, proxyUrl: 'http://proxy', deadline: () => AbortSignal.timeout(60_000) })

  it('is asked through the proxy', async () => {
    expect(await search(NOWHERE, daemon(container('exited'), container('running')))).toEqual({
      url: 'http://proxy',
      container: 'ollama',
      stopped: undefined,
    })
  })

  it('is said to be stopped, or where it was found', async () => {
    const found = { url: NOWHERE, container: undefined, stopped: { name: 'ollama', state: 'exited' } }
    const check = (one: object) =>
      upstream.run({ ...contextOf(), upstream: () => Promise.resolve({ ...found, ...one }) })
    expect(await check({})).toMatchObject({
      status: 'fail',
      detail: 'container ollama is exited',
      fix: holding('docker start ollama'),
    })
    const url = await playOllama()
    const env = { OLLASCOPE_UPSTREAM: url }
    const context = {
      ...contextOf(env),
      upstream: () => Promise.resolve({ ...found, url, container: 'ollama', stopped: undefined }),
    }
    expect(await upstream.run(context)).toMatchObject({
      status: 'ok',
      detail: holding('container ollama publishes no port'),
    })
  })

  it('is not, where somebody listens or another place was named, or there is none', async () => {
    const running = daemon(container('running'))
    const url = await playOllama()
    expect(await search(url, running)).toEqual({ url, container: undefined, stopped: undefined })
    const direct = { url: NOWHERE, container: undefined, stopped: undefined }
    expect(await search(NOWHERE, running, false)).toEqual(direct)
    const stopped = { name: 'ollama', state: 'exited' }
    expect(await search(NOWHERE, daemon(container('exited')))).toEqual({ ...direct, stopped })
    expect(await search(NOWHERE, () => Promise.reject(new Error('no Docker')))).toEqual(direct)
  })
})

describe('a proxy that waits for an Ollama that says nothing', () => {
  it('is there all the same', async () => {
    const url = await play({ '/api/version': silence, '/api/tags': silence, '/api/ps': silence })
    const app = await startApp(Number(new URL(url).port))
    onTestFinished(app.close)
    const env = { OLLASCOPE_LISTEN: `127.0.0.1:${app.proxyPort}`, ...adminAt(app.adminUrl) }
    const found = await runCheck(proxy, env, { timeoutMs: 1000 })
    expect(found).toMatchObject({ status: 'fail', detail: holding('it waits for Ollama'), fix: holding('/status') })
    expect(await runCheck(ports, env, { timeoutMs: 1000 })).toMatchObject({
      status: 'ok',
      detail: holding('does not answer in time'),
    })
  })
})
