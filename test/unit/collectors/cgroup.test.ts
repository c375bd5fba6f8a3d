import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createCgroup, type CgroupOptions } from '../../../src/collectors/cgroup.ts'
import type { Measurement } from '../../../src/collectors/collector.ts'
import type { Container } from '../../../src/collectors/containers.ts'
import { CONTAINERS } from '../../../src/metrics/collected.ts'
import { failureOf } from '../../helpers/collect.ts'
import { OLLAMA_ID, plantMachine, put, readMachine, type Machine } from './cgroup-machine.ts'

const signal = new AbortController().signal

function create({ reader }: Machine, options: Partial<CgroupOptions> = {}) {
  const told: (readonly Container[])[] = []
  const collector = createCgroup({
    reader,
    name: 'ollama',
    known: () => [],
    onFound: (containers) => void told.push(containers),
    wallClock: () => 1_795_100_000_000,
    ...options,
  })
  return { collector, told }
}

const lines = (measurements: readonly Measurement[]) =>
  measurements.map(({ metric, labels, value }) => `${metric.name} ${Object.values(labels).join(' ')} ${value}`)

describe('the collector of cgroups', () => {
  it('tells of a container what cAdvisor would', async () => {
    const { collector } = create(plantMachine('docker-v2-shared-pid'))
    expect(lines(await collector.collect(signal))).toEqual([
      'container_memory_usage_bytes ollama  11853103104',
      'container_memory_working_set_bytes ollama  3800039424',
      'container_memory_rss ollama  3221225472',
      'container_spec_memory_limit_bytes ollama  17179869184',
      'container_cpu_usage_seconds_total ollama  913.250417',
      'container_spec_cpu_quota ollama  400000',
      'container_spec_cpu_period ollama  100000',
      'container_fs_reads_bytes_total ollama  8725200896',
      'container_fs_writes_bytes_total ollama  6144',
      'container_start_time_seconds ollama  1795004122.33',
      'container_last_seen ollama  1795100000',
    ])
  })

  it('tells nothing of what it does not know', async () => {
    const { collector } = create(plantMachine('docker-v1-host'))
    const names = new Set((await collector.collect(signal)).map(({ metric }) => metric.name))
    expect(names).not.toContain('container_cpu_usage_seconds_total')
    expect(names).toContain('container_spec_cpu_quota')
  })

  it('measures no family that it does not name', async () => {
    const { collector } = create(plantMachine('docker-v2-shared-pid'))
    expect(new Set((await collector.collect(signal)).map(({ metric }) => metric))).toEqual(new Set(collector.metrics))
    expect(collector.metrics).not.toContain(CONTAINERS.oomEvents)
    expect(collector.metrics).not.toContain(CONTAINERS.networkReceive)
  })

  it('leaves out what is measured already, and tells of it', async () => {
    const daemons = { id: OLLAMA_ID, name: 'compose-ollama-1', image: 'ollama/ollama', pid: 4711, startedAt: 0 }
    const { collector, told } = create(plantMachine('docker-v2-shared-pid'), { known: () => [daemons] })
    expect(await collector.collect(signal)).toEqual([])
    expect(told).toMatchObject([[{ id: OLLAMA_ID, pid: 1 }]])
  })

  it('waits for who is told', async () => {
    const heard = Promise.withResolvers<undefined>()
    const { collector } = create(plantMachine('docker-v2-shared-pid'), { onFound: () => heard.promise })
    let over = false
    const run = collector.collect(signal).finally(() => (over = true))
    await create(plantMachine('systemd-v2')).collector.collect(signal)
    expect(over).toBe(false)
    heard.resolve(undefined)
    expect(await run).not.toEqual([])
  })

  it('is absent without Ollama', async () => {
    const { collector, told } = create(plantMachine('session-v2'))
    expect(await failureOf(collector.collect(signal))).toMatchObject({ name: 'Absent' })
    expect(told).toEqual([[]])
  })

  it('waits for an Ollama that was there', async () => {
    const machine = plantMachine('systemd-v2')
    const { collector, told } = create(machine)
    expect(await collector.collect(signal)).not.toEqual([])
    rmSync(join(machine.procRoot, '812'), { recursive: true })
    expect(await collector.collect(signal)).toEqual([])
    const { files } = readMachine('systemd-v2')
    for (const file of ['stat', 'cmdline', 'cgroup'])
      put(machine.folder, `proc/812/${file}`, files[`proc/812/${file}`] ?? '')
    expect(await collector.collect(signal)).not.toEqual([])
    expect(told.map(({ length }) => length)).toEqual([1, 0, 1])
  })

  it('passes over a container that ends while it is read', async () => {
    const machine = plantMachine('systemd-v2')
    const ended = join(machine.sysRoot, 'fs/cgroup/system.slice/ollama.service')
    for (const what of ['memory.current', '']) {
      const { collector } = create(machine, { onFound: () => rmSync(join(ended, what), { recursive: true }) })
      expect(await collector.collect(signal)).toEqual([])
    }
  })

  it('fails where the numbers cannot be read', async () => {
    const machine = plantMachine('systemd-v2', {
      'sys/fs/cgroup/system.slice/ollama.service/memory.current': undefined,
    })
    put(machine.folder, 'sys/fs/cgroup/system.slice/ollama.service/memory.current/x', '')
    expect(await failureOf(create(machine).collector.collect(signal))).toMatchObject({
      name: 'CollectError',
      reason: 'unreadable',
    })
  })

  it('does nothing in a run that is over', async () => {
    const { collector, told } = create(plantMachine('systemd-v2'))
    expect(await failureOf(collector.collect(AbortSignal.abort()))).toMatchObject({ name: 'AbortError' })
    expect(told).toEqual([])
  })
})
