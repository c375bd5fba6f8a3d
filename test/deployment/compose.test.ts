import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ROOT } from '../helpers/process.ts'
import { describeWith } from '../helpers/needs.ts'
import { compose, composeFiles, serviceOf, STACK_NAMES, type Composed, type StackName } from './composed.ts'

const stacks = new Map<StackName, Composed>()
const stackOf = (name: StackName): Composed => {
  const stack = stacks.get(name)
  if (stack === undefined) throw new Error(`${name} was not read`)
  return stack
}
/** Every service of every stack, with a name for messages. */
const all = () =>
  [...stacks].flatMap(([stack, { services }]) =>
    Object.entries(services).map(([name, service]) => ({ where: `${stack}: ${name}`, name, service })),
  )
const PRODUCTION = ['prod', 'cpu', 'amd', 'prod oom', 'cpu oom', 'amd oom'] as const
/** What the sources of a mount are. */
const mountsOf = (volumes: readonly string[] = []) => volumes.map((volume) => volume.split(':')[0] ?? '')

describeWith(['docker-compose'], 'the compose files', () => {
  beforeAll(async () => {
    for (const name of STACK_NAMES) stacks.set(name, await compose(name))
  }, 120_000)

  test('have the names that others count on', () => {
    const always = ['alertmanager', 'docker-socket-proxy', 'grafana', 'ollascope', 'ollascope-collector', 'prometheus']
    const byProfile = ['ollama-init', 'nginx', 'cadvisor', 'node-exporter', 'loki', 'alloy']
    expect(Object.keys(stackOf('base').services).sort()).toEqual([...always, ...byProfile].sort())
    for (const [name, { services }] of stacks) {
      expect('ollama' in services, name).toBe(PRODUCTION.some((one) => one === name))
    }
    const profiles = Object.entries(stackOf('prod').services).map(([name, { profiles }]) => [name, profiles])
    expect(Object.fromEntries(profiles.filter(([, one]) => one !== undefined))).toEqual({
      'ollama-init': ['init'],
      nginx: ['lb'],
      cadvisor: ['cadvisor'],
      'node-exporter': ['node-exporter'],
      loki: ['logging'],
      alloy: ['logging'],
    })
    const { volumes = {} } = stackOf('prod')
    expect(Object.keys(volumes)).toEqual(expect.arrayContaining(['ollama_data', 'prometheus_data', 'grafana_data']))
    expect(serviceOf(stackOf('prod'), 'ollama').container_name).toBe('ollama')
  })

  test('give no service more rights than it needs', () => {
    for (const { where, name, service } of all()) {
      expect(service.read_only, where).toBe(true)
      expect(service.cap_drop, where).toEqual(['ALL'])
      expect(service.cap_add ?? [], where).toEqual(name === 'cadvisor' ? ['SYSLOG'] : [])
      expect(service.security_opt, where).toEqual(['no-new-privileges:true'])
      expect(service.privileged, where).toBeUndefined()
      expect(service.pids_limit, where).toBeGreaterThan(0)
      expect(service.mem_limit, where).toMatch(/^\d+[mg]$/)
    }
  })

  test('let only those be root whose files are root’s', () => {
    const roots = all().filter(({ service }) => service.user === undefined || /^0(:|$)/.test(service.user))
    expect([...new Set(roots.filter(({ where }) => !where.includes(' oom')).map(({ name }) => name))].sort()).toEqual([
      'alloy',
      'cadvisor',
      'docker-socket-proxy',
      'ollama',
    ])
    const oom = roots.filter(({ where }) => where.includes(' oom')).map(({ name }) => name)
    expect([...new Set(oom)]).toContain('ollascope-collector')
    expect([...new Set(oom)]).not.toContain('ollascope')
  })

  test('publish on loopback only, but for nginx; Ollama is not published', () => {
    for (const { where, name, service } of all()) {
      const open = (service.ports ?? []).filter((port) => typeof port !== 'string' || !port.startsWith('127.0.0.1:'))
      const nginx = [
        { published: 80, target: 8080 },
        { published: 443, target: 8443 },
      ]
      expect(open, where).toEqual(name === 'nginx' ? nginx : [])
      if (name === 'ollama') expect(service.ports, where).toBeUndefined()
    }
    const ports = Object.values(stackOf('prod').services).flatMap(({ ports = [] }) => ports)
    const numbers = ports.map((port) => (typeof port === 'string' ? Number(port.split(':').at(-2)) : port.published))
    expect(numbers.sort((a, b) => a - b)).toEqual([80, 443, 3000, 8080, 9090, 9093, 9100, 9435, 9436, 11435])
  })

  test('put everything of the Linux stack on loopback', () => {
    const { services } = stackOf('linux')
    for (const [name, service] of Object.entries(services)) {
      expect(service.network_mode, name).toBe('host')
      const words = [...(service.command ?? []), ...Object.values(service.environment ?? {})].join(' ')
      expect(words, name).toMatch(/(listen-address=|^|\s)127\.0\.0\.\d/)
    }
    expect(serviceOf(stackOf('linux'), 'ollascope').environment).toMatchObject({
      OLLASCOPE_UPSTREAM: 'http://127.0.0.1:11434',
    })
    // The names that prometheus.yml asks.
    expect(serviceOf(stackOf('linux'), 'prometheus').extra_hosts).toEqual(
      expect.arrayContaining(['ollascope:127.0.0.1', 'ollascope-collector:127.0.0.2']),
    )
  })

  test('say the same in the Linux stack as in the others, but for networks', () => {
    const hosts = stackOf('linux').services
    for (const [name, host] of Object.entries(hosts)) {
      const bridged = serviceOf(stackOf('base'), name)
      for (const key of ['image', 'user', 'healthcheck', 'entrypoint', 'secrets', 'mem_limit', 'logging'] as const) {
        expect(host[key], `${name} ${key}`).toEqual(bridged[key])
      }
      expect(
        bridged.command?.filter((word) => !host.command?.includes(word)),
        name,
      ).toEqual(bridged.command === undefined ? undefined : [])
      expect(bridged.volumes, name).toEqual(expect.arrayContaining([...(host.volumes ?? [])]))
    }
  })

  test('give the Docker socket to its proxy alone', () => {
    for (const { where, name, service } of all()) {
      const mounts = mountsOf(service.volumes)
      const holdsSocket = mounts.some((path) => path.includes('docker.sock'))
      expect(holdsSocket, where).toBe(name === 'docker-socket-proxy')
      // A mount of these would have the socket in it.
      expect(
        mounts.filter((path) => ['/', '/run', '/var', '/var/run'].includes(path)),
        where,
      ).toEqual([])
    }
  })

  test('keep networks apart', () => {
    const { services, networks = {} } = stackOf('prod')
    const on = (network: string) => Object.keys(services).filter((name) => network in (services[name]?.networks ?? {}))
    expect(on('socket').sort()).toEqual(['cadvisor', 'docker-socket-proxy', 'ollascope-collector'])
    expect(networks.socket?.internal).toBe(true)
    expect(on('front').sort()).toEqual(['nginx', 'ollascope'])
    expect(on('back').sort()).toEqual(['ollama', 'ollama-init', 'ollascope', 'ollascope-collector'])
    expect(Object.keys(serviceOf(stackOf('prod'), 'ollascope').networks ?? {})).not.toContain('socket')
  })

  test('take the subnet from a variable', async () => {
    const { networks = {} } = await compose('prod', { SUBNET_PREFIX: '10.9.8' })
    const subnets = JSON.stringify(networks).match(/\d+\.\d+\.\d+\.\d+\/\d+/g)
    expect(subnets?.sort()).toEqual(['10.9.8.0/26', '10.9.8.128/26', '10.9.8.192/26', '10.9.8.64/26'])
  })

  test('rotate every log', () => {
    for (const { where, service } of all()) {
      expect(service.logging, where).toMatchObject({
        driver: 'json-file',
        options: { 'max-size': expect.stringMatching(/^\d+m$/) as string, 'max-file': '5' },
      })
      expect(service.restart, where).toMatch(/^(unless-stopped|on-failure)$/)
    }
  })

  test('read secrets from files, and have none in the environment', async () => {
    for (const { where, service } of all()) {
      for (const [name, value] of Object.entries(service.environment ?? {})) {
        if (/PASSWORD|TOKEN|SECRET|KEY/.test(name) && value !== null) expect(value, `${where} ${name}`).toMatch(/^\//)
      }
    }
    for (const name of PRODUCTION) {
      const { secrets } = stackOf(name)
      expect(Object.keys(secrets)).toEqual(expect.arrayContaining(['ollascope-admin-token', 'grafana-admin-password']))
    }
    expect(serviceOf(stackOf('prod'), 'prometheus').secrets).toEqual([
      { source: 'ollascope-admin-token', target: '/etc/prometheus/secrets/ollascope-admin-token' },
    ])
    // In production there is no default for where they are.
    for (const name of ['prod', 'cpu', 'amd']) {
      const files = ['docker-compose.yml', `docker-compose.${name}.yml`]
      await expect(composeFiles(files, [])).rejects.toThrow(/set it in .env.prod/)
      const text = readFileSync(join(ROOT, `docker-compose.${name}.yml`), 'utf8')
      expect(text.match(/file: \$\{SECRETS_DIR:\?/g), name).toHaveLength(2)
    }
  }, 60_000)

  test('give the GPU to Ollama and the collector, in prod only', () => {
    const devices = [{ driver: 'nvidia', count: 'all', capabilities: ['gpu'] }]
    for (const { where, name, service } of all()) {
      const has = where.startsWith('prod') && ['ollama', 'ollascope-collector'].includes(name)
      // Compose v2 refuses reservations beside a mem_reservation of another size.
      const memory = service.mem_reservation === undefined ? {} : { memory: service.mem_reservation }
      expect(service.deploy, where).toEqual(has ? { resources: { reservations: { devices, ...memory } } } : undefined)
      const env = service.environment ?? {}
      expect(env.NVIDIA_VISIBLE_DEVICES, where).toBe(has ? 'all' : undefined)
      expect(env.NVIDIA_DRIVER_CAPABILITIES, where).toBe(has ? 'compute,utility' : undefined)
    }
    const expected = { prod: 'true', cpu: 'false', amd: 'true' } as const
    for (const name of ['prod', 'cpu', 'amd'] as const) {
      for (const service of ['ollascope', 'ollascope-collector']) {
        expect(serviceOf(stackOf(name), service).environment).toMatchObject({ OLLASCOPE_GPU_EXPECTED: expected[name] })
      }
    }
    expect(serviceOf(stackOf('amd'), 'ollama').devices).toEqual(['/dev/dri:/dev/dri', '/dev/kfd:/dev/kfd'])
  })

  test('say the same of cpu and amd as of prod, but for the GPU', () => {
    for (const name of ['cpu', 'amd'] as const)
      expect(withoutGpu(stackOf(name)), name).toEqual(withoutGpu(stackOf('prod')))
  })

  test('share Ollama’s processes with the collector where oom is put on top, and nowhere else', () => {
    for (const { where, name, service } of all()) {
      const shares = where.includes(' oom') && name === 'ollascope-collector'
      expect(service.pid, where).toBe(shares ? 'service:ollama' : undefined)
    }
  })

  test('wait for what has to be there first', () => {
    const { services } = stackOf('prod')
    expect(services['ollama-init']?.depends_on).toEqual({ ollama: { condition: 'service_healthy' } })
    expect(services.nginx?.depends_on).toEqual({ ollascope: { condition: 'service_healthy' } })
    // It tells that Ollama is down, so it must not wait for it.
    expect(services.ollascope?.depends_on).toBeUndefined()
    for (const name of ['ollama', 'ollascope', 'ollascope-collector', 'prometheus', 'alertmanager', 'grafana']) {
      expect(services[name]?.healthcheck, name).toBeDefined()
    }
  })

  test('pin every image', () => {
    for (const { where, service } of all()) {
      const [, tag = ''] = /:([^:/]+)$/.exec(service.image) ?? []
      if (service.image.startsWith('ollascope:')) continue
      expect(tag, where).toMatch(/\d+\.\d+/)
    }
  })

  test('mount what is there, and serve the development stack from the sources', () => {
    const { services } = stackOf('dev')
    for (const name of ['ollascope', 'ollascope-collector']) {
      expect(services[name]?.image).toBe('ollascope:development')
      expect(services[name]?.volumes).toContain(`${join(ROOT, 'src')}:/app/src:ro`)
      expect(services[name]?.extra_hosts).toEqual({ 'host.docker.internal': 'host-gateway' })
    }
  })

  test('are files that the newer Compose takes too', () => {
    for (const part of ['', '.dev', '.linux', '.prod', '.cpu', '.amd', '.oom']) {
      const text = readFileSync(join(ROOT, `docker-compose${part}.yml`), 'utf8')
      const keys = Object.keys(parse(text, { merge: true }) as object)
      const known = ['services', 'networks', 'volumes', 'secrets']
      expect(keys.filter((key) => !key.startsWith('x-') && !known.includes(key))).toEqual([])
    }
  })
})

/** A stack, less what tells GPUs apart. */
function withoutGpu({ services, ...rest }: Composed): object {
  const plain = Object.entries(services).map(([name, service]) => {
    const { deploy, devices, environment = {}, image, ...others } = service
    expect(deploy === undefined || name.startsWith('oll')).toBe(true)
    const kept = Object.entries(environment).filter(([key]) => !/^NVIDIA_|GPU_EXPECTED/.test(key))
    const tag = image.replace(/-rocm$/, '')
    return [name, { ...others, image: tag, environment: kept, ...(name !== 'ollama' && { devices }) }]
  })
  return { ...rest, services: Object.fromEntries(plain) as object }
}
