import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Cgroup } from '../../../src/collectors/cgroup/locate.ts'
import { failureOf } from '../../helpers/collect.ts'
import { OLLAMA_ID, plantFiles, plantMachine, put, type Machine } from './cgroup-machine.ts'

/** All containers of the machines use the same, and the limits differ. */
const USAGE = {
  memoryBytes: 11_853_103_104,
  workingSetBytes: 11_853_103_104 - 8_053_063_680,
  rssBytes: 3_221_225_472,
  memoryLimitBytes: 17_179_869_184,
  cpuSeconds: 913.250417,
  cpuQuotaMicroseconds: 400_000,
  cpuPeriodMicroseconds: 100_000,
  readBytes: 8_724_152_320 + 1_048_576,
  writtenBytes: 4096 + 2048,
}

async function located({ reader }: Machine, pid: number): Promise<Cgroup> {
  const cgroup = await reader.locate(pid)
  if (cgroup === undefined) throw new Error(`process ${pid} has no cgroup`)
  return cgroup
}

describe('the cgroup of Ollama', () => {
  it.each([
    ['in a container of Docker, by the shared pid namespace', 'docker-v2-shared-pid', 1, 2, 2, {}],
    ['in a container of Docker, version 1', 'docker-v1-shared-pid', 1, 1, 3, {}],
    ['in a pod', 'kubernetes-v2', 7, 2, 2, { cpuQuotaMicroseconds: undefined }],
    ['as a service', 'systemd-v2', 812, 2, 1, { memoryLimitBytes: 0, cpuQuotaMicroseconds: undefined }],
    [
      'as a service, both versions',
      'systemd-hybrid',
      812,
      1,
      1,
      { memoryLimitBytes: 0, cpuQuotaMicroseconds: undefined },
    ],
    ['with Ollascope in one container', 'same-container-v2', 8, 2, 4, {}],
    [
      'that shares the hierarchy of CPU times with all others',
      'docker-v1-host',
      3041,
      1,
      undefined,
      { cpuSeconds: undefined },
    ],
  ] as const)('%s tells its usage and its kills', async (_title, name, pid, version, kills, differs) => {
    const machine = plantMachine(name)
    const cgroup = await located(machine, pid)
    expect(cgroup.version).toBe(version)
    expect(await machine.reader.readOomKills(cgroup)).toBe(kills)
    expect(await machine.reader.readUsage(cgroup)).toEqual({ ...USAGE, ...differs })
  })

  it('is that of the host, where the host is seen', async () => {
    const cgroup = await located(plantMachine('systemd-hybrid'), 812)
    expect(cgroup.memory).toMatch(/\/sys\/fs\/cgroup\/memory\/system\.slice\/ollama\.service$/)
  })

  it('is seen by its own mounts, where this file system shows another', async () => {
    const cgroup = await located(plantMachine('docker-v2-shared-pid'), 1)
    expect(cgroup.memory).toMatch(/\/proc\/1\/root\/sys\/fs\/cgroup$/)
  })

  it('is found below the mount of a host, seen from a cgroup namespace', async () => {
    const machine = plantMachine('docker-v2-shared-pid', {
      'proc/1/cgroup': '0::/../../system.slice/ollama.service\n',
      'proc/1/mountinfo': '9 1 0:28 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
      'proc/1/root/sys/fs/cgroup/system.slice/ollama.service/memory.events': 'oom_kill 6\n',
    })
    expect(await machine.reader.readOomKills(await located(machine, 1))).toBe(6)
  })

  it('may have its CPU hierarchy under the joined name only', async () => {
    const machine = plantMachine('systemd-hybrid')
    for (const name of ['cpu', 'cpuacct']) rmSync(join(machine.sysRoot, 'fs/cgroup', name))
    expect(await machine.reader.readUsage(await located(machine, 812))).toMatchObject({ cpuSeconds: USAGE.cpuSeconds })
  })

  it('of version 2 may be mounted beside version 1', async () => {
    const { reader } = plantFiles({
      'proc/5/cgroup': '2:net_cls:/\n0::/ollama\n',
      'sys/fs/cgroup/unified/ollama/memory.events': 'oom_kill 1\n',
    })
    expect((await reader.locate(5))?.memory).toMatch(/unified\/ollama$/)
  })
})

describe('no cgroup', () => {
  it.each([
    ['where there is no such process', 'systemd-v2', 99, {}],
    ['for the root of version 2', 'systemd-v2', 2, {}],
    ['for the root of version 1', 'docker-v1-host', 1, {}],
    ['where its own file system is not visible', 'docker-v2-shared-pid', 1, { 'proc/1/mountinfo': undefined }],
    [
      'where a path leads out of what is mounted',
      'docker-v2-shared-pid',
      1,
      { 'proc/1/mountinfo': undefined, [`sys/fs/docker-${OLLAMA_ID}.scope/memory.events`]: 'oom_kill 1\n' },
    ],
    ['where its own mounts are above it', 'docker-v2-shared-pid', 1, { 'proc/1/cgroup': '0::/../other\n' }],
    [
      'where a name only begins like the mount',
      'docker-v1-shared-pid',
      1,
      { 'proc/1/cgroup': `9:memory:/docker/${OLLAMA_ID}x\n`, 'proc/1/root/sys/fs/cgroup/memoryx/tasks': '' },
    ],
    ['where the memory controller is off', 'same-container-v2', 8, { 'sys/fs/cgroup/memory.events': undefined }],
  ] as const)('is found %s', async (_title, name, pid, changes) => {
    expect(await plantMachine(name, changes).reader.locate(pid)).toBeUndefined()
  })
})

describe('a cgroup of a certain container', () => {
  it.each([
    ['by its path', 'docker-v2-shared-pid', 1],
    ['by what is mounted into it', 'same-container-v2', 1],
  ] as const)('is known %s', async (_title, name, pid) => {
    const { reader } = plantMachine(name)
    expect(await reader.locate(pid, OLLAMA_ID)).toBeDefined()
    expect(await reader.locate(pid, 'f'.repeat(64))).toBeUndefined()
  })

  it('is known by the start of its first process, where it has no id', async () => {
    const machine = plantMachine('systemd-v2')
    expect(await machine.reader.locate(812, '812:2201')).toBeDefined()
    expect(await machine.reader.locate(812, '812:2202')).toBeUndefined()
  })
})

describe('the kernel', () => {
  it('counted two kills more', async () => {
    const machine = plantMachine('docker-v2-shared-pid')
    const cgroup = await located(machine, 1)
    put(machine.folder, 'proc/1/root/sys/fs/cgroup/memory.events', 'oom 5\noom_kill 4\noom_group_kill 1\n')
    expect(await machine.reader.readOomKills(cgroup)).toBe(4)
  })

  it.each(['', 'oom_group_kill 3\n', 'oom_kill\n', 'oom_kill -1\n', 'oom_kill x\n', 'oom_kill 1.5\n', 'under_oom 1\n'])(
    'tells no kills by %j',
    async (text) => {
      const machine = plantMachine('docker-v2-shared-pid', { 'proc/1/root/sys/fs/cgroup/memory.events': text })
      expect(await machine.reader.readOomKills(await located(machine, 1))).toBeUndefined()
    },
  )

  it.each(['docker-v2-shared-pid', 'docker-v1-shared-pid'] as const)(
    'says that the cgroup is gone: %s',
    async (name) => {
      const machine = plantMachine(name)
      const cgroup = await located(machine, 1)
      renameSync(join(machine.procRoot, '1'), join(machine.procRoot, '2'))
      for (const read of [machine.reader.readOomKills, machine.reader.readUsage])
        expect(await failureOf(read(cgroup))).toMatchObject({ name: 'CollectError', reason: 'gone' })
    },
  )

  it('is told of files that are missing by what they would say', async () => {
    const folder = 'proc/1/root/sys/fs/cgroup'
    const missing = ['memory.stat', 'memory.max', 'cpu.stat', 'cpu.max', 'io.stat'].map((file) => [
      `${folder}/${file}`,
      undefined,
    ])
    const machine = plantMachine('docker-v2-shared-pid', Object.fromEntries(missing) as Record<string, undefined>)
    const usage = await machine.reader.readUsage(await located(machine, 1))
    expect(Object.entries(usage).filter(([, value]) => value !== undefined)).toEqual([
      ['memoryBytes', USAGE.memoryBytes],
    ])
  })

  it('has read and written nothing yet', async () => {
    const machine = plantMachine('docker-v2-shared-pid', { 'proc/1/root/sys/fs/cgroup/io.stat': '' })
    expect(await machine.reader.readUsage(await located(machine, 1))).toMatchObject({ readBytes: 0, writtenBytes: 0 })
    const old = plantMachine('docker-v1-shared-pid', {
      'proc/1/root/sys/fs/cgroup/blkio/blkio.throttle.io_service_bytes': 'Total 0\n',
    })
    expect(await old.reader.readUsage(await located(old, 1))).toMatchObject({ readBytes: 0, writtenBytes: 0 })
  })

  it('wrote more inactive file pages than memory in use: none are left', async () => {
    const machine = plantMachine('docker-v2-shared-pid', { 'proc/1/root/sys/fs/cgroup/memory.current': '4096\n' })
    expect(await machine.reader.readUsage(await located(machine, 1))).toMatchObject({ workingSetBytes: 0 })
  })
})
