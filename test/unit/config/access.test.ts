import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../../src/config.ts'
import type { Env } from '../../../src/config.ts'

const [a, b] = ['a'.repeat(64), 'b'.repeat(64)]
const CONFIG = { OLLASCOPE_CONFIG: '/config' }
const TOKENS = { OLLASCOPE_TOKENS_FILE: '/tokens' }

const reader = (config: string, tokens: string) => (path: string) => (path === '/config' ? config : tokens)

function problemsOf(env: Env, readFile: (path: string) => string): readonly string[] {
  try {
    loadConfig(env, readFile)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return expect.fail(`accepted: ${JSON.stringify(env)}`)
}

describe('tokens', () => {
  const readFile = reader(`tokens: {x: ${a}}`, `y:${b}`)
  const [x, y] = [
    { name: 'x', sha256: a },
    { name: 'y', sha256: b },
  ]

  it('are those of the config file and of their own file', () => {
    expect(loadConfig(CONFIG, readFile).access).toMatchObject({ tokens: [x], fileTokens: [x], tokensFile: undefined })
    expect(loadConfig(TOKENS, readFile).access).toMatchObject({ tokens: [y], fileTokens: [], tokensFile: '/tokens' })
    const both = loadConfig({ ...CONFIG, ...TOKENS }, readFile).access
    expect(both).toMatchObject({ tokens: [x, y], fileTokens: [x], tokensFile: '/tokens' })
    expect(loadConfig(CONFIG, () => 'models: {}').access.tokens).toBeUndefined()
  })

  it('name clients in metrics, unless that is turned off', () => {
    const labelOf = (env: Env) => loadConfig(env, readFile).clientLabel
    expect([labelOf({}), labelOf(CONFIG), labelOf(TOKENS)]).toEqual([false, true, true])
    const label = (text: string) => ({ OLLASCOPE_METRICS_CLIENT_LABEL: text })
    expect(labelOf({ ...TOKENS, ...label('true') })).toBe(true)
    expect(labelOf({ ...CONFIG, ...label('true') })).toBe(true)
    expect(labelOf({ ...CONFIG, ...label('false') })).toBe(false)
    expect(labelOf(label('false'))).toBe(false)
    expect(problemsOf(label('true'), readFile)).toEqual([
      'OLLASCOPE_METRICS_CLIENT_LABEL=true: no client has a name without tokens; ' +
        'set OLLASCOPE_TOKENS_FILE, or tokens in OLLASCOPE_CONFIG',
    ])
  })

  it('are not missed where they are the mistake', () => {
    const label = { OLLASCOPE_METRICS_CLIENT_LABEL: 'true' }
    expect(problemsOf({ ...label, ...TOKENS }, () => '')).toEqual([
      'OLLASCOPE_TOKENS_FILE=/tokens: no token in it; write name:sha256hex lines',
    ])
    expect(problemsOf({ ...label, ...CONFIG }, () => 'tokens: ')).toEqual([
      'OLLASCOPE_CONFIG=/config: line 1: tokens: not a map of tokens; write name: hash, or leave tokens out',
    ])
  })

  it('are broken line by line', () => {
    expect(problemsOf(TOKENS, () => `hush\nx:${a}\ny:${a}\n`)).toEqual([
      'OLLASCOPE_TOKENS_FILE=/tokens: line 1: not name:sha256hex; write the 64 hex digits that ' +
        'printf %s "$TOKEN" | sha256sum prints, after the name and a colon',
      'OLLASCOPE_TOKENS_FILE=/tokens: line 3: a hash that stands above already; write it once',
    ])
  })

  it('stand in one of the two files only', () => {
    expect(problemsOf({ ...CONFIG, ...TOKENS }, reader(`tokens: {x: [${b}, ${a}]}`, `y:${a.toUpperCase()}`))).toEqual([
      'OLLASCOPE_TOKENS_FILE=/tokens: y has the token of x in OLLASCOPE_CONFIG; write it once',
    ])
  })
})

describe('hosts and origins', () => {
  it.each([
    ['127.0.0.1:80', 'ollama'],
    ['[::1]:80', 'ollama'],
    ['localhost:80', 'ollama'],
    [':80', 'any'],
    ['0.0.0.0:80', 'any'],
    ['10.0.0.1:80', 'any'],
  ])('of a proxy on %s are by default: %s', (listen, rule) => {
    const auto = { OLLASCOPE_ALLOWED_HOSTS: 'auto', OLLASCOPE_ALLOWED_ORIGINS: 'auto' }
    for (const env of [{}, auto]) {
      const { allowedHosts, allowedOrigins } = loadConfig({ OLLASCOPE_LISTEN: listen, ...env }, String).access
      expect([allowedHosts, allowedOrigins]).toEqual([rule, rule])
    }
    const env = { OLLASCOPE_LISTEN: listen, OLLASCOPE_ALLOWED_HOSTS: '*', OLLASCOPE_ALLOWED_ORIGINS: 'http://a' }
    expect(loadConfig(env, String).access).toMatchObject({ allowedHosts: 'any', allowedOrigins: ['http://a'] })
  })

  it('are mistakes of their own', () => {
    const env = { OLLASCOPE_LISTEN: 'x', OLLASCOPE_ALLOWED_HOSTS: 'http://a', OLLASCOPE_ALLOWED_ORIGINS: 'a' }
    expect(problemsOf({ ...env, OLLASCOPE_TRUSTED_PROXIES: 'a' }, String).map((line) => line.split(': ')[0])).toEqual([
      'OLLASCOPE_LISTEN=x',
      'OLLASCOPE_ALLOWED_HOSTS=http://a',
      'OLLASCOPE_ALLOWED_ORIGINS=a',
      'OLLASCOPE_TRUSTED_PROXIES=a',
    ])
  })
})
