import { describe, expect, it } from 'vitest'
import { createStatus, type StatusSources } from '../../../src/admin/status.ts'
import { loadedModel } from '../../helpers/loaded.ts'

const sources: StatusSources = {
  version: { version: '1.2.3', revision: 'abc' },
  uptimeSeconds: 12.34567,
  upstreamUrl: 'http://ollama:11434',
  upstream: {
    installed: { value: [loadedModel('a', { digest: 'd' })], failure: undefined },
    loaded: {
      value: [
        loadedModel('a:latest', { digest: 'd', sizeBytes: 100, vramBytes: 100, contextLength: 4096 }),
        loadedModel('b'),
      ],
      failure: 'no answer in time',
    },
  },
  readiness: { ready: true, status: 'ready', reasons: [] },
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
  receipts: [{ request_id: 'newest' }, { request_id: 'older' }],
}

describe('createStatus', () => {
  it('says all in one look', () => {
    expect(createStatus(sources)).toEqual({
      version: '1.2.3',
      revision: 'abc',
      uptime_seconds: 12.346,
      status: 'ready',
      reasons: [],
      upstream: {
        url: 'http://ollama:11434',
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
        },
        {
          name: 'b',
          digest: null,
          size_bytes: null,
          vram_bytes: null,
          context_length: null,
          processor: 'unknown',
          gpu_ratio: null,
        },
      ],
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
      collectors: [],
      receipts: [{ request_id: 'newest' }, { request_id: 'older' }],
    })
  })

  it('knows little before the first answers', () => {
    const reasons = ['has not heard of Ollama yet']
    const status = createStatus({
      ...sources,
      upstream: { installed: undefined, loaded: undefined },
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
