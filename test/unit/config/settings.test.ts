import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig, settingsTable as tableForHelp } from '../../../src/config.ts'
import { createPair } from './certificates.ts'
import { allSettings, namesOf, settings, settingsTable } from '../../../src/config/settings.ts'

// What is documented, written down a second time: a name that is lost or renamed is seen here.
const supported = [
  'OLLASCOPE_UPSTREAM',
  'OLLASCOPE_LISTEN',
  'OLLASCOPE_ADMIN_LISTEN',
  'OLLASCOPE_ADMIN_TOKEN',
  'OLLASCOPE_ADMIN_TOKEN_FILE',
  'OLLASCOPE_ADMIN_INSECURE',
  'OLLASCOPE_LOG_LEVEL',
  'OLLASCOPE_LOG_FORMAT',
  'OLLASCOPE_UPSTREAM_HOST_HEADER',
  'OLLASCOPE_FIRST_BYTE_TIMEOUT',
  'OLLASCOPE_IDLE_TIMEOUT',
  'OLLASCOPE_REQUEST_TIMEOUT',
  'OLLASCOPE_CONNECT_TIMEOUT',
  'OLLASCOPE_CONNECT_RETRIES',
  'OLLASCOPE_RETRY_DELAY',
  'OLLASCOPE_MAX_REQUESTS_PER_MINUTE',
  'OLLASCOPE_MAX_IN_FLIGHT',
  'OLLASCOPE_MAX_CONTEXT_LENGTH',
  'OLLASCOPE_STREAMING',
  'OLLASCOPE_POLICY',
  'OLLASCOPE_TOKENS_FILE',
  'OLLASCOPE_TRUSTED_PROXIES',
  'OLLASCOPE_TLS_CERT_FILE',
  'OLLASCOPE_TLS_KEY_FILE',
  'OLLASCOPE_TLS_CLIENT_CA_FILE',
  'OLLASCOPE_ALLOWED_HOSTS',
  'OLLASCOPE_ALLOWED_ORIGINS',
  'OLLASCOPE_DRAIN_TIMEOUT',
  'OLLASCOPE_COLLECTORS',
  'OLLASCOPE_COLLECT_INTERVAL',
  'OLLASCOPE_NVIDIA_SMI',
  'OLLASCOPE_DOCKER_HOST',
  'OLLASCOPE_CONTAINERS',
  'OLLASCOPE_GPU_EXPECTED',
  'OLLASCOPE_READY_REQUIRES_GPU',
  'OLLASCOPE_PROC_ROOT',
  'OLLASCOPE_SYS_ROOT',
  'OLLASCOPE_STATE_DIR',
  'OLLASCOPE_GPU_PROCESSES',
  'OLLASCOPE_LOG_GPU',
  'OLLASCOPE_METRICS_MODEL_LIMIT',
  'OLLASCOPE_STALL_AFTER',
  'OLLASCOPE_METRICS_CLIENT_LABEL',
  'OLLASCOPE_CONFIG',
  'OLLAMA_MODEL',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_HEADERS_FILE',
  'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
  'OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE',
  'OTEL_EXPORTER_OTLP_TIMEOUT',
  'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT',
  'OTEL_EXPORTER_OTLP_COMPRESSION',
  'OTEL_EXPORTER_OTLP_TRACES_COMPRESSION',
  'OTEL_EXPORTER_OTLP_PROTOCOL',
  'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
  'OTEL_TRACES_EXPORTER',
  'OTEL_SDK_DISABLED',
  'OTEL_SERVICE_NAME',
  'OTEL_RESOURCE_ATTRIBUTES',
  'OTEL_TRACES_SAMPLER',
  'OTEL_TRACES_SAMPLER_ARG',
  'OTEL_BSP_SCHEDULE_DELAY',
  'OTEL_BSP_EXPORT_TIMEOUT',
  'OTEL_BSP_MAX_QUEUE_SIZE',
  'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
]
const olderNames = {
  API_TIMEOUT: 'OLLASCOPE_REQUEST_TIMEOUT',
  MAX_RETRIES: 'OLLASCOPE_CONNECT_RETRIES',
  RETRY_DELAY: 'OLLASCOPE_RETRY_DELAY',
  MAX_REQUESTS_PER_MINUTE: 'OLLASCOPE_MAX_REQUESTS_PER_MINUTE',
  MAX_CONTEXT_LENGTH: 'OLLASCOPE_MAX_CONTEXT_LENGTH',
  ENABLE_STREAMING: 'OLLASCOPE_STREAMING',
}

const { cert, key } = createPair()
const files: Readonly<Record<string, string>> = {
  '/config': 'tiers: {batch: }',
  '/tokens': `ci:${'0'.repeat(64)}\n`,
  '/cert': cert,
  '/key': key,
}
const load = (env: Record<string, string>) => loadConfig(env, (path) => files[path] ?? 'from-a-file\n')

describe('the table of settings', () => {
  it('is what config.ts hands out', () => expect(tableForHelp).toBe(settingsTable))

  it('has every documented name, and no other', () => {
    expect(settingsTable.map((row) => row.variable)).toEqual(supported)
    const older = Object.values(settings).flatMap((row) => Object.keys(row.aliases).map((name) => [name, row.variable]))
    expect(Object.fromEntries(older)).toEqual(olderNames)
  })

  it('has each name once, and a meaning for each', () => {
    const names = allSettings.flatMap(namesOf)
    expect(new Set(names).size).toBe(names.length)
    for (const row of settingsTable) expect(row.meaning, row.variable).not.toBe('')
  })

  it('runs the same with a default written down as with none', () => {
    for (const { variable, default: text } of Object.values(settings)) {
      expect(load({ [variable]: text }), variable).toEqual(load({}))
    }
  })
})

describe('an older name', () => {
  it.each([
    ['API_TIMEOUT', '30', '30s'],
    ['API_TIMEOUT', '2.5', '2500ms'],
    ['MAX_RETRIES', '3', '3'],
    ['RETRY_DELAY', '0.5', '500ms'],
    ['RETRY_DELAY', '0', '0ms'],
    ['MAX_REQUESTS_PER_MINUTE', '60', '60'],
    ['MAX_CONTEXT_LENGTH', '8192', '8192'],
    ['ENABLE_STREAMING', 'NO', 'false'],
    ['ENABLE_STREAMING', '1', 'true'],
  ] as const)('%s=%s is the newer one with %s', (older, text, newerText) => {
    const newer = olderNames[older]
    expect(load({ [older]: text })).toEqual(load({ [newer]: newerText }))
    expect(load({ [older]: text, [newer]: newerText })).toEqual(load({ [newer]: newerText }))
    expect(load({ [older]: '' })).toEqual(load({}))
  })
})

describe('no variable of the table is silently without effect', () => {
  const others = {
    OLLASCOPE_UPSTREAM: 'http://other:1',
    OLLASCOPE_LISTEN: '127.0.0.1:1',
    OLLASCOPE_ADMIN_LISTEN: '127.0.0.1:1',
    OLLASCOPE_ADMIN_TOKEN: 'token',
    OLLASCOPE_ADMIN_TOKEN_FILE: '/run/token',
    OLLASCOPE_LOG_LEVEL: 'silent',
    OLLASCOPE_LOG_FORMAT: 'json',
    OLLASCOPE_UPSTREAM_HOST_HEADER: 'upstream',
    OLLASCOPE_FIRST_BYTE_TIMEOUT: '1ms',
    OLLASCOPE_IDLE_TIMEOUT: '1ms',
    OLLASCOPE_REQUEST_TIMEOUT: '1ms',
    API_TIMEOUT: '30',
    OLLASCOPE_CONNECT_TIMEOUT: '1ms',
    OLLASCOPE_CONNECT_RETRIES: '1',
    MAX_RETRIES: '10',
    OLLASCOPE_RETRY_DELAY: '0ms',
    RETRY_DELAY: '2.5',
    OLLASCOPE_MAX_REQUESTS_PER_MINUTE: '1',
    MAX_REQUESTS_PER_MINUTE: '60',
    OLLASCOPE_MAX_IN_FLIGHT: '1',
    OLLASCOPE_MAX_CONTEXT_LENGTH: '1',
    MAX_CONTEXT_LENGTH: '8192',
    OLLASCOPE_STREAMING: 'false',
    ENABLE_STREAMING: 'False',
    OLLASCOPE_POLICY: 'read-only',
    OLLASCOPE_TOKENS_FILE: '/tokens',
    OLLASCOPE_TRUSTED_PROXIES: '10.0.0.0/8',
    OLLASCOPE_ALLOWED_HOSTS: 'ollama',
    OLLASCOPE_ALLOWED_ORIGINS: '*',
    OLLASCOPE_DRAIN_TIMEOUT: '0ms',
    OLLASCOPE_COLLECTORS: 'none',
    OLLASCOPE_COLLECT_INTERVAL: '1m',
    OLLASCOPE_NVIDIA_SMI: '/nvidia-smi',
    OLLASCOPE_DOCKER_HOST: 'tcp://docker',
    OLLASCOPE_CONTAINERS: 'a',
    OLLASCOPE_GPU_EXPECTED: 'true',
    OLLASCOPE_READY_REQUIRES_GPU: 'true',
    OLLASCOPE_PROC_ROOT: '/host/proc',
    OLLASCOPE_SYS_ROOT: '/host/sys',
    OLLASCOPE_STATE_DIR: '/state',
    OLLASCOPE_GPU_PROCESSES: 'true',
    OLLASCOPE_LOG_GPU: 'true',
    OLLASCOPE_METRICS_MODEL_LIMIT: '1',
    OLLASCOPE_STALL_AFTER: '1s',
    OLLASCOPE_CONFIG: '/config',
    OLLAMA_MODEL: 'm',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318/x',
  }
  it.each(Object.entries(others))('%s=%s changes the Config', (variable, text) => {
    expect(load({ [variable]: text })).not.toEqual(load({}))
  })

  it('what needs others to have an effect has one with them', () => {
    const alone = [...supported, ...Object.keys(olderNames)].filter((variable) => !(variable in others))
    expect(alone).toEqual([
      'OLLASCOPE_ADMIN_INSECURE',
      'OLLASCOPE_TLS_CERT_FILE',
      'OLLASCOPE_TLS_KEY_FILE',
      'OLLASCOPE_TLS_CLIENT_CA_FILE',
      'OLLASCOPE_METRICS_CLIENT_LABEL',
      ...supported.filter((variable) => variable.startsWith('OTEL_') && !variable.endsWith('_ENDPOINT')),
    ])
    expect(() => load({ OLLASCOPE_ADMIN_LISTEN: ':1' })).toThrow(ConfigError)
    expect(load({ OLLASCOPE_ADMIN_LISTEN: ':1', OLLASCOPE_ADMIN_INSECURE: 'true' }).adminListen.port).toBe(1)
    const pair = { OLLASCOPE_TLS_CERT_FILE: '/cert', OLLASCOPE_TLS_KEY_FILE: '/key' }
    expect(load(pair).tls).toMatchObject({ cert, key, clientCa: undefined })
    expect(load({ ...pair, OLLASCOPE_TLS_CLIENT_CA_FILE: '/cert' }).tls?.clientCa).toBe(cert)
    const tokens = { OLLASCOPE_TOKENS_FILE: '/tokens' }
    expect(load({ ...tokens, OLLASCOPE_METRICS_CLIENT_LABEL: 'false' })).not.toEqual(load(tokens))
  })

  it('a slip of one letter anywhere in a name is refused, with the name that was meant', () => {
    for (const variable of supported.filter((name) => name.startsWith('OLLASCOPE_'))) {
      for (let at = 'OLLASCOPE_'.length; at < variable.length; at++) {
        const slip = variable.slice(0, at) + variable.slice(at + 1)
        expect(() => load({ [slip]: 'x' }), slip).toThrow(`unknown setting; did you mean ${variable}?`)
      }
    }
  })
})
