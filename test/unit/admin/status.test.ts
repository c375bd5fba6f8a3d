import { describe, expect, it } from 'vitest'
import { createStatus, type StatusSources } from '../../../src/admin/status.ts'
import { loadedModel } from '../../helpers/loaded.ts'

const sources: StatusSources = {
  version: { version: '1.2.3', revision: 'abc' },
  role: 'serve',
  uptimeSeconds: 12.34567,
  upstreamUrl: 'http://ollama:11434',
  upstream: {
    version: { value: '0.24.0', failure: undefined, seconds: 0.01 },
    installed: { value: [loadedModel('a', { digest: 'd' })], failure: undefined, seconds: 0.01 },
    loaded: {
      value: [
        loadedModel('a:latest', { digest: 'd', sizeBytes: 100, vramBytes: 100, contextLength: 4096 }),
        loadedModel('b'),
      ],
      failure: { reason: 'timeout', message: 'no answer in time' },
      seconds: 0.5,
    },
  },
  readiness: { ready: true, status: 'ready', reasons: [] },
  gpuExpectation: { expected: true, because: 'seen' },
  gpus: [
    {
      vendor: 'nvidia',
      index: '0',
      uuid: 'GPU-1',
      name: 'A card',
      driverVersion: '590.48',
      pciAddress: '0000:01:00.0',
      isExpected: true,
      numbers: { memoryUsedBytes: 1024, memoryTotalBytes: 2048, utilizationRatio: 0.5, powerWatts: 99.5 },
      throttle: undefined,
    },
  ],
  meantForCpu: new Set(['b:latest']),
  collectors: [
    {
      name: 'ollama',
      status: 'ok',
      problem: undefined,
      durationSeconds: 0.12345,
      lastSuccessSeconds: 1_800_000_000,
      errors: new Map(),
    },
    {
      name: 'docker',
      status: 'failing',
      problem: { reason: 'permission', message: 'may not' },
      durationSeconds: undefined,
      lastSuccessSeconds: undefined,
      errors: new Map([['permission', 2]]),
    },
  ],
  inFlight: [
    {
      requestId: 'r1',
      method: 'POST',
      client: undefined,
      endpoint: '/api/chat',
      model: { kind: 'named', name: 'a' },
      phase: 'streaming',
      ageSeconds: 1.23456,
    },
    {
      requestId: 'r2',
      method: 'GET',
      client: 'app',
      endpoint: '/',
      model: { kind: 'none' },
      phase: 'waiting',
      ageSeconds: 0,
    },
  ],
  tracesUrl: undefined,
  receipts: [
    { receipt: { request_id: 'newest' }, writtenMs: 1_800_000_000_500 },
    { receipt: { request_id: 'older' }, writtenMs: 1_800_000_000_000 },
  ],
}

describe('createStatus', () => {
  it('says all in one look', () => {
    expect(createStatus(sources)).toEqual({
      version: '1.2.3',
      revision: 'abc',
      role: 'serve',
      uptime_seconds: 12.346,
      status: 'ready',
      reasons: [],
      upstream: {
        url: 'http://ollama:11434',
        version: '0.24.0',
        version_failure: null,
        tags_failure: null,
        ps_failure: 'no answer in time',
        installed_models: 1,
      },
      models: [
        {
          name: 'a:latest',
          digest: 'd',
          size_bytes: 100,
          vram_bytes: 100,
          context_length: 4096,
          processor: 'gpu',
          gpu_ratio: 1,
          cpu_intended: false,
        },
        {
          name: 'b',
          digest: null,
          size_bytes: null,
          vram_bytes: null,
          context_length: null,
          processor: 'unknown',
          gpu_ratio: null,
          cpu_intended: true,
        },
      ],
      gpu: {
        expected: true,
        because: 'seen',
        gpus: [
          {
            vendor: 'nvidia',
            index: '0',
            uuid: 'GPU-1',
            name: 'A card',
            driver_version: '590.48',
            utilization_ratio: 0.5,
            memory_used_bytes: 1024,
            memory_total_bytes: 2048,
            temperature_celsius: null,
            power_watts: 99.5,
          },
        ],
      },
      in_flight: [
        {
          request_id: 'r1',
          method: 'POST',
          client: null,
          endpoint: '/api/chat',
          model: 'a',
          phase: 'streaming',
          age_seconds: 1.235,
        },
        {
          request_id: 'r2',
          method: 'GET',
          endpoint: '/',
          client: 'app',
          model: 'none',
          phase: 'waiting',
          age_seconds: 0,
        },
      ],
      collectors: [
        {
          name: 'ollama',
          status: 'ok',
          reason: null,
          message: null,
          duration_seconds: 0.123,
          last_success: '2027-01-15T08:00:00.000Z',
        },
        {
          name: 'docker',
          status: 'failing',
          reason: 'permission',
          message: 'may not',
          duration_seconds: null,
          last_success: null,
        },
      ],
      traces: null,
      receipts: [
        { time: '2027-01-15T08:00:00.500Z', request_id: 'newest' },
        { time: '2027-01-15T08:00:00.000Z', request_id: 'older' },
      ],
    })
  })

  it('knows little before the first answers', () => {
    const reasons = ['has not heard of Ollama yet']
    const status = createStatus({
      ...sources,
      upstream: { version: undefined, installed: undefined, loaded: undefined },
      readiness: { ready: false, status: 'starting', reasons },
      inFlight: [],
      receipts: [],
    })
    expect(status).toMatchObject({
      status: 'starting',
      reasons,
      upstream: { tags_failure: null, ps_failure: null, installed_models: null },
      models: [],
      in_flight: [],
      receipts: [],
    })
  })
})
