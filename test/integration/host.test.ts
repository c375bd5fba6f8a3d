import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { describe, expect, it } from 'vitest'
import type { Measurement } from '../../src/collectors/collector.ts'
import { createHost } from '../../src/collectors/host.ts'
import { ROOT } from '../helpers/process.ts'
import { runProgram } from '../helpers/programs.ts'

const host = createHost({ procRoot: '/proc', modelStores: ['/nowhere', ROOT] })
const collect = () => host.collect(new AbortController().signal)

function valueOf(
  measurements: readonly Measurement[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const found = measurements.find(
    (one) => one.metric.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  )
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found.value
}

describe.skipIf(process.platform !== 'linux')('the numbers of this machine', () => {
  it('are those of node:os', async () => {
    const before = await collect()
    const seen = cpus()
    const after = await collect()
    expect(valueOf(before, 'node_memory_MemTotal_bytes')).toBe(totalmem())
    for (const [cpu, { times }] of seen.entries()) {
      for (const [mode, name] of [
        ['user', 'user'],
        ['nice', 'nice'],
        ['system', 'sys'],
        ['idle', 'idle'],
      ] as const) {
        const labels = { cpu: String(cpu), mode }
        expect(times[name] / 1000).toBeGreaterThanOrEqual(valueOf(before, 'node_cpu_seconds_total', labels) - 0.02)
        expect(times[name] / 1000).toBeLessThanOrEqual(valueOf(after, 'node_cpu_seconds_total', labels) + 0.02)
      }
    }
  })

  it('are those of the kernel', async () => {
    const load = () => Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0])
    const loads = [load()]
    const measurements = await collect()
    loads.push(load())
    expect(loads).toContain(valueOf(measurements, 'node_load1'))
    const available = valueOf(measurements, 'node_memory_MemAvailable_bytes')
    expect(available).toBeGreaterThan(0)
    expect(available).toBeLessThan(totalmem())
    const [, kills] = /^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8')) ?? []
    expect(Number(kills)).toBeGreaterThanOrEqual(valueOf(measurements, 'node_vmstat_oom_kill'))
  })

  it('are those of df', async () => {
    const { stdout } = await runProgram('df', ['--output=source,fstype,target', ROOT], '')
    const [device = '', fstype = '', mountpoint = ''] = stdout.trim().split('\n').at(-1)?.split(/\s+/) ?? []
    const { blocks, bsize } = await statfs(ROOT)
    const measurements = await collect()
    expect(valueOf(measurements, 'node_filesystem_size_bytes', { device, fstype, mountpoint })).toBe(blocks * bsize)
    const available = valueOf(measurements, 'node_filesystem_avail_bytes', { device, fstype, mountpoint })
    expect(available).toBeGreaterThan(0)
    expect(available).toBeLessThan(blocks * bsize)
  })
})
