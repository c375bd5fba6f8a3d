import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createCgroupReader } from '../../src/collectors/cgroup/reader.ts'
import { createCgroup } from '../../src/collectors/cgroup.ts'
import { failureOf } from '../helpers/collect.ts'
import { NODE, ROOT } from '../helpers/process.ts'
import { runProgram } from '../helpers/programs.ts'
import { canMakeCgroups, startContainer } from './cgroup-container.ts'

const able = canMakeCgroups()
const needs = able ? '' : ' [needs root and writable cgroups of version 1]'
const roots = { procRoot: '/proc', sysRoot: '/sys' }

const someId = () => randomBytes(32).toString('hex')

describe.skipIf(!able)(`the kernel's own cgroups${needs}`, () => {
  it('tell that a child of Ollama was killed', async () => {
    const container = await startContainer(someId())
    const reader = createCgroupReader(roots)
    const cgroup = await reader.locate(container.pid, container.id)
    if (cgroup === undefined) throw new Error('the cgroup is not found')
    expect(await reader.readOomKills(cgroup)).toBe(0)
    for (const kills of [1, 2]) {
      expect(await container.overload()).toBe(128 + 9)
      expect(await reader.readOomKills(cgroup)).toBe(kills)
    }
    await container.end()
    expect(await failureOf(reader.readOomKills(cgroup))).toMatchObject({ reason: 'gone' })
    expect(await failureOf(reader.readUsage(cgroup))).toMatchObject({ reason: 'gone' })
    expect(await reader.locate(container.pid, container.id)).toBeUndefined()
  })

  it('tell what Ollama uses', async () => {
    const container = await startContainer(someId())
    const reader = createCgroupReader(roots)
    await container.overload()
    const cgroup = await reader.locate(container.pid)
    const usage = cgroup && (await reader.readUsage(cgroup))
    expect(usage).toMatchObject({
      memoryLimitBytes: container.limitBytes,
      cpuQuotaMicroseconds: 150_000,
      cpuPeriodMicroseconds: 100_000,
    })
    const { memoryBytes = 0, workingSetBytes = 0, rssBytes = 0, cpuSeconds = 0, readBytes, writtenBytes } = usage ?? {}
    expect(memoryBytes).toBeGreaterThan(0)
    expect(memoryBytes).toBeLessThanOrEqual(container.limitBytes)
    expect(workingSetBytes).toBeLessThanOrEqual(memoryBytes)
    expect(rssBytes).toBeGreaterThan(0)
    expect(cpuSeconds).toBeGreaterThan(0)
    expect(readBytes).toBeGreaterThanOrEqual(0)
    expect(writtenBytes).toBeGreaterThanOrEqual(0)
  })

  it('show Ollama among the processes of this machine, when it was started, and not when it is gone', async () => {
    const beforeMs = Date.now()
    const container = await startContainer(someId())
    const reader = createCgroupReader(roots)
    const found = (await reader.findOllama('ollama')).find(({ id }) => id === container.id)
    expect(found).toMatchObject({ pid: container.pid, image: '' })
    // The kernel rounds the start down to hundredths and the boot to seconds.
    expect(found?.startedAt).toBeGreaterThan(beforeMs - 2000)
    expect(found?.startedAt).toBeLessThan(Date.now() + 2000)
    const known = new Set<string>()
    const onFound = (all: readonly { id: string }[]) => all.forEach(({ id }) => known.add(id))
    const collector = createCgroup({ reader, name: container.id, known: () => [], onFound, wallClock: Date.now })
    const measurements = await collector.collect(AbortSignal.timeout(20_000))
    expect(known).toContain(container.id)
    const limit = measurements.find(
      ({ metric, labels }) =>
        metric.name === 'container_spec_memory_limit_bytes' && labels.name?.startsWith(container.id),
    )
    expect(limit?.value).toBe(container.limitBytes)
    await container.end()
    const after = await reader.findOllama('ollama').catch(() => [])
    expect(after.map(({ id }) => id)).not.toContain(container.id)
  })

  it('are refused to another user, who cannot see the hierarchy itself', async () => {
    const container = await startContainer(someId())
    const module = JSON.stringify(`${ROOT}src/collectors/cgroup/reader.ts`)
    const script = `process.setgroups([]); process.setgid(65534); process.setuid(65534)
      const reader = createCgroupReader({ procRoot: '/proc', sysRoot: '/nowhere' })
      const told = (reason) => console.log(JSON.stringify(reason), String(await reader.locate(${container.pid})))
      await reader.findOllama('x').then(told, ({ name, reason }) => told({ name, reason }))`
    const code = `import { createCgroupReader } from ${module}\n${script}`.replace('(reason) =>', 'async (reason) =>')
    const { stdout, stderr } = await runProgram(NODE, ['--input-type=module', '-e', code], '')
    expect(stderr).toBe('')
    expect(stdout).toBe('{"name":"CollectError","reason":"permission"} undefined\n')
  })
})

describe.skipIf(process.platform !== 'linux')('this machine as a whole', () => {
  it('is nobody’s cgroup', async () => {
    // No process is 0, and kernel threads, where they can be seen, are children of process 2 and in the root.
    const reader = createCgroupReader(roots)
    expect(await reader.locate(0)).toBeUndefined()
    expect(await reader.locate(2)).toBeUndefined()
  })
})
