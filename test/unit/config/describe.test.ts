import { describe, expect, it } from 'vitest'
import { describeTargets } from '../../../src/config/describe-targets.ts'
import { describeConfig, formatConfig, loadConfig } from '../../../src/config.ts'
import type { Env } from '../../../src/config.ts'

const noFile = (): string => expect.fail('no file is to be read')

describe('describeConfig and formatConfig', () => {
  const describeOf = (env: Env, readFile = noFile) => describeConfig(loadConfig(env, readFile), env)
  const rowOf = (env: Env, variable: string, readFile = noFile) =>
    describeOf(env, readFile).find((row) => row.variable === variable)

  it('lists every supported setting, with where it comes from', () => {
    const env = { OLLASCOPE_LISTEN: ':80', OLLASCOPE_ADMIN_TOKEN: 'hush' }
    expect(describeOf(env)).toEqual([
      { variable: 'OLLASCOPE_UPSTREAM', value: 'http://127.0.0.1:11434', source: 'default' },
      { variable: 'OLLASCOPE_LISTEN', value: ':80', source: 'environment' },
      { variable: 'OLLASCOPE_ADMIN_LISTEN', value: '127.0.0.1:9435', source: 'default' },
      { variable: 'OLLASCOPE_ADMIN_TOKEN', value: '********', source: 'environment' },
      { variable: 'OLLASCOPE_ADMIN_INSECURE', value: 'false', source: 'default' },
      { variable: 'OLLASCOPE_LOG_LEVEL', value: 'info', source: 'default' },
      { variable: 'OLLASCOPE_LOG_FORMAT', value: 'auto', source: 'default' },
      { variable: 'OLLASCOPE_UPSTREAM_HOST_HEADER', value: 'auto (upstream)', source: 'default' },
      { variable: 'OLLASCOPE_DRAIN_TIMEOUT', value: '30s', source: 'default' },
      { variable: 'OLLASCOPE_COLLECT_INTERVAL', value: '10s', source: 'default' },
      { variable: 'OLLASCOPE_METRICS_MODEL_LIMIT', value: '100', source: 'default' },
      { variable: 'OLLASCOPE_STALL_AFTER', value: '60s', source: 'default' },
      { variable: 'OLLASCOPE_CONFIG', value: '', source: 'default' },
      { variable: 'OLLAMA_MODEL', value: '', source: 'default' },
    ])
  })

  it('says that a secret came from a file, or that there is none', () => {
    const env = { OLLASCOPE_ADMIN_TOKEN_FILE: '/run/token' }
    const row = { variable: 'OLLASCOPE_ADMIN_TOKEN', value: '********', source: 'file' }
    expect(rowOf(env, 'OLLASCOPE_ADMIN_TOKEN', () => 'hush\n')).toEqual(row)
    expect(rowOf({}, 'OLLASCOPE_ADMIN_TOKEN')).toEqual({ ...row, value: '', source: 'default' })
  })

  it('lists what is not supported yet where it was set to what happens anyway', () => {
    const row = { variable: 'OLLASCOPE_STREAMING', value: 'true', source: 'environment' }
    expect(rowOf({ ENABLE_STREAMING: 'true' }, 'OLLASCOPE_STREAMING')).toEqual(row)
    expect(rowOf({}, 'OLLASCOPE_STREAMING')).toBeUndefined()
  })

  it('prints aligned columns', () => {
    const rows = [
      { variable: 'A', value: '', source: 'default' },
      { variable: 'LONGER', value: 'a value', source: 'file' },
    ] as const
    expect(formatConfig(rows)).toBe('A       none     default\nLONGER  a value  file')
    expect(formatConfig([])).toBe('')
  })
})

describe('describeTargets', () => {
  const linesOf = (file: string) =>
    describeTargets(loadConfig({ OLLASCOPE_CONFIG: '/f.yaml' }, () => file))
      .split('\n')
      .slice(0, -1)

  it('says what the file means, in aligned columns', () => {
    const file =
      'tiers: {fast: {ttft: {p50: 500ms}}}\nmodels: {llama3:70b: {tier: fast}, m: {targets: {request: {p95: 5m}}}}'
    expect(linesOf(file)).toEqual([
      'OLLASCOPE_CONFIG has 2 models, 1 tier, 2 targets',
      '  llama3:70b  fast     ttft p50     at most 0.5s',
      '  m:latest    no tier  request p95  at most 300s',
    ])
    expect(linesOf('models: {m: }')).toEqual(['OLLASCOPE_CONFIG has 1 model, 0 tiers, 0 targets'])
  })

  it('says nothing where there is no file, or nothing in it', () => {
    expect(describeTargets(loadConfig({}, noFile))).toBe('')
    expect(linesOf('# nothing yet')).toEqual([])
  })
})
