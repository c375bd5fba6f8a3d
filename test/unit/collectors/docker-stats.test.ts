import { describe, expect, it } from 'vitest'
import { parseStats } from '../../../src/collectors/docker/stats.ts'
import { readDockerCapture, STATS_V1, STATS_V2, withFields } from '../../helpers/docker-captures.ts'

const NOTHING = {
  cpuSeconds: undefined,
  memoryUsage: undefined,
  memoryWorkingSet: undefined,
  memoryRss: undefined,
  networkReceive: undefined,
  networkTransmit: undefined,
  fsReads: undefined,
  fsWrites: undefined,
}
const read = '2026-11-21T05:49:42.354663786Z'

describe('parseStats', () => {
  it('reads Docker 20.10 on cgroup v1', () => {
    expect(parseStats(STATS_V1)).toEqual({
      ...NOTHING,
      cpuSeconds: 0.28191705,
      memoryUsage: 516096,
      memoryWorkingSet: 516096,
      memoryRss: 49152,
      networkReceive: 1016,
      networkTransmit: 0,
    })
  })

  it('reads Docker 26.1 on cgroup v2, which told of no network', () => {
    expect(parseStats(STATS_V2)).toEqual({
      ...NOTHING,
      cpuSeconds: 0.45,
      memoryUsage: 466944,
      memoryWorkingSet: 466944,
      memoryRss: 49152,
    })
  })

  it('reads what is streamed as well, since it is the same', () => {
    const lines = readDockerCapture('docker20-v1-stats-stream.ndjson').trim().split('\n')
    for (const line of lines) expect(parseStats(JSON.parse(line))?.memoryUsage).toBeGreaterThan(0)
    expect(lines).toHaveLength(5)
  })

  it('takes inactive files of all groups below from the working set, which is never negative', () => {
    const v1 = { total_inactive_file: 5000, inactive_file: 1, total_rss: 7, rss: 1, anon: 1 }
    expect(parseStats(withFields(STATS_V1, { memory_stats: { usage: 6000, stats: v1 } }))).toMatchObject({
      memoryWorkingSet: 1000,
      memoryRss: 7,
    })
    const v2 = { memory_stats: { usage: 6000, stats: { inactive_file: 4000 } } }
    expect(parseStats(withFields(STATS_V2, v2))?.memoryWorkingSet).toBe(2000)
    const more = { memory_stats: { usage: 100, stats: { total_inactive_file: 5000 } } }
    expect(parseStats(withFields(STATS_V1, more))?.memoryWorkingSet).toBe(0)
  })

  it('adds up the interfaces, and tells nothing where one of them cannot be read', () => {
    const eth1 = { rx_bytes: 2 ** 53 + 2, tx_bytes: 5 }
    expect(parseStats(withFields(STATS_V1, { networks: { eth1 } }))).toMatchObject({
      networkReceive: 2 ** 53 + 1018,
      networkTransmit: 5,
    })
    const broken = parseStats(withFields(STATS_V1, { networks: { eth1: { rx_bytes: 'x', tx_bytes: 5 } } }))
    expect(broken).toMatchObject({ networkReceive: undefined, networkTransmit: 5 })
    expect(parseStats({ ...STATS_V1, networks: {} })?.networkReceive).toBeUndefined()
  })

  it.each([
    ['v1', 'Read', 'Write'],
    ['v2', 'read', 'write'],
  ])('adds up the devices as %s names them', (_version, Read, Write) => {
    const device = (op: string, value: number) => ({ major: 8, minor: 0, op, value })
    const list = [device(Read, 1), device(Write, 2), device('Total', 3), device(Read, 10), device(Write, 20)]
    const stats = withFields(STATS_V1, { blkio_stats: { io_service_bytes_recursive: list } })
    expect(parseStats(stats)).toMatchObject({ fsReads: 11, fsWrites: 22 })
  })

  it('takes the zeros of a container that does not run for nothing', () => {
    const zeros = { read: '0001-01-01T00:00:00Z', cpu_stats: { cpu_usage: { total_usage: 0 } }, memory_stats: {} }
    expect(parseStats(zeros)).toBeUndefined()
  })

  it.each([null, 7, 'x', [], {}, undefined, Buffer.from('x')])('takes %s for no stats', (json) =>
    expect(parseStats(json)).toBeUndefined(),
  )

  it.each([
    { read },
    { read, cpu_stats: null, memory_stats: 7, networks: [], blkio_stats: 'x' },
    { read, cpu_stats: { cpu_usage: { total_usage: '7' } }, memory_stats: { usage: -1, stats: null } },
    { read, networks: { eth0: 7 }, blkio_stats: { io_service_bytes_recursive: [null, 7, { op: 7, value: 1 }] } },
    { read, blkio_stats: { io_service_bytes_recursive: [{ op: 'Read' }] } },
  ])('takes no broken value for a number: %j', (json) => expect(parseStats(json)).toEqual(NOTHING))
})
