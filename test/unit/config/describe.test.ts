import { describe, expect, it } from 'vitest'
import { describeTargets } from '../../../src/config/describe-targets.ts'
import { describeConfig, formatConfig, loadConfig } from '../../../src/config.ts'
import type { Env } from '../../../src/config.ts'

const noFile = (): string => expect.fail('no file is to be read')

const tokens = `ci:${'a'.repeat(64)}\nlaptop:${'b'.repeat(64)}\nci:${'c'.repeat(64)}\n`

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
      { variable: 'OLLASCOPE_FIRST_BYTE_TIMEOUT', value: '30m', source: 'default' },
      { variable: 'OLLASCOPE_IDLE_TIMEOUT', value: '10m', source: 'default' },
      { variable: 'OLLASCOPE_REQUEST_TIMEOUT', value: '', source: 'default' },
      { variable: 'OLLASCOPE_CONNECT_TIMEOUT', value: '5s', source: 'default' },
      { variable: 'OLLASCOPE_CONNECT_RETRIES', value: '0', source: 'default' },
      { variable: 'OLLASCOPE_RETRY_DELAY', value: '1s', source: 'default' },
      { variable: 'OLLASCOPE_MAX_REQUESTS_PER_MINUTE', value: '', source: 'default' },
      { variable: 'OLLASCOPE_MAX_IN_FLIGHT', value: '', source: 'default' },
      { variable: 'OLLASCOPE_MAX_CONTEXT_LENGTH', value: '', source: 'default' },
      { variable: 'OLLASCOPE_STREAMING', value: 'true', source: 'default' },
      { variable: 'OLLASCOPE_POLICY', value: 'full', source: 'default' },
      { variable: 'OLLASCOPE_TOKENS_FILE', value: '', source: 'default' },
      { variable: 'OLLASCOPE_TRUSTED_PROXIES', value: '', source: 'default' },
      { variable: 'OLLASCOPE_TLS_CERT_FILE', value: '', source: 'default' },
      { variable: 'OLLASCOPE_TLS_KEY_FILE', value: '', source: 'default' },
      { variable: 'OLLASCOPE_TLS_CLIENT_CA_FILE', value: '', source: 'default' },
      { variable: 'OLLASCOPE_ALLOWED_HOSTS', value: 'auto (any)', source: 'default' },
      { variable: 'OLLASCOPE_ALLOWED_ORIGINS', value: 'auto (any)', source: 'default' },
      { variable: 'OLLASCOPE_DRAIN_TIMEOUT', value: '30s', source: 'default' },
      { variable: 'OLLASCOPE_COLLECTORS', value: 'auto', source: 'default' },
      { variable: 'OLLASCOPE_COLLECT_INTERVAL', value: '10s', source: 'default' },
      { variable: 'OLLASCOPE_NVIDIA_SMI', value: 'nvidia-smi', source: 'default' },
      { variable: 'OLLASCOPE_DOCKER_HOST', value: '', source: 'default' },
      { variable: 'OLLASCOPE_CONTAINERS', value: '', source: 'default' },
      { variable: 'OLLASCOPE_GPU_EXPECTED', value: 'auto', source: 'default' },
      { variable: 'OLLASCOPE_READY_REQUIRES_GPU', value: 'false', source: 'default' },
      { variable: 'OLLASCOPE_PROC_ROOT', value: '/proc', source: 'default' },
      { variable: 'OLLASCOPE_SYS_ROOT', value: '/sys', source: 'default' },
      { variable: 'OLLASCOPE_STATE_DIR', value: '', source: 'default' },
      { variable: 'OLLASCOPE_GPU_PROCESSES', value: 'false', source: 'default' },
      { variable: 'OLLASCOPE_LOG_GPU', value: 'false', source: 'default' },
      { variable: 'OLLASCOPE_METRICS_MODEL_LIMIT', value: '100', source: 'default' },
      { variable: 'OLLASCOPE_STALL_AFTER', value: '60s', source: 'default' },
      { variable: 'OLLASCOPE_METRICS_CLIENT_LABEL', value: 'auto (false)', source: 'default' },
      { variable: 'OLLASCOPE_CONFIG', value: '', source: 'default' },
      { variable: 'OLLAMA_MODEL', value: '', source: 'default' },
      { variable: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: '', source: 'default' },
      { variable: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', value: '', source: 'default' },
      { variable: 'OTEL_EXPORTER_OTLP_HEADERS', value: '', source: 'default' },
      { variable: 'OTEL_EXPORTER_OTLP_TRACES_HEADERS', value: '', source: 'default' },
      { variable: 'OTEL_EXPORTER_OTLP_TIMEOUT', value: '10000', source: 'default' },
      { variable: 'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', value: '', source: 'default' },
      { variable: 'OTEL_EXPORTER_OTLP_COMPRESSION', value: 'none', source: 'default' },
      { variable: 'OTEL_EXPORTER_OTLP_TRACES_COMPRESSION', value: '', source: 'default' },
      { variable: 'OTEL_EXPORTER_OTLP_PROTOCOL', value: 'http/protobuf', source: 'default' },
      { variable: 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', value: '', source: 'default' },
      { variable: 'OTEL_TRACES_EXPORTER', value: 'otlp', source: 'default' },
      { variable: 'OTEL_SDK_DISABLED', value: 'false', source: 'default' },
      { variable: 'OTEL_SERVICE_NAME', value: '', source: 'default' },
      { variable: 'OTEL_RESOURCE_ATTRIBUTES', value: '', source: 'default' },
      { variable: 'OTEL_TRACES_SAMPLER', value: 'parentbased_always_on', source: 'default' },
      { variable: 'OTEL_TRACES_SAMPLER_ARG', value: '', source: 'default' },
      { variable: 'OTEL_BSP_SCHEDULE_DELAY', value: '5000', source: 'default' },
      { variable: 'OTEL_BSP_EXPORT_TIMEOUT', value: '30000', source: 'default' },
      { variable: 'OTEL_BSP_MAX_QUEUE_SIZE', value: '2048', source: 'default' },
      { variable: 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', value: '512', source: 'default' },
    ])
  })

  it('says that a secret came from a file, or that there is none', () => {
    const env = { OLLASCOPE_ADMIN_TOKEN_FILE: '/run/token' }
    const row = { variable: 'OLLASCOPE_ADMIN_TOKEN', value: '********', source: 'file' }
    expect(rowOf(env, 'OLLASCOPE_ADMIN_TOKEN', () => 'hush\n')).toEqual(row)
    expect(rowOf({}, 'OLLASCOPE_ADMIN_TOKEN')).toEqual({ ...row, value: '', source: 'default' })
  })

  it("shows Docker's own DOCKER_HOST where it counts, without what may be a secret", () => {
    const variable = 'OLLASCOPE_DOCKER_HOST'
    const row = { variable, value: 'ssh://********@host (DOCKER_HOST)', source: 'environment' }
    expect(rowOf({ DOCKER_HOST: 'ssh://me:hush@host' }, variable)).toEqual(row)
    const own = { DOCKER_HOST: 'ssh://me:hush@host', OLLASCOPE_DOCKER_HOST: 'tcp://proxy:2375' }
    expect(rowOf(own, variable)).toEqual({ ...row, value: 'tcp://proxy:2375' })
  })

  it('shows that nothing is to be collected, or some', () => {
    const valueOf = (text: string) => rowOf({ OLLASCOPE_COLLECTORS: text }, 'OLLASCOPE_COLLECTORS')?.value
    expect(['none', 'auto', 'host, NVIDIA'].map(valueOf)).toEqual(['none', 'auto', 'host, NVIDIA'])
  })

  it('names the older name that was used', () => {
    const row = { variable: 'OLLASCOPE_REQUEST_TIMEOUT', value: '2.5 (API_TIMEOUT)', source: 'environment' }
    expect(rowOf({ API_TIMEOUT: '2.5' }, 'OLLASCOPE_REQUEST_TIMEOUT')).toEqual(row)
    const both = { API_TIMEOUT: '2', OLLASCOPE_REQUEST_TIMEOUT: '2s' }
    expect(rowOf(both, 'OLLASCOPE_REQUEST_TIMEOUT')).toEqual({ ...row, value: '2s' })
  })

  it('says what auto came to', () => {
    const variables = ['ALLOWED_HOSTS', 'ALLOWED_ORIGINS', 'METRICS_CLIENT_LABEL'].map((name) => `OLLASCOPE_${name}`)
    const valuesOf = (env: Env) => variables.map((variable) => rowOf(env, variable, () => tokens)?.value)
    expect(valuesOf({ OLLASCOPE_TOKENS_FILE: '/t' })).toEqual(['auto (ollama)', 'auto (ollama)', 'auto (true)'])
    expect(valuesOf({ OLLASCOPE_LISTEN: ':80' })).toEqual(['auto (any)', 'auto (any)', 'auto (false)'])
    const lists = { OLLASCOPE_ALLOWED_HOSTS: 'a, *.B', OLLASCOPE_ALLOWED_ORIGINS: '*' }
    expect(valuesOf(lists)).toEqual(['a, *.B', '*', 'auto (false)'])
  })

  it("shows the paths of files, whatever they are called, but a secret's", () => {
    const row = { variable: 'OLLASCOPE_TOKENS_FILE', value: 'tokens', source: 'environment' }
    expect(rowOf({ OLLASCOPE_TOKENS_FILE: 'tokens' }, row.variable, () => tokens)).toEqual(row)
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

  it('says what models have of their own, and whose tokens are known', () => {
    const file = `
tokens: {night-job: ${'d'.repeat(64)}}
models:
  small: {processor: cpu}
  llama3:70b: {idleTimeout: 90s, connectRetries: 0, targets: {ttft: {p95: 4s}}}
  m: {processor: cpu, firstByteTimeout: 1h, retryDelay: 500ms}
  nothing: {}
`
    const env = { OLLASCOPE_CONFIG: '/f.yaml', OLLASCOPE_TOKENS_FILE: '/t' }
    const config = loadConfig(env, (path) => (path === '/t' ? tokens : file))
    expect(describeTargets(config).split('\n')).toEqual([
      'OLLASCOPE_CONFIG has 4 models, 0 tiers, 1 target',
      '  llama3:70b  no tier  ttft p95  at most 4s',
      '  llama3:70b    idleTimeout 90s, connectRetries 0',
      '  m:latest      firstByteTimeout 3600s, retryDelay 0.5s, processor cpu',
      '  small:latest  processor cpu',
      '4 tokens of 3 clients: night-job, ci, laptop',
      '',
    ])
    expect(linesOf(`tokens: {ci: ${'a'.repeat(64)}}`)).toEqual(['1 token of 1 client: ci'])
  })

  it('says nothing where there is no file, or nothing in it', () => {
    expect(describeTargets(loadConfig({}, noFile))).toBe('')
    expect(linesOf('# nothing yet')).toEqual([])
  })
})
