import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { loadConfig, settingsTable, type Config } from '../../src/config.ts'
import { describeWith } from '../helpers/needs.ts'
import { ROOT } from '../helpers/process.ts'
import { compose, serviceOf, STACK_NAMES, type Composed, type StackName } from './composed.ts'

const ENV_FILES = ['.env.dev', '.env.prod.example']
const known = new Set(settingsTable.map(({ variable }) => variable))
const read = (name: string) => readFileSync(join(ROOT, name), 'utf8')

/** What a secret holds. */
const TOKEN = 'a-token-for-tests'
const readFile = (path: string) => {
  if (path === '/run/secrets/ollascope-admin-token') return TOKEN
  if (path === '/etc/ollascope/config.yaml') return read('deploy/ollascope/config.example.yaml')
  if (path === '/etc/ollascope/tokens') return `ci:${'0a'.repeat(32)}\n`
  throw new Error(`nobody mounts ${path}`)
}

describe('environment files', () => {
  test.each(ENV_FILES)('%s is taken as it is, and says where the proxy is', (name) => {
    const env = parseEnv(read(name))
    expect(() => loadConfig(env, readFile)).not.toThrow()
    expect(env.OLLAMA_BASE_URL).toBe('http://localhost:11435')
    expect(read(name)).toContain('\n# OLLAMA_BASE_URL=http://ollascope:11435\n')
    // Both are in git.
    for (const variable of Object.keys(env)) expect(variable).not.toMatch(/PASSWORD|TOKEN$|KEY$/)
  })

  test('what is commented out in them is a setting too', () => {
    for (const name of ENV_FILES) {
      const text = read(name).replaceAll(/^# ([A-Z_]+=)/gm, '$1')
      expect(() => loadConfig(parseEnv(text), readFile), name).not.toThrow()
    }
  })

  test('production has the values that its documents promise', () => {
    const config = loadConfig(parseEnv(read('.env.prod.example')), readFile)
    expect(config.timeouts.requestMs).toBe(300_000)
    expect(config.retries).toEqual({ connect: 3, delayMs: 1000 })
    expect(config.limits).toEqual({ inFlight: 64, contextLength: 4096, streaming: true })
    const env = parseEnv(read('.env.prod.example'))
    expect(env).toMatchObject({
      OLLAMA_NUM_PARALLEL: '1',
      OLLAMA_MAX_LOADED_MODELS: '1',
      OLLAMA_FLASH_ATTENTION: '1',
      OLLAMA_MEMORY: '6g',
      OLLAMA_MEMORY_RESERVATION: '3g',
      OLLAMA_CPUS: '2',
      MAX_REQUESTS_PER_MINUTE: '60',
    })
  })
})

describeWith(['docker-compose'], 'the settings in the compose files', () => {
  const stacks = new Map<StackName, Composed>()
  beforeAll(async () => {
    for (const name of STACK_NAMES) stacks.set(name, await compose(name))
  }, 120_000)

  const envOf = (stack: Composed, service: string): Record<string, string> => {
    const entries = Object.entries(serviceOf(stack, service).environment ?? {})
    return Object.fromEntries(entries.flatMap(([name, value]) => (value === null ? [] : [[name, value]])))
  }
  const configOf = (name: StackName, service: string): Config => {
    const stack = stacks.get(name)
    if (stack === undefined) throw new Error(name)
    return loadConfig(envOf(stack, service), readFile)
  }

  test('are those of the program, and pass its check, in every stack', () => {
    for (const name of STACK_NAMES) {
      for (const service of ['ollascope', 'ollascope-collector']) {
        const config = configOf(name, service)
        expect(config.adminToken, `${name} ${service}`).toBe(TOKEN)
        expect(config.log.format).toBe('json')
      }
    }
    const named = [...stacks.values()].flatMap((stack) =>
      ['ollascope', 'ollascope-collector'].flatMap((name) => Object.keys(serviceOf(stack, name).environment ?? {})),
    )
    expect(named.filter((variable) => variable.startsWith('OLLASCOPE_') && !known.has(variable))).toEqual([])
  })

  test('can all be set from an environment file', async () => {
    const stack = await compose('base')
    const passed = new Set(
      ['ollascope', 'ollascope-collector'].flatMap((name) => Object.keys(serviceOf(stack, name).environment ?? {})),
    )
    const missing = [...known].filter((variable) => variable.startsWith('OLLASCOPE_') && !passed.has(variable))
    // The token is a file; without one the listener would be open to the whole network.
    expect(missing.sort()).toEqual(['OLLASCOPE_ADMIN_INSECURE', 'OLLASCOPE_ADMIN_TOKEN'])
  })

  test('send each process where it belongs', () => {
    const upstreams = { dev: 'http://host.docker.internal:11434', linux: 'http://127.0.0.1:11434' }
    for (const name of STACK_NAMES) {
      const wanted = name === 'dev' || name === 'base' ? upstreams.dev : name === 'linux' ? upstreams.linux : undefined
      expect(configOf(name, 'ollascope').upstream.url).toBe(wanted ?? 'http://ollama:11434')
      expect(configOf(name, 'ollascope-collector').upstream.url).toBe(wanted ?? 'http://ollama:11434')
    }
    expect(configOf('prod', 'ollascope-collector').collect.dockerHost).toBe('tcp://docker-socket-proxy:2375')
    expect(configOf('prod', 'ollascope').gpuExpected).toBe('true')
    expect(configOf('cpu', 'ollascope').gpuExpected).toBe('false')
    expect(configOf('dev', 'ollascope-collector').collect.collectors).toEqual(['ollama', 'host'])
  })

  test('keep Ollama’s own rules for Host and Origin where the port is published', () => {
    const { access } = configOf('prod', 'ollascope')
    expect(access.allowedHosts).toEqual(expect.arrayContaining(['localhost', '127.0.0.1', 'ollascope']))
    expect(access.allowedHosts).not.toBe('any')
    expect(access.allowedOrigins).toEqual(expect.arrayContaining(['http://localhost:*']))
    expect(configOf('linux', 'ollascope').access.allowedHosts).toBe('ollama')
  })
})

test('what is mounted is there', () => {
  for (const name of STACK_FILES) {
    const paths = read(name).matchAll(/\.\/([\w./-]+):\/[\w./-]+:ro/g)
    for (const [, path = ''] of paths) {
      if (!path.startsWith('deploy/secrets')) expect(existsSync(join(ROOT, path)), `${name}: ${path}`).toBe(true)
    }
  }
})

const STACK_FILES = ['', '.dev', '.linux', '.prod', '.cpu', '.amd', '.oom'].map((part) => `docker-compose${part}.yml`)
