import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { describeWithDockerd, startDockerd, type Dockerd } from '../helpers/dockerd.ts'
import { waitFor } from '../helpers/wait.ts'
import { canMakeCgroups } from './cgroup-container.ts'

/** Process 1 waits for the word, and then starts a child that takes memory until the kernel kills it. */
const EATS_ON_DEMAND = 'while :; do if [ -e /tmp/eat ]; then rm /tmp/eat; tail /dev/zero; fi; sleep 0.05; done'
const EATS_ITSELF = 'while [ ! -e /tmp/eat ]; do sleep 0.05; done; exec tail /dev/zero'
const LIMITED = ['--memory=32m', '--memory-swap=32m']
const SLOW = 60_000

let daemon: Dockerd
let upstream: { readonly port: number; readonly load: (...models: string[]) => void; readonly close: () => void }

/** An Ollama of which the test says what is loaded. */
async function startOllama() {
  let models: readonly string[] = []
  const server = createServer((req, res) => {
    const list = models.map((name) => ({ name, size: 100, size_vram: 0 }))
    if (req.url === '/api/version') res.end('{"version":"0.0.0"}')
    else res.end(JSON.stringify({ models: list }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    load: (...names: string[]) => void (models = names),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

interface Eater {
  readonly id: string
  /** Has the kernel kill a process in it, and waits until it did. */
  readonly eat: () => Promise<void>
}

async function runEater(name: string, script = EATS_ON_DEMAND): Promise<Eater> {
  const id = await daemon.run(script, { name, args: LIMITED })
  onTestFinished(async () => {
    await daemon.docker('rm', '--force', id).catch(() => undefined)
  })
  const pid = await daemon.pidOf(id)
  const kills = () => {
    const text = readFileSync(join(daemon.cgroup('memory', id), 'memory.oom_control'), 'utf8')
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1])
  }
  return {
    id,
    async eat() {
      const before = kills()
      writeFileSync(`/proc/${pid}/root/tmp/eat`, '')
      await waitFor('the kernel to kill', () => {
        try {
          return kills() > before
        } catch {
          return true // the whole container went
        }
      })
    },
  }
}

async function watch(env: Readonly<Record<string, string>> = {}): Promise<RunningApp> {
  const app = await startApp(
    upstream.port,
    { OLLASCOPE_COLLECTORS: 'ollama,docker,cgroup', OLLASCOPE_DOCKER_HOST: daemon.host, ...env },
    undefined,
    'collector',
  )
  onTestFinished(app.close)
  return app
}

const BOTH = {}
const DAEMON_ALONE = { OLLASCOPE_COLLECTORS: 'ollama,docker' }

async function count(app: RunningApp, name = 'ollama'): Promise<number | undefined> {
  return (await app.samples()).value('container_oom_events_total', { name, image: 'busybox:latest' })
}

/** Waits for a count. */
async function waitForCount(app: RunningApp, wanted: number, name = 'ollama'): Promise<void> {
  await waitFor(`${wanted} kills in ${name}`, async () => (await count(app, name)) === wanted)
}

/** Waits for a count, and makes sure that it stays: the kernel's counter, which is read each second, has its say again. */
async function expectCount(app: RunningApp, wanted: number, name = 'ollama'): Promise<void> {
  await waitForCount(app, wanted, name)
  const until = performance.now() + 1500
  await waitFor('a further look', () => performance.now() > until)
  expect(await count(app, name)).toBe(wanted)
}

beforeEach(async () => {
  upstream = await startOllama()
})
afterEach(() => upstream.close())

const body = () => {
  beforeAll(async () => {
    daemon = await startDockerd({ args: ['--live-restore'] })
  }, SLOW)
  afterAll(() => daemon.stop(), SLOW)

  it.each([
    ['by kernel and daemon', BOTH],
    ['by the daemon alone', DAEMON_ALONE],
  ])('of a child, while process 1 lives on, is counted once, %s', { timeout: SLOW }, async (_by, env) => {
    const { eat, id } = await runEater('ollama')
    const app = await watch(env)
    await waitForCount(app, 0)
    await eat()
    await waitForCount(app, 1)
    await eat()
    await expectCount(app, 2)
    expect(await daemon.docker('inspect', '--format={{.State.Running}}', id)).toBe('true')
    const told = app.log.filter(({ msg }) => msg === 'out of memory: the kernel killed a process in the container')
    expect(told.map(({ container, kills }) => [container, kills])).toEqual([
      ['ollama', 1],
      ['ollama', 1],
    ])
  })

  it.each([
    ['by kernel and daemon', BOTH],
    ['by the daemon alone', DAEMON_ALONE],
  ])('of process 1 is counted once, and outlives the container, %s', { timeout: SLOW }, async (_by, env) => {
    const { eat, id } = await runEater('ollama', EATS_ITSELF)
    const app = await watch(env)
    await waitForCount(app, 0)
    await eat()
    await waitForCount(app, 1)
    await daemon.docker('wait', id)
    await daemon.docker('rm', id)
    await expectCount(app, 1)
  })

  it.each([
    ['by kernel and daemon', BOTH],
    ['by the daemon alone', DAEMON_ALONE],
  ])('is none where somebody kills the container, %s', { timeout: SLOW }, async (_by, env) => {
    const { id } = await runEater('ollama')
    const app = await watch(env)
    await waitForCount(app, 0)
    await daemon.docker('kill', id)
    await waitFor('its end', async () => !(await app.samples()).names.has('container_start_time_seconds'))
    await expectCount(app, 0)
  })

  it('is counted for the container in which it was, of two', { timeout: SLOW }, async () => {
    const one = await runEater('one')
    const two = await runEater('two')
    const app = await watch({ OLLASCOPE_CONTAINERS: 'one,two' })
    await waitForCount(app, 0, 'one')
    await one.eat()
    await waitForCount(app, 1, 'one')
    await two.eat()
    await two.eat()
    await expectCount(app, 2, 'two')
    expect(await count(app, 'one')).toBe(1)
  })

  it('of another container with the same limited parent is none of this one', { timeout: SLOW }, async () => {
    const parent = `/ollascope-test-${process.pid}-parent`
    const folder = `/sys/fs/cgroup/memory${parent}`
    mkdirSync(folder)
    writeFileSync(join(folder, 'memory.limit_in_bytes'), String(48 * 1024 * 1024))
    const run = (name: string) =>
      daemon.run(EATS_ON_DEMAND, { name, args: [`--cgroup-parent=${parent}`] }).then((id) => ({ name, id }))
    const [hit, spared] = [await run('hit'), await run('spared')]
    onTestFinished(async () => {
      await daemon.docker('rm', '--force', hit.id, spared.id)
      rmdirSync(folder)
    })
    const app = await watch({ OLLASCOPE_CONTAINERS: 'hit,spared' })
    await waitForCount(app, 0, 'hit')
    writeFileSync(`/proc/${await daemon.pidOf(hit.id)}/root/tmp/eat`, '')
    await expectCount(app, 1, 'hit')
    // The daemon told of both: the kernel knows better.
    const events = await daemon.docker('events', '--since=1m', '--until=0s', '--filter=event=oom')
    expect(events).toContain('name=spared')
    expect(await count(app, 'spared')).toBe(0)
  })

  it('goes on from its count in a container that is made again under its name', { timeout: SLOW }, async () => {
    const first = await runEater('ollama')
    const app = await watch()
    await waitForCount(app, 0)
    await first.eat()
    await waitForCount(app, 1)
    await daemon.docker('rm', '--force', first.id)
    const second = await runEater('ollama')
    await second.eat()
    await expectCount(app, 2)
  })

  it.each([
    ['by kernel and daemon', BOTH],
    ['by the daemon alone', DAEMON_ALONE],
  ])('goes on from its count in a container that is started again, %s', { timeout: SLOW }, async (_by, env) => {
    const { eat, id } = await runEater('ollama')
    const app = await watch(env)
    await waitForCount(app, 0)
    await eat()
    await waitForCount(app, 1)
    await daemon.docker('restart', '--time=0', id)
    const pid = await daemon.pidOf(id)
    await expectCount(app, 1)
    writeFileSync(`/proc/${pid}/root/tmp/eat`, '')
    await expectCount(app, 2)
  })

  it('is known after a restart of the collector, and one that happens meanwhile too', { timeout: SLOW }, async () => {
    const { eat } = await runEater('ollama')
    const first = await watch()
    await waitForCount(first, 0)
    await eat()
    await waitForCount(first, 1)
    await first.close()
    const second = await watch()
    await waitForCount(second, 1)
    await second.close()
    await eat()
    await expectCount(await watch(), 2)
  })

  it('that happens during a restart of the collector is told by the daemon’s events', { timeout: SLOW }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ollascope-state-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const env = { ...DAEMON_ALONE, OLLASCOPE_STATE_DIR: folder }
    const { eat } = await runEater('ollama')
    const first = await watch(env)
    await waitForCount(first, 0)
    await eat()
    await waitForCount(first, 1)
    await first.close()
    await eat()
    const second = await watch(env)
    await waitForCount(second, 2)
    await second.close()
    await expectCount(await watch(env), 2) // the same events are replayed
  })

  it('that happens while the daemon is down is counted', { timeout: SLOW }, async () => {
    const { eat } = await runEater('ollama')
    const app = await watch()
    await waitForCount(app, 0)
    await daemon.killDaemon()
    await eat()
    await waitForCount(app, 1)
    await daemon.startDaemon()
    await waitFor('the daemon again', async () => (await app.samples()).names.has('container_memory_rss'), SLOW)
    await waitForCount(app, 1)
    await eat()
    await expectCount(app, 2)
  })

  it('tells which models were there, and which vanished', { timeout: SLOW }, async () => {
    const { eat } = await runEater('ollama')
    upstream.load('stays:1b', 'goes:7b')
    // Nobody looks again by the clock: the kill itself makes somebody ask.
    const app = await watch({ OLLASCOPE_COLLECT_INTERVAL: '1h' })
    await expectCount(app, 0)
    await waitFor('the models', async () => (await app.samples()).value('ollama_loaded_models') === 2)
    upstream.load('stays:1b')
    await eat()
    const line = await waitFor('the report', () =>
      app.log.find(({ msg }) => msg === 'out of memory: what became of the models around it'),
    )
    expect(line).toMatchObject({ name: 'ollama', kills: 1, resident: ['stays:1b'], vanished: ['goes:7b'], loading: [] })
    const { value, sum } = await app.samples()
    expect(value('ollama_oom_kill_info', { name: 'ollama', model: 'goes:7b', state: 'vanished' })).toBe(1)
    expect(sum('ollama_oom_kill_info')).toBe(2)
  })
}

if (canMakeCgroups()) describeWithDockerd('an out-of-memory kill', body)
else describe.skip('an out-of-memory kill [needs root and cgroups of version 1]', body)
