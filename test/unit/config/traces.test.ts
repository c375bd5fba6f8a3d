import { describe, expect, it } from 'vitest'
import { describeConfig, loadConfig } from '../../../src/config.ts'
import { noFile, problemsOf } from './problems.ts'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }
const tracesOf = (env: Record<string, string>, readFile = noFile) =>
  loadConfig({ ...ENDPOINT, ...env }, readFile).traces

describe('traces', () => {
  it('go nowhere without an address, whatever else is set', () => {
    expect(loadConfig({ OTEL_SERVICE_NAME: 'x', OTEL_TRACES_SAMPLER: 'always_on' }, noFile).traces).toBeUndefined()
  })

  it('have the standard’s defaults', () => {
    expect(tracesOf({})).toEqual({
      url: 'http://c:4318/v1/traces',
      headers: {},
      timeoutMs: 10_000,
      compression: 'none',
      resource: { 'service.name': 'ollascope' },
      sampler: { kind: 'always_on', parentBased: true, ratio: 1 },
      queue: { size: 2048, batch: 512, delayMs: 5000, timeoutMs: 30_000 },
    })
  })

  it.each([
    ['http://c:4318/', 'http://c:4318/v1/traces'],
    ['https://c/a/b/', 'https://c/a/b/v1/traces'],
    ['HTTP://[::1]:4318', 'http://[::1]:4318/v1/traces'],
  ])('of %s go to %s', (endpoint, url) => {
    expect(tracesOf({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })?.url).toBe(url)
  })

  it.each([
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://d/x' }, { url: 'https://d/x' }],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://d' }, { url: 'https://d' }],
    [{ OTEL_EXPORTER_OTLP_TIMEOUT: '1', OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2' }, { timeoutMs: 2 }],
    [{ OTEL_EXPORTER_OTLP_TIMEOUT: '1' }, { timeoutMs: 1 }],
    [{ OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' }, { compression: 'gzip' }],
    [
      { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip', OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'none' },
      { compression: 'none' },
    ],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }, {}],
    [
      { OTEL_EXPORTER_OTLP_HEADERS: ' a = 1%2C2 ,,b=x=y,', OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=z' },
      { headers: { a: '1,2', b: 'z' } },
    ],
    [{ OTEL_SERVICE_NAME: 'x', OTEL_RESOURCE_ATTRIBUTES: 'service.name=y' }, { resource: { 'service.name': 'x' } }],
    [
      { OTEL_RESOURCE_ATTRIBUTES: 'service.name=y,stadt=Z%C3%BCrich' },
      { resource: { 'service.name': 'y', stadt: 'Zürich' } },
    ],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, { sampler: { kind: 'always_off', parentBased: false, ratio: 1 } }],
    [
      { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '.25' },
      { sampler: { kind: 'traceidratio', parentBased: true, ratio: 0.25 } },
    ],
    [
      { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' },
      { sampler: { kind: 'traceidratio', parentBased: false, ratio: 0 } },
    ],
    [
      {
        OTEL_BSP_SCHEDULE_DELAY: '1',
        OTEL_BSP_EXPORT_TIMEOUT: '2',
        OTEL_BSP_MAX_QUEUE_SIZE: '4',
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '3',
      },
      { queue: { delayMs: 1, timeoutMs: 2, size: 4, batch: 3 } },
    ],
  ])('with %j have %j', (env, wanted) => {
    expect(tracesOf(env)).toMatchObject(wanted)
  })

  it.each([{ OTEL_SDK_DISABLED: 'true' }, { OTEL_TRACES_EXPORTER: 'none' }])('are off with %j', (env) => {
    expect(tracesOf(env)).toBeUndefined()
  })

  it('have their headers from a file', () => {
    const env = { OTEL_EXPORTER_OTLP_HEADERS_FILE: '/run/headers' }
    expect(tracesOf(env, () => 'authorization=Bearer%20x\n')?.headers).toEqual({ authorization: 'Bearer x' })
  })

  it('are described without their headers', () => {
    const env = { ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 'a=hidden' }
    const rows = describeConfig(loadConfig(env, noFile), env)
    const shown = rows.find(({ variable }) => variable === 'OTEL_EXPORTER_OTLP_HEADERS')
    expect(shown).toEqual({ variable: 'OTEL_EXPORTER_OTLP_HEADERS', value: '********', source: 'environment' })
  })
})

const url = 'not an http:// or https:// URL; write http://host:4318 or https://host'
const noPair = (entry: number) => `entry ${entry} is not name=value; write name=value,name=value, with %2C for a comma`
const onlyTraces = 'only traces are exported; '

describe('a mistake about traces', () => {
  it.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'c:4318', url],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://c:0', url],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://c /x', url],
    [
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
      'http://c/#x',
      'a query or fragment is not supported; write http://host:4318 or https://host',
    ],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', /^grpc is not supported; write http\/protobuf, .*4318/],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http/json', /^http\/json is not supported; write http\/protobuf/],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http', 'not one of http/protobuf'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', '10s', 'not a whole number from 1 to 2147483647'],
    ['OTEL_EXPORTER_OTLP_COMPRESSION', 'zstd', 'not one of none, gzip'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'a=1,b', noPair(2)],
    ['OTEL_RESOURCE_ATTRIBUTES', '=1', noPair(1)],
    ['OTEL_RESOURCE_ATTRIBUTES', 'a=%zz', noPair(1)],
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote', /^not one of always_on, /],
    ['OTEL_TRACES_SAMPLER_ARG', '2', 'not a number from 0 to 1; write 0.1 for every tenth'],
    ['OTEL_TRACES_SAMPLER_ARG', '0.5', 'without effect; set OTEL_TRACES_SAMPLER=parentbased_traceidratio too'],
    ['OTEL_TRACES_EXPORTER', 'console', 'not one of otlp, none'],
    ['OTEL_SDK_DISABLED', '1', 'not a boolean; write true or false'],
    ['OTEL_BSP_SCHEDULE_DELAY', '0', 'not a whole number from 1 to 2147483647'],
    ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE', '4096', 'more than wait; write at most 2048 (OTEL_BSP_MAX_QUEUE_SIZE)'],
    ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', 'http://c', /^only traces are exported; metrics are for Prometheus/],
    ['OTEL_EXPORTER_OTLP_LOGS_ENDPOINT', 'http://c', `${onlyTraces}remove it`],
    ['OTEL_EXPORTER_OTLP_CERTIFICATE', '/ca.pem', /^not supported; NODE_EXTRA_CA_CERTS/],
    ['OTEL_EXPORTER_OTLP_ENDPIONT', 'http://c', 'not supported; did you mean OTEL_EXPORTER_OTLP_ENDPOINT?'],
    ['OTEL_EXPORTER_OTLP_INSECURE', 'true', 'not supported; remove it'],
  ])('%s=%s is told in one line', (variable, value, why) => {
    const [line = '', ...more] = problemsOf({ [variable]: value })
    expect(more).toEqual([])
    const start = `${variable}=${value}: `
    expect(line.slice(0, start.length)).toBe(start)
    if (typeof why === 'string') expect(line.slice(start.length)).toBe(why)
    else expect(line.slice(start.length)).toMatch(why)
  })

  it.each(['a', 'a b=c', 'a=%0d%0ab', 'a=é', '=x', 'a=%f'])('in headers shows nothing of %j', (value) => {
    for (const variable of ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_TRACES_HEADERS']) {
      expect(problemsOf({ [variable]: value })).toEqual([`${variable}=********: ${noPair(1)}`])
    }
  })

  it('is told also where traces are off, with all others at once', () => {
    const env = { OTEL_SDK_DISABLED: 'true', OTEL_EXPORTER_OTLP_TIMEOUT: 'x', OTEL_BSP_MAX_QUEUE_SIZE: 'x' }
    expect(problemsOf(env)).toHaveLength(2)
  })

  it('is one, where what it goes with is wrong', () => {
    expect(problemsOf({ OTEL_TRACES_SAMPLER: 'x', OTEL_TRACES_SAMPLER_ARG: '0.5' })).toHaveLength(1)
    const sizes = { OTEL_BSP_MAX_QUEUE_SIZE: 'x', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4096' }
    expect(problemsOf(sizes)).toHaveLength(1)
  })

  it('is none where it is about what others do', () => {
    for (const variable of ['OTEL_METRICS_EXPORTER', 'OTEL_LOGS_EXPORTER', 'OTEL_PROPAGATORS', 'OTEL_LOG_LEVEL']) {
      expect(loadConfig({ [variable]: 'x' }, noFile)).toEqual(loadConfig({}, noFile))
    }
  })
})
