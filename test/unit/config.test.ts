import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config.ts'
import { createPair } from './config/certificates.ts'
import { noFile, problemsOf } from './config/problems.ts'

const collectors = 'ollama, nvidia, amd, docker, cgroup, host'
const dockerHost = 'write unix:///var/run/docker.sock or tcp://host:2375'

describe('loadConfig', () => {
  it('runs with nothing set', () => {
    expect(loadConfig({}, noFile)).toEqual({
      upstream: { host: '127.0.0.1', port: 11434, url: 'http://127.0.0.1:11434' },
      listen: { host: '127.0.0.1', port: 11435 },
      adminListen: { host: '127.0.0.1', port: 9435 },
      adminToken: undefined,
      log: { level: 'info', format: 'auto' },
      upstreamHostHeader: 'client',
      drainTimeoutMs: 30_000,
      collect: {
        intervalMs: 10_000,
        collectors: undefined,
        nvidiaSmi: 'nvidia-smi',
        dockerHost: '',
        containers: [],
        procRoot: '/proc',
        sysRoot: '/sys',
        gpuProcesses: false,
        logGpu: false,
        modelStores: ['/usr/share/ollama/.ollama/models', '/root/.ollama/models'],
        home: '',
        runtimeDir: '',
      },
      gpuExpected: 'auto',
      readyRequiresGpu: false,
      stateDir: undefined,
      cpuModels: [],
      modelLimit: 100,
      stallAfterMs: 60_000,
      ollamaModel: undefined,
      timeouts: { connectMs: 5_000, firstByteMs: 1_800_000, idleMs: 600_000, requestMs: undefined },
      retries: { connect: 0, delayMs: 1_000 },
      models: new Map(),
      limits: { inFlight: undefined, contextLength: undefined, streaming: true },
      access: {
        policy: 'full',
        tokens: undefined,
        tokensFile: undefined,
        fileTokens: [],
        trustedProxies: [],
        allowedHosts: 'ollama',
        allowedOrigins: 'ollama',
        requestsPerMinute: undefined,
      },
      clientLabel: false,
      tls: undefined,
      traces: undefined,
      targets: [],
      configured: { models: 0, tiers: 0 },
    })
  })

  it('takes every setting that it supports', () => {
    const env = {
      OLLASCOPE_UPSTREAM: 'http://ollama:8080/',
      OLLASCOPE_LISTEN: ':11434',
      OLLASCOPE_ADMIN_LISTEN: '[::]:9000',
      OLLASCOPE_ADMIN_TOKEN: 'correct-horse',
      OLLASCOPE_ADMIN_INSECURE: 'false',
      OLLASCOPE_LOG_LEVEL: 'debug',
      OLLASCOPE_LOG_FORMAT: 'pretty',
      OLLASCOPE_UPSTREAM_HOST_HEADER: 'client',
      OLLASCOPE_FIRST_BYTE_TIMEOUT: '1h',
      OLLASCOPE_IDLE_TIMEOUT: '90s',
      OLLASCOPE_REQUEST_TIMEOUT: '2h',
      OLLASCOPE_CONNECT_TIMEOUT: '1ms',
      OLLASCOPE_CONNECT_RETRIES: '10',
      OLLASCOPE_RETRY_DELAY: '250ms',
      OLLASCOPE_MAX_REQUESTS_PER_MINUTE: '60',
      OLLASCOPE_MAX_IN_FLIGHT: '4',
      OLLASCOPE_MAX_CONTEXT_LENGTH: '131072',
      OLLASCOPE_STREAMING: 'false',
      OLLASCOPE_POLICY: 'inference-only',
      OLLASCOPE_TOKENS_FILE: '/etc/tokens',
      OLLASCOPE_TRUSTED_PROXIES: '10.0.0.0/8,::1',
      OLLASCOPE_TLS_CERT_FILE: '/etc/cert',
      OLLASCOPE_TLS_KEY_FILE: '/etc/key',
      OLLASCOPE_TLS_CLIENT_CA_FILE: '/etc/ca',
      OLLASCOPE_ALLOWED_HOSTS: 'ollama,*.example',
      OLLASCOPE_ALLOWED_ORIGINS: '*',
      OLLASCOPE_METRICS_CLIENT_LABEL: 'false',
      OLLASCOPE_DRAIN_TIMEOUT: '5m',
      OLLASCOPE_COLLECTORS: 'host,nvidia',
      OLLASCOPE_COLLECT_INTERVAL: '1s',
      OLLASCOPE_NVIDIA_SMI: '/opt/bin/nvidia-smi',
      OLLASCOPE_DOCKER_HOST: 'tcp://proxy:2375',
      OLLASCOPE_CONTAINERS: 'ollama,Other_1',
      OLLASCOPE_GPU_EXPECTED: 'false',
      OLLASCOPE_READY_REQUIRES_GPU: 'true',
      OLLASCOPE_PROC_ROOT: '/host/proc',
      OLLASCOPE_SYS_ROOT: '/host/sys/',
      OLLASCOPE_STATE_DIR: '/var/lib/ollascope',
      OLLASCOPE_GPU_PROCESSES: 'true',
      OLLASCOPE_LOG_GPU: 'true',
      OLLASCOPE_METRICS_MODEL_LIMIT: '10000',
      OLLASCOPE_STALL_AFTER: '90s',
      OLLASCOPE_CONFIG: '/etc/ollascope.yaml',
      OLLAMA_MODEL: 'llama3.2:1b',
    }
    const { cert, key } = createPair()
    const files = new Map([
      [
        '/etc/ollascope.yaml',
        `tokens: {b: ${'b'.repeat(64)}}\nmodels: {m: {processor: cpu, idleTimeout: 5s, targets: {ttft: {p95: 4s}}}}`,
      ],
      ['/etc/tokens', `a:${'A'.repeat(64)}`],
      ['/etc/cert', cert],
      ['/etc/key', key],
      ['/etc/ca', cert],
    ])
    const paths: string[] = []
    const readFile = (path: string) => {
      paths.push(path)
      return files.get(path) ?? noFile(path)
    }
    expect(loadConfig(env, readFile)).toEqual({
      upstream: { host: 'ollama', port: 8080, url: 'http://ollama:8080' },
      listen: { host: '', port: 11434 },
      adminListen: { host: '::', port: 9000 },
      adminToken: 'correct-horse',
      log: { level: 'debug', format: 'pretty' },
      upstreamHostHeader: 'client',
      drainTimeoutMs: 300_000,
      collect: {
        intervalMs: 1_000,
        collectors: ['nvidia', 'host'],
        nvidiaSmi: '/opt/bin/nvidia-smi',
        dockerHost: 'tcp://proxy:2375',
        containers: ['ollama', 'Other_1'],
        procRoot: '/host/proc',
        sysRoot: '/host/sys',
        gpuProcesses: true,
        logGpu: true,
        modelStores: ['/usr/share/ollama/.ollama/models', '/root/.ollama/models'],
        home: '',
        runtimeDir: '',
      },
      gpuExpected: 'false',
      readyRequiresGpu: true,
      stateDir: '/var/lib/ollascope',
      cpuModels: ['m:latest'],
      modelLimit: 10_000,
      stallAfterMs: 90_000,
      ollamaModel: 'llama3.2:1b',
      timeouts: { connectMs: 1, firstByteMs: 3_600_000, idleMs: 90_000, requestMs: 7_200_000 },
      retries: { connect: 10, delayMs: 250 },
      models: new Map([['m:latest', { idleMs: 5_000 }]]),
      limits: { inFlight: 4, contextLength: 131_072, streaming: false },
      access: {
        policy: 'inference-only',
        tokens: [
          { name: 'b', sha256: 'b'.repeat(64) },
          { name: 'a', sha256: 'a'.repeat(64) },
        ],
        tokensFile: '/etc/tokens',
        fileTokens: [{ name: 'b', sha256: 'b'.repeat(64) }],
        trustedProxies: ['10.0.0.0/8', '::1'],
        allowedHosts: ['ollama', '*.example'],
        allowedOrigins: 'any',
        requestsPerMinute: 60,
      },
      clientLabel: false,
      tls: { certFile: '/etc/cert', keyFile: '/etc/key', clientCaFile: '/etc/ca', cert, key, clientCa: cert },
      targets: [{ model: 'm:latest', tier: '', metric: 'ttft', quantile: 0.95, seconds: 4 }],
      configured: { models: 1, tiers: 0 },
    })
    expect(paths.sort()).toEqual([...files.keys()].sort())
  })

  it('is frozen all the way down', () => {
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && [...(value instanceof Map ? value : Object).values(value)].every(frozen))
    const model = '{idleTimeout: 5s, processor: cpu, targets: {ttft: {p95: 4s}}}'
    const file = `tokens: {ci: ${'b'.repeat(64)}}\nmodels: {llama3: ${model}}`
    const env = { OLLASCOPE_COLLECTORS: 'host', OLLASCOPE_CONTAINERS: 'a', OLLASCOPE_CONFIG: '/f' }
    const config = loadConfig(env, () => file)
    expect([config.targets.length, config.models.size, config.access.tokens?.length]).toEqual([1, 1, 1])
    expect([config.collect.collectors, config.collect.containers, config.cpuModels]).toEqual([
      ['host'],
      ['a'],
      ['llama3:latest'],
    ])
    expect(frozen(config)).toBe(true)
  })

  it('takes an empty variable for one that is not set, known or not', () => {
    const env = { OLLASCOPE_LISTEN: '', OLLASCOPE_ADMIN_TOKEN_FILE: '', OLLASCOPE_POLICY: '', OLLASCOPE_LISEN: '' }
    expect(loadConfig(env, noFile)).toEqual(loadConfig({}, noFile))
  })

  it('leaves alone what is not its own, and what Kubernetes injects for a service of its name', () => {
    const env = {
      PATH: '/bin',
      OLLAMA_HOST: '0.0.0.0',
      HTTP_PROXY: 'http://x',
      OLLASCOPE_SERVICE_HOST: '10.0.0.1',
      OLLASCOPE_SERVICE_PORT_PROXY: '11435',
      OLLASCOPE_PORT: 'tcp://10.0.0.1:11435',
      OLLASCOPE_PORT_11435_TCP_ADDR: '10.0.0.1',
    }
    expect(loadConfig(env, noFile)).toEqual(loadConfig({}, noFile))
  })

  it.each([
    ['127.0.0.1:80', 'client'],
    ['127.8.9.10:80', 'client'],
    ['localhost:80', 'client'],
    ['[::1]:80', 'client'],
    [':80', 'upstream'],
    ['0.0.0.0:80', 'upstream'],
    ['[::]:80', 'upstream'],
    ['10.0.0.1:80', 'upstream'],
  ])('resolves the Host header of a proxy on %s to that of the %s', (listen, expected) => {
    for (const given of [{}, { OLLASCOPE_UPSTREAM_HOST_HEADER: 'auto' }]) {
      expect(loadConfig({ OLLASCOPE_LISTEN: listen, ...given }, noFile).upstreamHostHeader).toBe(expected)
    }
    for (const explicit of ['client', 'upstream']) {
      const env = { OLLASCOPE_LISTEN: listen, OLLASCOPE_UPSTREAM_HOST_HEADER: explicit }
      expect(loadConfig(env, noFile).upstreamHostHeader).toBe(explicit)
    }
  })
})

describe('a mistake', () => {
  it.each([
    ['OLLASCOPE_UPSTREAM', 'localhost:11434', 'not a URL; write http://localhost:11434'],
    ['OLLASCOPE_UPSTREAM', 'https://x', 'https:// is not supported yet; write http://host:port and nothing after it'],
    ['OLLASCOPE_UPSTREAM', 'http://x/api', 'a path is not supported; write http://host:port and nothing after it'],
    [
      'OLLASCOPE_LISTEN',
      '11435',
      'not an address to listen on; write 127.0.0.1:9435, [::1]:9435, or :9435 for every interface',
    ],
    ['OLLASCOPE_ADMIN_INSECURE', 'yes', 'not a boolean; write true or false'],
    ['OLLASCOPE_LOG_LEVEL', 'INFO', 'not one of trace, debug, info, warn, error, fatal, silent'],
    ['OLLASCOPE_LOG_FORMAT', 'text', 'not one of auto, json, pretty'],
    ['OLLASCOPE_UPSTREAM_HOST_HEADER', 'x', 'not one of auto, client, upstream'],
    ['OLLASCOPE_DRAIN_TIMEOUT', '30', 'not a duration; write 500ms, 30s, 5m or 1h'],
    ['OLLASCOPE_COLLECT_INTERVAL', '999ms', 'too short; write at least 1s'],
    ['OLLASCOPE_METRICS_MODEL_LIMIT', '0', 'not a whole number from 1 to 10000'],
    ['OLLASCOPE_LISEN', ':80', 'unknown setting; did you mean OLLASCOPE_LISTEN?'],
    ['OLLASCOPE_FROBNICATE', '1', 'unknown setting; see ollascope --help for what there is'],
    ['OLLASCOPE_PORTS', '1', 'unknown setting; see ollascope --help for what there is'],
    ['OLLASCOPE_FIRST_BYTE_TIMEOUT', '0s', 'too short; write at least 1ms'],
    ['OLLASCOPE_IDLE_TIMEOUT', '0ms', 'too short; write at least 1ms'],
    ['OLLASCOPE_CONNECT_TIMEOUT', '0ms', 'too short; write at least 1ms'],
    ['OLLASCOPE_REQUEST_TIMEOUT', '0ms', 'too short; write at least 1ms'],
    ['OLLASCOPE_REQUEST_TIMEOUT', '30', 'not a duration; write 500ms, 30s, 5m or 1h'],
    ['API_TIMEOUT', '30s', 'not a number of seconds; write 30 or 2.5'],
    ['API_TIMEOUT', '0', 'too short; write at least 0.001'],
    ['OLLASCOPE_CONNECT_RETRIES', '11', 'not a whole number from 0 to 10'],
    ['MAX_RETRIES', '11', 'not a whole number from 0 to 10'],
    ['OLLASCOPE_RETRY_DELAY', '1', 'not a duration; write 500ms, 30s, 5m or 1h'],
    ['OLLASCOPE_MAX_REQUESTS_PER_MINUTE', '0', 'not a whole number from 1 to 1000000000'],
    ['MAX_REQUESTS_PER_MINUTE', '-1', 'not a whole number from 1 to 1000000000'],
    ['OLLASCOPE_MAX_IN_FLIGHT', '0', 'not a whole number from 1 to 1000000000'],
    ['OLLASCOPE_MAX_CONTEXT_LENGTH', '8k', 'not a whole number from 1 to 1000000000'],
    ['OLLASCOPE_STREAMING', 'yes', 'not a boolean; write true or false'],
    ['ENABLE_STREAMING', 'on', 'not a boolean; write true or false'],
    ['OLLASCOPE_POLICY', 'readonly', 'not one of full, read-only, inference-only'],
    ['OLLASCOPE_METRICS_CLIENT_LABEL', 'yes', 'not one of auto, true, false'],
    ['OLLASCOPE_TOKENS_FILE', '/t', 'cannot be read (no such file); write the path of a file'],
    ['OLLASCOPE_COLLECTORS', 'nvidia-smi', `nvidia-smi is not a collector; write some of ${collectors}, or none`],
    ['OLLASCOPE_COLLECTOR', 'ollama', 'unknown setting; did you mean OLLASCOPE_COLLECTORS?'],
    ['OLLASCOPE_DOCKER_HOST', 'docker:2375', `not the address of a Docker daemon; ${dockerHost}`],
    ['OLLASCOPE_CONTAINERS', '/ollama', '/ollama is not the name of a container; write names as docker ps shows them'],
    ['OLLASCOPE_GPU_EXPECTED', 'yes', 'not one of auto, true, false'],
    ['OLLASCOPE_READY_REQUIRES_GPU', '1', 'not a boolean; write true or false'],
    ['OLLASCOPE_PROC_ROOT', 'proc', 'not an absolute path; write one that begins with /'],
    ['OLLASCOPE_SYS_ROOT', './sys', 'not an absolute path; write one that begins with /'],
    ['OLLASCOPE_STATE_DIR', '~/.ollascope', 'not an absolute path; write one that begins with /'],
    ['OLLASCOPE_GPU_PROCESSES', 'yes', 'not a boolean; write true or false'],
    ['OLLASCOPE_LOG_GPU', 'json', 'not a boolean; write true or false'],
  ])('%s=%s is told in one line', (variable, value, why) => {
    expect(problemsOf({ [variable]: value })).toEqual([`${variable}=${value}: ${why}`])
  })

  it('is told together with all others, once each', () => {
    const env = {
      OLLASCOPE_ZEAL: '1',
      OLLASCOPE_UPSTREAM: 'ftp://x',
      OLLASCOPE_LISTEN: 'x',
      OLLASCOPE_ADMIN_LISTEN: 'x',
      OLLASCOPE_LOG_LEVEL: 'x',
      OLLASCOPE_DRAIN_TIMEOUT: 'x',
      OLLASCOPE_COLLECT_INTERVAL: 'x',
      OLLASCOPE_POLICY: 'x',
      OLLASCOPE_COLLECTORS: 'x',
      OLLASCOPE_STATE_DIR: 'x',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'x',
      OLLASCOPE_TLS_CERT_FILE: '/x',
      MAX_RETRIES: 'x',
      OLLASCOPE_AARDVARK: '1',
    }
    const problems = problemsOf(env)
    expect(problems.map((line) => line.slice(0, line.indexOf('=')))).toEqual([
      'OLLASCOPE_UPSTREAM',
      'OLLASCOPE_LISTEN',
      'OLLASCOPE_ADMIN_LISTEN',
      'OLLASCOPE_POLICY',
      'OLLASCOPE_LOG_LEVEL',
      'OLLASCOPE_DRAIN_TIMEOUT',
      'OLLASCOPE_COLLECT_INTERVAL',
      'OLLASCOPE_COLLECTORS',
      'OLLASCOPE_STATE_DIR',
      'MAX_RETRIES',
      'OLLASCOPE_TLS_CERT_FILE',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OLLASCOPE_AARDVARK',
      'OLLASCOPE_ZEAL',
    ])
    const thrown = new ConfigError(problems)
    expect(thrown.message).toBe(problems.join('\n'))
    expect(thrown.name).toBe('ConfigError')
  })

  it('is printed bounded and harmless', () => {
    const [line] = problemsOf({ OLLASCOPE_LOG_LEVEL: `\u001b[31m\n${'x'.repeat(10_000)}` })
    const value = `\\u{1b}[31m\\u{a}${'x'.repeat(64)}…`
    expect(line).toBe(`OLLASCOPE_LOG_LEVEL=${value}: not one of trace, debug, info, warn, error, fatal, silent`)
  })

  it('of one setting by two names is told where they differ', () => {
    expect(problemsOf({ OLLASCOPE_STREAMING: 'true', ENABLE_STREAMING: 'no' })).toEqual([
      'ENABLE_STREAMING=no: OLLASCOPE_STREAMING is set too; set only one of them',
    ])
    expect(problemsOf({ OLLASCOPE_REQUEST_TIMEOUT: '30s', API_TIMEOUT: '30s' })).toEqual([
      'API_TIMEOUT=30s: OLLASCOPE_REQUEST_TIMEOUT is set too; set only one of them',
    ])
    const same = { OLLASCOPE_STREAMING: 'true', ENABLE_STREAMING: 'Yes', API_TIMEOUT: '0.5' }
    expect(() => loadConfig({ ...same, OLLASCOPE_REQUEST_TIMEOUT: '500ms' }, noFile)).not.toThrow()
  })
})
