import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus, totalmem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CollectError, type Measurement } from '../../../src/collectors/collector.ts'
import { createHost, type HostOptions } from '../../../src/collectors/host.ts'
import { oneAtATime } from '../../../src/collectors/host/one-at-a-time.ts'
import { failureOf } from '../../helpers/collect.ts'
import { ROOT } from '../../helpers/process.ts'
import { createRandom } from '../../helpers/random.ts'

const RECORDED = join(ROOT, 'test/captures/proc')
const SEED = Number(process.env.COLLECTORS_SEED ?? 7)
const signal = new AbortController().signal

const FILES: Readonly<Record<string, string>> = {
  meminfo: 'MemTotal: 2000 kB\nMemAvailable: 1000 kB\n',
  stat: 'cpu  7 7 7 7\ncpu0 100 200 300 400 500 600 700 800 0 0\n',
  loadavg: '1.50 1.00 0.50 1/2 3\n',
  vmstat: 'oom_kill 4\n',
}

function folder(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'ollascope-host-')))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function plant(files: Readonly<Record<string, string | undefined>>): string {
  const procRoot = folder()
  mkdirSync(join(procRoot, 'self'))
  for (const [name, text] of Object.entries(files)) if (text !== undefined) writeFileSync(join(procRoot, name), text)
  return procRoot
}

const collect = (options: Partial<HostOptions> & { procRoot: string }) =>
  createHost({ modelStores: [], ...options }).collect(signal)

const lines = (measurements: readonly Measurement[]) =>
  measurements.map(({ metric, labels, value }) => `${metric.name}{${Object.values(labels).join(',')}} ${value}`)

const names = (measurements: readonly Measurement[]) => [...new Set(measurements.map(({ metric }) => metric.name))]

describe('the host', () => {
  it('tells what node_exporter would', async () => {
    expect(lines(await collect({ procRoot: plant(FILES) }))).toEqual([
      'node_memory_MemTotal_bytes{} 2048000',
      'node_memory_MemAvailable_bytes{} 1024000',
      'node_load1{} 1.5',
      'node_vmstat_oom_kill{} 4',
      ...['user} 1', 'nice} 2', 'system} 3', 'idle} 4', 'iowait} 5', 'irq} 6', 'softirq} 7', 'steal} 8'].map(
        (rest) => `node_cpu_seconds_total{0,${rest}`,
      ),
    ])
  })

  it('is read as it was recorded', async () => {
    const measurements = await collect({ procRoot: RECORDED, modelStores: ['/'] })
    const [size] = measurements.filter(({ metric }) => metric.name === 'node_filesystem_size_bytes')
    expect(size?.labels).toEqual({ device: '/dev/vda', fstype: 'ext4', mountpoint: '/' })
    expect(lines(measurements)).toContain('node_memory_MemTotal_bytes{} 25276510208')
    expect(lines(measurements)).toContain('node_vmstat_oom_kill{} 5')
    expect(lines(measurements).filter((line) => line.startsWith('node_cpu'))).toHaveLength(16)
  })

  it.each([
    ['stat', ['node_cpu_seconds_total']],
    ['loadavg', ['node_load1']],
    ['vmstat', ['node_vmstat_oom_kill']],
  ])('lacks only what is in %s, where that is missing or noise', async (file, missing) => {
    const all = names(await collect({ procRoot: plant(FILES) }))
    for (const text of [undefined, 'noise\n']) {
      const got = names(await collect({ procRoot: plant({ ...FILES, [file]: text }) }))
      expect(got).toEqual(all.filter((name) => !missing.includes(name)))
    }
  })

  it('fails where nothing can be read', async () => {
    const noise = Object.fromEntries(Object.keys(FILES).map((name) => [name, 'noise\n']))
    expect(await failureOf(collect({ procRoot: plant(noise) }))).toMatchObject({
      name: 'CollectError',
      reason: 'unreadable',
    })
  })

  it('counts CPU times that never go back', async () => {
    const procRoot = plant(FILES)
    const host = createHost({ procRoot, modelStores: [] })
    await host.collect(signal)
    writeFileSync(join(procRoot, 'stat'), 'cpu0 110 200 300 400 499 600 700 800 0 0\n')
    const got = lines(await host.collect(signal))
    expect(got).toContain('node_cpu_seconds_total{0,user} 1.1')
    expect(got).toContain('node_cpu_seconds_total{0,iowait} 5')
  })

  it('forgets a CPU that was taken out', async () => {
    const procRoot = plant({ ...FILES, stat: 'cpu0 1 2 3 4\ncpu1 1 2 3 4\n' })
    const host = createHost({ procRoot, modelStores: [] })
    expect((await host.collect(signal)).filter(({ labels }) => labels.cpu === '1')).toHaveLength(4)
    writeFileSync(join(procRoot, 'stat'), 'cpu0 1 2 3 4\n')
    expect((await host.collect(signal)).filter(({ labels }) => labels.cpu === '1')).toEqual([])
  })

  it('does nothing in a run that is over', async () => {
    const host = createHost({ procRoot: plant(FILES), modelStores: [] })
    expect(await failureOf(host.collect(AbortSignal.abort()))).toMatchObject({ name: 'AbortError' })
  })

  it(`takes no noise for numbers (COLLECTORS_SEED=${SEED})`, async () => {
    const random = createRandom(SEED)
    let told = 0
    for (let round = 0; round < 200; round++) {
      const spoilt = Object.entries(FILES).map(([name, text]) => {
        const at = random.below(text.length)
        const word = random.pick(['-', 'NaN', '\0', ' ', '\n', '9'.repeat(400), 'e', ':', '.', '\u00e9'])
        return [name, random.chance(0.5) ? text.slice(0, at) + word + text.slice(at + random.below(3)) : text]
      })
      const procRoot = plant(Object.fromEntries(spoilt) as Record<string, string>)
      const got = await collect({ procRoot }).catch((error: unknown) => {
        if (error instanceof CollectError) return []
        throw error
      })
      told += got.length
      for (const { metric, value } of got)
        expect(Number.isFinite(value) && value >= 0, `${metric.name} ${value} of ${JSON.stringify(spoilt)}`).toBe(true)
    }
    expect(told).toBeGreaterThan(200)
  })
})

describe('the model store', () => {
  const labelsOf = (measurements: readonly Measurement[]) =>
    measurements.find(({ metric }) => metric.name === 'node_filesystem_avail_bytes')?.labels

  it('is the first folder that exists, where it really lies', async () => {
    const store = folder()
    mkdirSync(join(store, 'disk'))
    symlinkSync('disk', join(store, 'models'))
    const procRoot = plant({
      ...FILES,
      'self/mountinfo': `1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / ${store}/disk rw - xfs /dev/sdb1 rw\n`,
    })
    const got = await collect({ procRoot, modelStores: [join(store, 'missing'), join(store, 'models'), '/'] })
    expect(labelsOf(got)).toEqual({ device: '/dev/sdb1', fstype: 'xfs', mountpoint: `${store}/disk` })
  })

  it('has numbers also where nothing tells its mounts', async () => {
    expect(labelsOf(await collect({ procRoot: plant(FILES), modelStores: ['/'] }))).toEqual({
      device: '',
      fstype: '',
      mountpoint: '',
    })
  })

  it('is left out where there is none', async () => {
    expect(labelsOf(await collect({ procRoot: plant(FILES), modelStores: ['/nowhere'] }))).toBeUndefined()
  })
})

describe('a machine without /proc', () => {
  const memory = { total: 16e9, available: 9e9 }

  it('tells its times, its load and its memory', async () => {
    const systemInformation = () => Promise.resolve({ mem: () => Promise.resolve(memory) })
    const idleSeconds = () => (cpus()[0]?.times.idle ?? NaN) / 1000
    const before = idleSeconds()
    const got = await collect({ procRoot: '/nowhere', systemInformation })
    const idle = got.find(({ labels }) => labels.cpu === '0' && labels.mode === 'idle')?.value
    expect(idle).toBeGreaterThanOrEqual(before)
    expect(idle).toBeLessThanOrEqual(idleSeconds())
    expect(names(got)).toEqual([
      'node_memory_MemTotal_bytes',
      'node_memory_MemAvailable_bytes',
      'node_load1',
      'node_cpu_seconds_total',
    ])
    expect(lines(got).slice(0, 2)).toEqual([
      'node_memory_MemTotal_bytes{} 16000000000',
      'node_memory_MemAvailable_bytes{} 9000000000',
    ])
    const modes = got.filter(({ labels }) => labels.cpu === '0').map(({ labels }) => labels.mode)
    expect(modes).toEqual(['user', 'nice', 'system', 'idle'])
    expect(got.filter(({ labels }) => labels.mode === 'idle')).toHaveLength(cpus().length)
  })

  it('is told by the real package', async () => {
    const got = await collect({ procRoot: '/nowhere' })
    expect(lines(got)).toContain(`node_memory_MemTotal_bytes{} ${totalmem()}`)
    expect(names(got)).toContain('node_memory_MemAvailable_bytes')
  })

  it('tells the rest where its memory cannot be told', async () => {
    const got = await collect({
      procRoot: '/nowhere',
      systemInformation: () => Promise.reject(new Error('no such package')),
    })
    expect(names(got)).toEqual(['node_load1', 'node_cpu_seconds_total'])
  })
})

describe('a call that hangs', () => {
  it('is given up with its run, and not made again before it is over', async () => {
    const calls: PromiseWithResolvers<string>[] = []
    const ask = oneAtATime(() => {
      const call = Promise.withResolvers<string>()
      calls.push(call)
      return call.promise
    })
    const run = new AbortController()
    const first = ask(run.signal)
    run.abort()
    expect(await first).toBeUndefined()
    expect(await ask(signal)).toBeUndefined()
    expect(calls).toHaveLength(1)
    calls[0]?.reject(new Error('at last'))
    await expect(calls[0]?.promise).rejects.toThrow('at last')
    const next = ask(signal)
    calls[1]?.resolve('there')
    expect(await next).toBe('there')
  })
})
