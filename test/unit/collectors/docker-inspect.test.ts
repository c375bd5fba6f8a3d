import { describe, expect, it } from 'vitest'
import { parseInspect } from '../../../src/collectors/docker/inspect.ts'
import { INSPECT, withFields } from '../../helpers/docker-captures.ts'

const ID = '65c72a22611e9f7d06bf14b60d697fa4b3f36523d434ee8cbe8820578fbf8e80'
const changed = (changes: Record<string, unknown>) => parseInspect(withFields(INSPECT, changes))

describe('parseInspect', () => {
  it('reads a recording', () => {
    expect(parseInspect(INSPECT)).toEqual({
      id: ID,
      name: 'rg-child',
      image: 'bb:1',
      pid: 10668,
      startedAt: 1795240094211,
      oomKilled: false,
      restarts: 0,
      healthy: undefined,
      memoryLimit: 67108864,
      cpuLimit: undefined,
    })
  })

  it.each([
    { Running: false, Pid: 0 },
    { Running: false, Pid: 7 },
    { Running: true, Restarting: true, Pid: 0 },
    { Running: 'yes', Pid: 7 },
  ])('has no process where it does not run: %j', (State) => expect(changed({ State })?.pid).toBeUndefined())

  it('tells that something of it was killed', () => {
    expect(changed({ State: { OOMKilled: true } })?.oomKilled).toBe(true)
    expect(changed({ State: { OOMKilled: 'x' } })?.oomKilled).toBe(false)
  })

  it.each([
    ['healthy', true],
    ['unhealthy', false],
    ['starting', undefined],
    ['none', undefined],
  ])('takes the health %s for %s', (Status, healthy) =>
    expect(changed({ State: { Health: { Status } } })?.healthy).toBe(healthy),
  )

  it.each([
    [{ NanoCpus: 1_500_000_000 }, { quota: 150_000, period: 100_000 }],
    [
      { NanoCpus: 500_000_000, CpuQuota: 7, CpuPeriod: 7 },
      { quota: 50_000, period: 100_000 },
    ],
    [
      { CpuQuota: 25_000, CpuPeriod: 50_000 },
      { quota: 25_000, period: 50_000 },
    ],
    [{ CpuQuota: 25_000 }, { quota: 25_000, period: 100_000 }],
    [{ CpuQuota: -1, CpuPeriod: 50_000 }, undefined],
    [{ CpuPeriod: 50_000 }, undefined],
    [{ NanoCpus: '7' }, undefined],
  ])('reads the CPU limit %j', (HostConfig, limit) => expect(changed({ HostConfig })?.cpuLimit).toEqual(limit))

  it.each(['0001-01-01T00:00:00Z', '', 'x', 7, null])('was never started at %s', (StartedAt) =>
    expect(changed({ State: { StartedAt } })?.startedAt).toBe(0),
  )

  it('reads a time of another zone', () => {
    expect(changed({ State: { StartedAt: '2026-11-21T07:48:14.211105387+02:00' } })?.startedAt).toBe(1795240094211)
  })

  it.each([null, 7, 'x', [], {}, { Id: ID }, { Id: '../x', Name: '/a' }, { Id: ID, Name: '/' }])(
    'takes %j for no container',
    (json) => expect(parseInspect(json)).toBeUndefined(),
  )

  it('keeps a container of which nothing else can be read', () => {
    const broken = { Id: ID, Name: '/a', Config: 7, State: null, HostConfig: [], RestartCount: 'x' }
    expect(parseInspect(broken)).toMatchObject({
      image: '',
      pid: undefined,
      restarts: undefined,
      memoryLimit: undefined,
    })
  })
})
