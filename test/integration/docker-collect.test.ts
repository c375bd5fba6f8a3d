import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { CONTAINERS } from '../../src/metrics/collected.ts'
import { failureOf } from '../helpers/collect.ts'
import { STATS_V2, withFields } from '../helpers/docker-captures.ts'
import { NOW_MS, watchDocker } from '../helpers/docker-collector.ts'
import { fakeContainer, fakeId, sendJson, startFakeDocker } from '../helpers/docker-fake.ts'
import { freePort } from '../helpers/ports.ts'

const stopped = { State: { Running: false, Pid: 0, OOMKilled: true } }

describe('a run', () => {
  it('publishes what the daemon says of a container', async () => {
    const changes = {
      RestartCount: 3,
      State: { Health: { Status: 'healthy' } },
      HostConfig: { NanoCpus: 1_500_000_000 },
    }
    const fake = await startFakeDocker([fakeContainer(1, { inspect: changes })])
    const { collect, collector, found } = watchDocker(fake.host)
    expect(await collect()).toEqual({
      'container_restarts ollama': 3,
      'container_last_seen ollama': NOW_MS / 1000,
      'container_start_time_seconds ollama': 1795240094.211,
      'container_health_state ollama': 1,
      'container_spec_memory_limit_bytes ollama': 67108864,
      'container_spec_cpu_quota ollama': 150000,
      'container_spec_cpu_period ollama': 100000,
      'container_memory_usage_bytes ollama': 516096,
      'container_memory_working_set_bytes ollama': 516096,
      'container_memory_rss ollama': 49152,
      'container_cpu_usage_seconds_total ollama': 0.28191705,
      'container_network_receive_bytes_total ollama': 1016,
      'container_network_transmit_bytes_total ollama': 0,
    })
    const image = 'ollama/ollama:0.5'
    expect(found).toEqual([[expect.objectContaining({ id: fakeId(1), name: 'ollama', image, pid: 10668 })]])
    expect((await collector.collect(AbortSignal.timeout(20_000)))[0]?.labels).toEqual({ name: 'ollama', image })
    expect(collector.metrics).not.toContain(CONTAINERS.oomEvents)
    expect(collector.metrics).toHaveLength(Object.keys(CONTAINERS).length - 2)
  })

  it('leaves of a container that stopped only how often it was restarted', async () => {
    const fake = await startFakeDocker([fakeContainer(1, { inspect: stopped })])
    const { collect, found } = watchDocker(fake.host)
    expect(await collect()).toEqual({ 'container_restarts ollama': 0 })
    expect(found).toEqual([[expect.objectContaining({ name: 'ollama', pid: undefined, oomKilled: true })]])
    expect(fake.asked).not.toContainEqual(expect.stringContaining('/stats'))
  })

  it('says once that no container matches, and once more when it is so again', async () => {
    const fake = await startFakeDocker([])
    const { collect, notes, found } = watchDocker(fake.host)
    expect([await collect(), await collect()]).toEqual([{}, {}])
    expect(notes).toEqual([expect.stringContaining('ollascope.watch=true')])
    fake.containers = [fakeContainer(1)]
    expect(await collect()).toHaveProperty(['container_last_seen ollama'])
    fake.containers = []
    expect(await collect()).toEqual({})
    expect(notes).toHaveLength(2)
    expect(found.map((containers) => containers.length)).toEqual([0, 0, 1, 0])
  })

  it('names the containers that are wanted and missing', async () => {
    const fake = await startFakeDocker([fakeContainer(1, { name: 'one' })])
    const { collect, notes } = watchDocker(fake.host, { names: ['one', 'two'] })
    expect(await collect()).toHaveProperty(['container_last_seen one'])
    expect(notes).toEqual([expect.stringContaining('no container called two')])
  })

  it('watches no more than fifty', async () => {
    const labels = { 'ollascope.watch': 'true' }
    const many = Array.from({ length: 51 }, (_, index) => fakeContainer(index, { name: `c${100 + index}`, labels }))
    const fake = await startFakeDocker(many)
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    onTestFinished(() => void process.off('warning', onWarning))
    const { collect, notes, found } = watchDocker(fake.host, { requestTimeoutMs: 20_000 })
    const measured = await collect()
    expect(Object.keys(measured).filter((name) => name.startsWith('container_last_seen'))).toHaveLength(50)
    expect(measured).not.toHaveProperty(['container_last_seen c150'])
    expect(found[0]).toHaveLength(50)
    expect(notes).toEqual(['51 containers match, and 50 are watched.'])
    expect(warnings).toEqual([]) // as of too many listeners
  })

  it('finds a container by its image, of which the list has only the id since its tag moved on', async () => {
    const fake = await startFakeDocker([
      fakeContainer(1, { name: 'one' }),
      fakeContainer(2, { name: 'two', image: 'x' }),
    ])
    const moved = `sha256:${'a'.repeat(64)}`
    fake.containers = fake.containers.map((container) => ({ ...container, image: moved }))
    const { collect, found } = watchDocker(fake.host)
    await collect()
    await collect()
    const one: unknown = [expect.objectContaining({ name: 'one', image: 'ollama/ollama:0.5' })]
    expect(found).toEqual([one, one])
    // Who is not Ollama's is not asked about in every run.
    expect(fake.asked.filter((path) => path === `/containers/${fakeId(2)}/json`)).toHaveLength(1)
  })

  it.each([
    ['list', /\/json$/, 1],
    ['inspect', /\/stats$/, 2],
  ])('leaves out a container that vanishes after its %s', async (_after, path, looks) => {
    const fake = await startFakeDocker([fakeContainer(1, { name: 'a' }), fakeContainer(2, { name: 'b' })])
    fake.answer(new RegExp(`${fakeId(1)}${path.source}`), (_request, response) =>
      sendJson(response, 404, { message: 'gone' }),
    )
    const { collect, found, notes } = watchDocker(fake.host, { names: ['a', 'b'] })
    const names = Object.keys(await collect())
    expect(names).toContain('container_cpu_usage_seconds_total b')
    expect(names.filter((name) => name.endsWith(' a'))).toEqual([])
    expect(found[0]).toHaveLength(looks)
    expect(notes).toEqual([])
  })

  it.each(['inspect', 'stats'])('keeps the others where the %s of one fails, or never comes', async (what) => {
    const fake = await startFakeDocker([fakeContainer(1, { name: 'a' }), fakeContainer(2, { name: 'b' })])
    const path = new RegExp(`${fakeId(1)}/${what === 'stats' ? 'stats' : 'json'}$`)
    const { collect, notes } = watchDocker(fake.host, { names: ['a', 'b'], requestTimeoutMs: 500 })
    for (const answer of [(response: ServerResponse) => sendJson(response, 500, { message: 'no' }), () => undefined]) {
      fake.answer(path, (_request, response) => answer(response))
      const measured = await collect()
      expect(measured).toHaveProperty(['container_cpu_usage_seconds_total b'])
      expect(measured).not.toHaveProperty(['container_cpu_usage_seconds_total a'])
    }
    expect(notes).toEqual([expect.stringContaining('HTTP code 500'), expect.stringContaining('in time')])
  })

  it('publishes nothing of what has another shape', async () => {
    const hostile = withFields(STATS_V2, { memory_stats: { usage: '5' }, cpu_stats: 7, networks: { eth0: null } })
    const fake = await startFakeDocker([
      fakeContainer(1, { inspect: { HostConfig: null, RestartCount: -1, State: { StartedAt: 'x' } }, stats: hostile }),
    ])
    const measured = await watchDocker(fake.host).collect()
    expect(measured).toEqual({ 'container_last_seen ollama': NOW_MS / 1000, 'container_memory_rss ollama': 49152 })
  })
})

describe('a daemon that cannot be asked', () => {
  const failsWith = (host: string) => failureOf(watchDocker(host).collect())
  const absent = (message: string): object => ({ name: 'Absent', message: expect.stringContaining(message) as string })

  it('is absent where it has no socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ollascope-docker-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'docker.sock')
    expect(await failsWith(`unix://${path}`)).toMatchObject(absent(path))
    mkdirSync(path)
    expect(await failsWith(`unix://${path}`)).toMatchObject(absent(`${path} is no socket`))
  })

  it('is refused where nobody listens', async () => {
    const port = await freePort()
    expect(await failsWith(`tcp://127.0.0.1:${port}`)).toMatchObject({ name: 'CollectError', reason: 'refused' })
  })

  it('is forbidden by a socket proxy, and says what to allow', async () => {
    const fake = await startFakeDocker()
    fake.answer(/json/, (_request, response) => void response.writeHead(403).end('<html>403 Forbidden</html>'))
    const failure = await failsWith(fake.host)
    expect(failure).toMatchObject({ reason: 'forbidden', message: expect.stringContaining('CONTAINERS=1') as string })
  })

  it.each([
    ['never answers', () => undefined],
    ['never ends its answer', (response: ServerResponse) => void response.write('[')],
  ])('is out of time where it %s', async (_how, answer) => {
    const fake = await startFakeDocker()
    const run = new AbortController()
    fake.answer(/json/, (_request, response) => {
      answer(response)
      setImmediate(() => run.abort())
    })
    const { collect, found } = watchDocker(fake.host)
    expect(await failureOf(collect(run.signal))).toMatchObject({ name: 'CollectError', reason: 'timeout' })
    fake.answer(undefined)
    expect(await collect()).toHaveProperty(['container_last_seen ollama'])
    expect(found).toHaveLength(1)
  })

  it.each([
    ['a text', 'unreadable', (response: ServerResponse) => void response.end('hello')],
    ['an object', 'unreadable', (response: ServerResponse) => sendJson(response, 200, {})],
    ['a failure', 'unreadable', (response: ServerResponse) => sendJson(response, 500, { message: 'broken' })],
    ['half an answer', 'unreachable', (response: ServerResponse) => cut(response)],
    ['a redirect', 'unreadable', (response: ServerResponse) => redirect(response, 'http://127.0.0.1:9/')],
    ['a strange redirect', 'unreadable', (response: ServerResponse) => redirect(response, 'javascript:x')],
    ['an answer without end', 'unreachable', (response: ServerResponse) => flood(response)],
  ])('is not read where it gives %s', async (_what, reason, answer) => {
    const fake = await startFakeDocker()
    fake.answer(/json/, (_request, response) => answer(response))
    expect(await failsWith(fake.host)).toMatchObject({ name: 'CollectError', reason })
  })

  it('loses no run for the one before', async () => {
    const fake = await startFakeDocker()
    const { collect } = watchDocker(fake.host)
    for (const path of [/stats$/, /\d\/json$/]) {
      fake.answer(path, (_request, response) => sendJson(response, 500, { message: 'broken' }))
      expect(await failureOf(collect())).toMatchObject({ reason: 'unreadable' })
    }
    fake.answer(undefined)
    expect(await collect()).toHaveProperty(['container_memory_usage_bytes ollama'])
  })

  it.each(['ssh://user:secret@h', 'https://h:2376', 'tcp://h:2375/prefix', 'unix://relative'])(
    'is not asked at %s',
    async (host) => {
      const failure = await failsWith(host)
      expect(failure).toMatchObject({ name: 'CollectError', reason: 'unsupported' })
      expect(String(failure)).not.toContain('secret')
    },
  )
})

describe('the address', () => {
  it.each(['127.0.0.1', '::1'])('may be a TCP port of %s', async (address) => {
    const fake = await startFakeDocker()
    const port = await relay(fake.socket, address)
    const host = address.includes(':') ? `[${address}]` : address
    expect(await watchDocker(`tcp://${host}:${port}`).collect()).toHaveProperty(['container_last_seen ollama'])
  })

  it.each(['tcp://127.0.0.1:1', 'unix:///nowhere.sock', 'ssh://nobody@127.0.0.1'])(
    'is what is configured, not the DOCKER_HOST %s of the environment',
    async (other) => {
      vi.stubEnv('DOCKER_HOST', other)
      vi.stubEnv('DOCKER_TLS_VERIFY', '1')
      vi.stubEnv('DOCKER_PATH_PREFIX', '/other')
      onTestFinished(() => void vi.unstubAllEnvs())
      const fake = await startFakeDocker()
      const port = await relay(fake.socket, '127.0.0.1')
      for (const host of [fake.host, `tcp://127.0.0.1:${port}`]) {
        expect(await watchDocker(host).collect()).toHaveProperty(['container_last_seen ollama'])
      }
    },
  )

  it('is no use where docker-modem cannot read the environment, which is said', async () => {
    vi.stubEnv('DOCKER_HOST', 'tcp://[')
    onTestFinished(() => void vi.unstubAllEnvs())
    const fake = await startFakeDocker()
    const failure = await failureOf(watchDocker(fake.host).collect())
    expect(failure).toMatchObject({ reason: 'unsupported', message: expect.stringContaining('DOCKER_HOST') as string })
  })
})

function cut(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': '1000' })
  response.write('[', () => response.destroy())
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(301, { location }).end()
}

function flood(response: ServerResponse): void {
  const more = Buffer.alloc(1024 * 1024, ' ')
  const write = () => {
    while (!response.destroyed && response.write(more));
  }
  response.on('drain', write)
  write()
}

/** A TCP port in front of a Unix socket. */
async function relay(path: string, address: string): Promise<number> {
  const { connect } = await import('node:net')
  const server: Server = createServer((client) => {
    const target = connect(path)
    client.pipe(target).pipe(client)
    client.on('error', () => target.destroy())
    target.on('error', () => client.destroy())
  })
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  return bound.port
}
