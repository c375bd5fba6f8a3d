import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../../src/config.ts'
import type { Env } from '../../../src/config.ts'

const collectOf = (env: Env) => loadConfig(env, () => expect.fail('no file is to be read')).collect

describe('where Docker is', () => {
  it('is the own setting, and nothing of Docker beside it', () => {
    for (const theirs of ['tcp://theirs:2375', 'ssh://theirs', 'x', '']) {
      const env = { DOCKER_HOST: theirs, OLLASCOPE_DOCKER_HOST: 'tcp://ours:2375' }
      expect(collectOf(env).dockerHost).toBe('tcp://ours:2375')
    }
  })

  it.each(['unix:///run/docker.sock', 'tcp://h', 'ssh://me@host', 'npipe://x', 'docker:2375', 'x y', '\u0001', '../x'])(
    "is Docker's own DOCKER_HOST where there is none, whatever it holds: %j",
    (theirs) => {
      expect(collectOf({ DOCKER_HOST: theirs }).dockerHost).toBe(theirs)
      expect(collectOf({ DOCKER_HOST: theirs, OLLASCOPE_DOCKER_HOST: '' }).dockerHost).toBe(theirs)
    },
  )

  it('is not known where neither says so', () => {
    expect(collectOf({}).dockerHost).toBe('')
    expect(collectOf({ DOCKER_HOST: '', OLLASCOPE_DOCKER_HOST: '' }).dockerHost).toBe('')
  })

  it('is a mistake in the own setting, however good the other is', () => {
    const env = { DOCKER_HOST: 'unix:///var/run/docker.sock', OLLASCOPE_DOCKER_HOST: 'ssh://me@host' }
    expect(() => collectOf(env)).toThrow(ConfigError)
    expect(() => collectOf(env)).toThrow(/^OLLASCOPE_DOCKER_HOST=ssh:\/\/\*{8}@host: ssh:\/\/ is not supported; /)
  })
})

describe('where models may be stored', () => {
  const system = ['/usr/share/ollama/.ollama/models', '/root/.ollama/models']
  const storesOf = (env: Env) => collectOf(env).modelStores

  it('is first where OLLAMA_MODELS says, then at home, then where the installers put it', () => {
    expect(storesOf({ OLLAMA_MODELS: '/data/models', HOME: '/home/me' })).toEqual([
      '/data/models',
      '/home/me/.ollama/models',
      ...system,
    ])
    expect(storesOf({ HOME: '/home/me/' })).toEqual(['/home/me/.ollama/models', ...system])
    expect(storesOf({ OLLAMA_MODELS: '/data' })).toEqual(['/data', ...system])
    expect(storesOf({ HOME: '/' })).toEqual(['/.ollama/models', ...system])
  })

  it('is each place once, the likeliest first', () => {
    expect(storesOf({ HOME: '/root' })).toEqual(['/root/.ollama/models', '/usr/share/ollama/.ollama/models'])
    expect(storesOf({ OLLAMA_MODELS: '/m/.ollama/models', HOME: '/m' })).toEqual(['/m/.ollama/models', ...system])
  })

  it.each(['', 'models', '~/models', './models', 'C:\\models'])('is nowhere that is not absolute: %j', (path) => {
    expect(storesOf({ OLLAMA_MODELS: path, HOME: path })).toEqual(system)
  })
})

describe('the folders of the session', () => {
  it('are taken as they are', () => {
    const { home, runtimeDir } = collectOf({ HOME: '/home/me', XDG_RUNTIME_DIR: '/run/user/1000' })
    expect({ home, runtimeDir }).toEqual({ home: '/home/me', runtimeDir: '/run/user/1000' })
  })

  it.each(['', 'me', '~', './run'])('are none where they are not absolute: %j', (path) => {
    expect(collectOf({ HOME: path, XDG_RUNTIME_DIR: path })).toMatchObject({ home: '', runtimeDir: '' })
  })
})
