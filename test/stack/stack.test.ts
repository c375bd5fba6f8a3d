import { appendFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWithDockerd } from '../helpers/dockerd.ts'
import { builtProgram, NODE, startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'
import { askFromHost, askFromNetwork, type Asked } from './ask.ts'
import { inspectAll, kernelStatus } from './inspect.ts'
import { queryPrometheus } from './prometheus.ts'
import { MODEL, OLLAMA_MEMORY } from './stack.ts'
import { NEEDS, PROFILES, SERVICES, startWorld, type World } from './world.ts'

const PROXY = 'http://127.0.0.1:11435'
const PROMPT = 'The sky is blue because'
const OPTIONS = { num_predict: 24, seed: 7, temperature: 0 }
const ALL = [...SERVICES, ...Object.values(PROFILES)]
/** The group of Docker's socket differs from host to host; in Ollama's image root has the models. */
const ROOTS = ['docker-socket-proxy', 'ollama']
/** A page takes up to two minutes at the shipped intervals. */
const PAGE_MS = 240_000

interface Notice {
  readonly receiver: string
  readonly status: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

const body = () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  }, 900_000)
  afterAll(() => world.dockerd.stop(), 120_000)

  const ask = (url: string, asked?: Asked) => askFromHost(world.dockerd, url, asked)
  const askFrom = (network: string, url: string) => askFromNetwork(world.dockerd, `ollascope_${network}`, url)
  const query = (expr: string) => queryPrometheus(world.dockerd, expr)
  const generate = (url: string) =>
    ask(`${url}/api/generate`, {
      method: 'POST',
      body: JSON.stringify({ model: MODEL, prompt: PROMPT, options: OPTIONS }),
    })
  const inspected = async (service: string) => {
    const one = (await inspectAll(world.dockerd)).get(service)
    if (one === undefined) throw new Error(`no container of ${service}`)
    return one
  }
  /** Runs `make up`, waits until health checks say that these are well, and tells how long both took. */
  const up = async (stack: 'cpu' | 'dev' | 'linux', services: readonly string[], well = services) => {
    const beganMs = performance.now()
    const seconds = () => Math.round((performance.now() - beganMs) / 1000)
    await world[stack].make('up')
    const commandSeconds = seconds()
    await waitFor(
      `${well.join(', ')} to be healthy`,
      async () => {
        const all = await inspectAll(world.dockerd)
        expect([...all.keys()]).toEqual(expect.arrayContaining([...services]))
        const states = services.map((service) => all.get(service)?.State)
        expect(states.map((state) => state?.Status)).not.toContain('exited')
        const isWell = well.every((service) => (all.get(service)?.State.Health?.Status ?? 'healthy') === 'healthy')
        return isWell && states.every((state) => state?.Status === 'running')
      },
      180_000,
    )
    console.log(`${stack}: up in ${commandSeconds} s, healthy in ${seconds()} s`)
  }

  describe('production without a GPU', () => {
    const notices = async () => {
      const log = await world.cpu.compose('logs', '--no-color', '--no-log-prefix', 'webhook')
      const lines = log.split('\n').filter((line) => line.startsWith('{'))
      return lines.map((line) => JSON.parse(line) as Notice)
    }
    const page = (name: string) =>
      waitFor(
        `the page ${name}`,
        async () => (await notices()).find(({ labels, status }) => labels.alertname === name && status === 'firing'),
        PAGE_MS,
      )

    test('`make up` starts it, and everything is healthy', () => up('cpu', ALL), 400_000)

    test('a request goes through, also through the balancer, and its numbers come to Prometheus', async () => {
      const direct = await generate(PROXY)
      expect(direct.status).toBe(200)
      expect(direct.body).toContain('"done":true')
      expect(await generate('https://localhost')).toEqual(direct)
      expect((await ask('http://localhost/api/version')).status).toBe(308)

      await waitFor('both to be scraped', async () => (await query('up{job="ollascope"} == 1')).length === 2, 60_000)
      const counted = 'sum(ollama_inference_requests_total{outcome="length"})'
      await waitFor('both requests', async () => (await query(counted))[0]?.value === 2, 60_000)
      expect(await query('ollama_up')).toMatchObject([{ labels: { component: 'collector' }, value: 1 }])
      expect(await query('container_spec_memory_limit_bytes{name="ollama"}')).toMatchObject([
        { value: Number.parseInt(OLLAMA_MEMORY) * 2 ** 20 },
      ])
      // The exporter tells of the host, so the collector does not.
      expect((await query('node_memory_MemTotal_bytes')).map(({ labels }) => labels.job)).toEqual(['node-exporter'])
    }, 180_000)

    test.each(ALL)('%s: the kernel holds it to what the file says', async (service) => {
      const one = await inspected(service)
      const status = kernelStatus(one)
      expect(status.get('Uid')?.split('\t')[0] === '0').toBe(ROOTS.includes(service))
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(status.get(set), set).toMatch(/^0+$/)
      expect(status.get('NoNewPrivs')).toBe('1')
      expect(one.HostConfig).toMatchObject({ ReadonlyRootfs: true, Privileged: false })
      expect(one.HostConfig.PidsLimit).toBeGreaterThan(0)
      expect(one.HostConfig.Memory).toBeGreaterThan(0)
      const write = world.dockerd.docker('exec', one.Name.slice(1), 'sh', '-c', 'echo x > /etc/written')
      await expect(write).rejects.toThrow(/Read-only file system/)
      const sockets = one.Mounts.filter(({ Source }) => Source.endsWith('.sock'))
      expect(sockets).toHaveLength(service === 'docker-socket-proxy' ? 1 : 0)
      expect(sockets.every(({ RW }) => !RW)).toBe(true)
      const published = Object.values(one.HostConfig.PortBindings).flat()
      // The balancer alone is for other machines.
      if (service !== 'nginx') expect(published.filter(({ HostIp }) => HostIp !== '127.0.0.1')).toEqual([])
    })

    test('Ollama’s port is closed but to those who need it', async () => {
      expect((await inspected('ollama')).HostConfig.PortBindings).toEqual({})
      expect(await ask('http://127.0.0.1:11434/api/version')).toMatchObject({ status: 0 })
      const format = '--format={{.NetworkSettings.Networks.ollascope_back.IPAddress}}'
      const address = await world.dockerd.docker('inspect', format, 'ollama')
      const closed = ['ollama:11434', `${address}:11434`, 'docker-socket-proxy:2375']
      const answers = await Promise.all(closed.map((host) => askFrom('front', `http://${host}/version`)))
      expect(answers.map(({ status }) => status)).toEqual([0, 0, 0])
      // It listens; and an app gets to the proxy by its name.
      expect(await askFrom('back', `http://${address}:11434/api/version`)).toMatchObject({ status: 200 })
      expect(await askFrom('front', 'http://ollascope:11435/api/version')).toMatchObject({ status: 200 })
    }, 120_000)

    test('a foreign page, and who has no token, are refused', async () => {
      const headers = { origin: 'https://evil.example' }
      expect(await ask(`${PROXY}/api/tags`, { headers })).toMatchObject({ status: 403 })
      for (const port of [9435, 9436]) {
        expect(await ask(`http://127.0.0.1:${port}/metrics`)).toMatchObject({ status: 401 })
        expect(await ask(`http://127.0.0.1:${port}/healthz`)).toMatchObject({ status: 200 })
      }
    })

    test(
      'an out-of-memory kill and a model on the CPU each page, and nothing else does',
      { timeout: 2 * PAGE_MS },
      async () => {
        const killedAtMs = Date.now()
        await world.dockerd.docker('exec', 'ollama', 'touch', '/tmp/eat')
        const oom = await page('OllamaContainerOOMKilled')
        console.log(`OllamaContainerOOMKilled came ${Math.round((Date.now() - killedAtMs) / 1000)} s behind the kill`)
        expect(oom).toMatchObject({ receiver: 'pager', labels: { name: 'ollama', severity: 'critical' } })
        const fallback = await page('OllamaCPUFallback')
        expect(fallback).toMatchObject({ receiver: 'pager', labels: { severity: 'critical' } })
        for (const { annotations } of [oom, fallback])
          expect(annotations.runbook_url).toMatch(/\/docs\/runbooks\/Ollama\w+\.md$/)

        // Its child died; Ollama did not.
        expect(await query('container_oom_events_total{name="ollama"}')).toMatchObject([{ value: 1 }])
        expect(Date.parse((await inspected('ollama')).State.StartedAt)).toBeLessThan(killedAtMs)
        expect(await generate(PROXY)).toMatchObject({ status: 200 })
        const woken = (await notices())
          .filter(({ receiver }) => receiver === 'pager')
          .map(({ labels }) => labels.alertname)
        expect(new Set(woken)).toEqual(new Set(['OllamaCPUFallback', 'OllamaContainerOOMKilled']))
      },
    )

    test(
      '`make doctor` finds it well; then each thing that is broken, and what to type',
      { timeout: 300_000 },
      async () => {
        const well = await world.cpu.make('doctor')
        console.log(well)
        expect(well).toMatch(
          /^ok +Ollama answers +http:\/\/127\.0\.0\.1:11435 .*container ollama publishes no port.*gemma3/m,
        )
        expect(well).toMatch(/^ok +Collectors work .*docker ok/m)
        expect(well).toMatch(/^ok +Metrics scrape .*ollama_up is 1/m)
        expect(well).toMatch(/^ok +Proxy in the apps' network /m)
        expect(well).toMatch(/^ok +Prometheus scrapes both /m)
        expect(well).toMatch(/^ok +Alertmanager gets the alerts /m)
        expect(well).toMatch(/^healthy: 0 failed/m)

        const { dockerd } = world
        const names = ['ollama', 'ollascope_alertmanager_1', 'ollascope_docker-socket-proxy_1']
        await dockerd.docker('stop', '--time=5', ...names)
        const broken = await waitFor(
          'what is broken to be noticed',
          async () => {
            const said = await world.cpu.make('doctor').then(
              () => '',
              (error: unknown) => String(error),
            )
            return /FAIL +Collectors work .*docker/.test(said) && said
          },
          120_000,
        )
        console.log(broken)
        expect(broken).toMatch(/^FAIL +Containers are up and healthy .*ollama exited/m)
        expect(broken).toMatch(/^FAIL +Ollama answers +container ollama is exited$/m)
        expect(broken).toMatch(/^ok +Ports /m)
        expect(broken).toMatch(/^(FAIL|WARN) +Alertmanager gets the alerts /m)
        expect(broken).toMatch(/^ +-> docker logs --tail 50 ollama; docker start ollama$/m)
        await dockerd.docker('start', ...names)
        await waitFor('it to be well again', () => world.cpu.make('doctor').catch(() => false), 120_000)
      },
    )

    test('`make down` stops it and keeps its data; `make clean` asks first', { timeout: 180_000 }, async () => {
      await world.cpu.make('down')
      expect((await inspectAll(world.dockerd)).size).toBe(0)
      await expect(world.cpu.make('clean', 'n\n')).rejects.toThrow(/nothing was removed/)
      expect(await world.dockerd.docker('volume', 'ls', '--quiet')).toContain('ollascope_prometheus_data')
    })

    test('without a secret it does not start, and says which', async () => {
      const secret = join(world.checkout, 'deploy/secrets/ollascope-admin-token')
      rmSync(secret)
      const start = world.cpu.compose('up', '--detach', '--no-deps', 'ollascope')
      await expect(start).rejects.toThrow(`path does not exist: ${secret}`)
      await world.cpu.make('secrets')
      expect(statSync(secret).size).toBe(64)
      await world.cpu.compose('down', '--volumes')
    }, 120_000)
  })

  /** Starts a native Ollama beside the stack, and sees that a request gets to it, and its numbers to Prometheus. */
  const startBesideOllama = (stack: 'dev' | 'linux', host: string, services: readonly string[]) => {
    let stopOllama = () => Promise.resolve()
    beforeAll(async () => {
      const [program, args] = world.dockerd.enter(NODE, builtProgram(), 'demo', '--host', host, '--speed', '0')
      const ollama = startProgram(program, args, { onEnd: (stop) => (stopOllama = stop) })
      await waitFor('the stand-in', () => ollama.stdout().includes('\n'))
    })
    afterAll(() => stopOllama())

    test('`make up` starts it, and a request goes through to Prometheus', { timeout: 400_000 }, async () => {
      await up(stack, services, ['ollascope', 'ollascope-collector'])
      expect(await generate(PROXY)).toMatchObject({ status: 200 })
      const counted = 'sum(ollama_inference_requests_total{outcome="length"})'
      await waitFor('the request', async () => (await query(counted))[0]?.value === 1, 60_000)
      expect(await query('ollama_up')).toMatchObject([{ labels: { component: 'collector' }, value: 1 }])
    })
  }
  const BOTH = ['ollascope', 'ollascope-collector', 'prometheus', 'alertmanager']

  describe('development, where containers reach the native Ollama', () => {
    startBesideOllama('dev', '0.0.0.0', [...BOTH, 'docker-socket-proxy'])

    test('a change of the sources starts it again', { timeout: 120_000 }, async () => {
      const starts = async () =>
        (await world.dev.compose('logs', '--no-color', 'ollascope')).split('"proxy":').length - 1
      const before = await starts()
      expect(before).toBeGreaterThan(0)
      appendFileSync(join(world.checkout, 'src/version.ts'), '\n')
      await waitFor('it to start again', async () => (await starts()) > before, 60_000)
      await waitFor('it to answer', async () => (await generate(PROXY)).status === 200, 60_000)
    })

    test('`make down` stops it', { timeout: 180_000 }, async () => {
      await world.dev.make('down')
      expect((await inspectAll(world.dockerd)).size).toBe(0)
      await world.dev.compose('down', '--volumes')
    })
  })

  describe('Linux, where the native Ollama is on loopback', () => {
    startBesideOllama('linux', '127.0.0.1', BOTH)

    test('`make clean` removes it, its data and its images', { timeout: 180_000 }, async () => {
      await world.linux.make('clean', 'y\n')
      expect((await inspectAll(world.dockerd)).size).toBe(0)
      expect(await world.dockerd.docker('volume', 'ls', '--quiet')).not.toContain('ollascope_')
      expect(await world.dockerd.docker('images', '--quiet', 'ollascope:latest')).toBe('')
    })
  })
}

describeWithDockerd('the stack, in real containers', body, NEEDS)
