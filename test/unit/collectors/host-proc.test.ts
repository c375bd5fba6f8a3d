import { describe, expect, it } from 'vitest'
import { advance } from '../../../src/collectors/host/cpu-history.ts'
import { mountOf, parseMountinfo } from '../../../src/collectors/host/mountinfo.ts'
import { parseCpuTimes, parseLoad1, parseMeminfo, parseOomKills } from '../../../src/collectors/host/proc.ts'

describe('/proc/meminfo', () => {
  it('counts in KiB', () => {
    expect(parseMeminfo('MemTotal:       24684092 kB\nMemFree: 1 kB\nMemAvailable:   23712664 kB\n')).toEqual({
      total: 25_276_510_208,
      available: 24_281_767_936,
    })
  })

  it.each(['', 'MemTotal: kB\nMemAvailable: -1 kB\n', 'MemTotal: 1.5 kB', 'XMemTotal: 7 kB', 'MemTotal: many kB'])(
    'says nothing with %j',
    (text) => {
      expect(parseMeminfo(text)).toEqual({ total: undefined, available: undefined })
    },
  )
})

describe('the CPU times of /proc/stat', () => {
  it('are hundredths of a second by mode, guests within user and nice', () => {
    const cpus = parseCpuTimes(
      'cpu  20 0 0 0 0 0 0 0 0 0\ncpu0 112 23 45 67 89 1 2 3 100 20\ncpu11 1 2 3 4 5 6 7 8 0 0\nintr 5 4\n',
    )
    expect([...cpus.keys()]).toEqual(['0', '11'])
    expect(cpus.get('0')).toEqual({
      ...{ user: 1.12, nice: 0.23, system: 0.45, idle: 0.67 },
      ...{ iowait: 0.89, irq: 0.01, softirq: 0.02, steal: 0.03 },
    })
  })

  it('may be of a kernel that knows fewer modes', () => {
    expect(parseCpuTimes('cpu0 100 200 300 400\n').get('0')).toEqual({ user: 1, nice: 2, system: 3, idle: 4 })
  })

  it.each(['', 'cpu  1 2 3 4', 'cpu0', 'cpu0 1 -2 3 4', 'cpu0 1 x 3', 'cpux 1 2 3'])('are not in %j', (text) => {
    expect(parseCpuTimes(text).size).toBe(0)
  })
})

describe('CPU times', () => {
  const times = { user: 10, idle: 100, iowait: 5 }

  it('never go back', () => {
    expect(advance(times, { user: 11, idle: 99.5, iowait: 4.9 })).toEqual({ user: 11, idle: 100, iowait: 5 })
  })

  it('begin anew with a CPU that was put back', () => {
    const anew = { user: 0.5, idle: 2, iowait: 0 }
    expect(advance(times, anew)).toEqual(anew)
    expect(advance(undefined, times)).toEqual(times)
  })
})

describe('the other files', () => {
  it('tell the load and the kills', () => {
    expect(parseLoad1('2.29 1.10 0.50 3/211 9929\n')).toBe(2.29)
    expect(parseOomKills('pgfault 12\noom_kill 3\nnr_unstable 0\n')).toBe(3)
  })

  it.each(['', '-1 0 0', 'x 1', '2.29', '1e5 1 1'])('tell no load by %j', (text) => {
    expect(parseLoad1(text)).toBeUndefined()
  })

  it.each(['', 'pgfault 12\n', 'oom_kill\n', 'oom_kill x\n', 'oom_kill_x 3\n'])('tell no kills by %j', (text) => {
    expect(parseOomKills(text)).toBeUndefined()
  })
})

describe('the mounts', () => {
  const mounts = parseMountinfo(
    [
      '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
      '41 27 8:17 / /data rw,relatime shared:1 master:2 - xfs /dev/sdb1 rw',
      '42 27 8:33 / /data/my\\040models rw - ext4 /dev/sd\\011c rw',
      '43 41 0:44 / /data rw - nfs4 nas:/models rw,vers=4.2',
      'noise',
      '44 27 0:45 / /x rw shared:1',
    ].join('\n'),
  )

  it.each([
    ['/root/.ollama', '/', 'ext4', '/dev/vda'],
    ['/', '/', 'ext4', '/dev/vda'],
    ['/data', '/data', 'nfs4', 'nas:/models'],
    ['/data/models', '/data', 'nfs4', 'nas:/models'],
    ['/database', '/', 'ext4', '/dev/vda'],
    ['/data/my models/blobs', '/data/my models', 'ext4', '/dev/sd\tc'],
  ])('say where %s lies', (path, mountpoint, fstype, device) => {
    expect(mountOf(mounts, path)).toMatchObject({ mountpoint, fstype, device })
  })

  it('say nothing where there are none', () => {
    expect(mountOf([], '/data')).toBeUndefined()
    expect(mounts).toHaveLength(4)
  })
})
