import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Container } from '../../../../src/collectors/containers.ts'
import { KillReports } from '../../../../src/collectors/oom/kill-reports.ts'
import { OomLedger } from '../../../../src/collectors/oom/ledger.ts'
import { createOomWatch } from '../../../../src/collectors/oom/watch.ts'
import { CONTAINERS } from '../../../../src/metrics/collected.ts'

beforeEach(() => void vi.useFakeTimers({ now: 1_800_000_000_000 }))
afterEach(() => void vi.useRealTimers())

function container(over: Partial<Container> = {}): Container & { oomKilled: boolean } {
  return { id: 'c1', name: 'ollama', image: 'i', pid: 7, startedAt: Date.now() - 1000, oomKilled: false, ...over }
}

/** A kernel that counts what the test says, by process; without a number the cgroup is gone. */
function createWatched(withKernel = true) {
  const kernel = new Map<number, { id: string; kills: number | undefined }>()
  const reads: number[] = []
  const ledger = new OomLedger(Date.now, () => undefined, { totals: [], lives: [] })
  const reports = new KillReports(
    Date.now,
    () => [],
    () => undefined,
  )
  const watch = createOomWatch<number>({
    ledger,
    reports,
    kernel: withKernel
      ? {
          locate: (pid, id) => Promise.resolve(kernel.get(pid)?.id === id ? pid : undefined),
          readOomKills(pid) {
            reads.push(pid)
            const group = kernel.get(pid)
            return group === undefined ? Promise.reject(new Error('gone')) : Promise.resolve(group.kills)
          },
        }
      : undefined,
    onChange: () => undefined,
  })
  const counts = () =>
    watch
      .measurements()
      .filter(({ metric }) => metric === CONTAINERS.oomEvents)
      .map(({ labels, value }) => `${labels.name} ${value}`)
  const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000)
  return { watch, kernel, counts, reads, seconds }
}

describe('containers of the daemon', () => {
  it('are counted by the kernel within a second', async () => {
    const { watch, kernel, counts, seconds } = createWatched()
    kernel.set(7, { id: 'c1', kills: 2 })
    await watch.setDaemonContainers([container()])
    expect(counts()).toEqual(['ollama 2'])
    kernel.set(7, { id: 'c1', kills: 3 })
    await seconds(1)
    expect(counts()).toEqual(['ollama 3'])
    watch.stop()
  })

  it('are counted by the kernel at once where the daemon tells of a kill, and once', async () => {
    const { watch, kernel, counts, seconds } = createWatched()
    kernel.set(7, { id: 'c1', kills: 0 })
    await watch.setDaemonContainers([container()])
    kernel.set(7, { id: 'c1', kills: 1 })
    watch.onEvent({ id: 'c1', action: 'oom' })
    await seconds(0)
    expect(counts()).toEqual(['ollama 1'])
    await seconds(10)
    expect(counts()).toEqual(['ollama 1'])
    watch.stop()
  })

  it('that die of it are counted by the daemon’s word', async () => {
    const { watch, kernel, counts, seconds } = createWatched()
    kernel.set(7, { id: 'c1', kills: 0 })
    const dies = container()
    await watch.setDaemonContainers([dies])
    kernel.delete(7)
    watch.onEvent({ id: 'c1', action: 'oom' })
    watch.onEvent({ id: 'c1', action: 'die' })
    await seconds(3)
    await watch.setDaemonContainers([{ ...dies, pid: undefined, oomKilled: true }])
    expect(counts()).toEqual(['ollama 1'])
    watch.stop()
  })

  it('that are killed by somebody are not', async () => {
    const { watch, kernel, counts, seconds } = createWatched()
    kernel.set(7, { id: 'c1', kills: 0 })
    await watch.setDaemonContainers([container()])
    kernel.delete(7)
    watch.onEvent({ id: 'c1', action: 'die' })
    watch.onEvent({ id: 'c1', action: 'destroy' })
    await seconds(3)
    await watch.setDaemonContainers([])
    expect(counts()).toEqual(['ollama 0'])
    watch.stop()
  })

  it('are not mistaken for a process of another container that has the number here', async () => {
    const { watch, kernel, counts, reads, seconds } = createWatched()
    kernel.set(7, { id: 'another', kills: 9 })
    await watch.setDaemonContainers([container()])
    await seconds(3)
    expect([counts(), reads]).toEqual([['ollama 0'], []])
    watch.onEvent({ id: 'c1', action: 'oom' })
    expect(counts()).toEqual(['ollama 1'])
    watch.stop()
  })

  it('are read through the process that was found here, where the daemon numbers processes otherwise', async () => {
    const { watch, kernel, counts, seconds } = createWatched()
    kernel.set(1, { id: 'c1', kills: 0 })
    const daemons = container({ pid: 4711 })
    await watch.setDaemonContainers([daemons])
    await watch.setFoundContainers([
      { ...daemons, name: 'found', image: '', pid: 1, startedAt: daemons.startedAt + 90 },
    ])
    kernel.set(1, { id: 'c1', kills: 1 })
    await seconds(1)
    expect(counts()).toEqual(['ollama 1'])
    watch.stop()
  })

  it('are counted by the daemon alone where the kernel is not to be asked', async () => {
    const { watch, kernel, counts, reads } = createWatched(false)
    kernel.set(7, { id: 'c1', kills: 5 })
    await watch.setDaemonContainers([container()])
    watch.onEvent({ id: 'c1', action: 'oom' })
    watch.onEvent({ id: 'unknown', action: 'oom' })
    expect([counts(), reads]).toEqual([['ollama 1'], []])
    watch.stop()
  })

  it('whose kernel does not tell are counted by the daemon', async () => {
    const { watch, kernel, counts, seconds } = createWatched()
    kernel.set(7, { id: 'c1', kills: undefined })
    await watch.setDaemonContainers([container()])
    watch.onEvent({ id: 'c1', action: 'oom' })
    await seconds(3)
    expect(counts()).toEqual(['ollama 1'])
    watch.stop()
  })
})

describe('the mark of a kill on a container', () => {
  it('counts where its event was lost', async () => {
    const { watch, counts } = createWatched(false)
    const lives = container()
    await watch.setDaemonContainers([lives])
    await watch.setDaemonContainers([{ ...lives, oomKilled: true }])
    await watch.setDaemonContainers([{ ...lives, pid: undefined, oomKilled: true }])
    expect(counts()).toEqual(['ollama 1'])
    watch.stop()
  })

  it('says nothing of its next life', async () => {
    const { watch, counts } = createWatched(false)
    const first = container()
    await watch.setDaemonContainers([first])
    watch.onEvent({ id: 'c1', action: 'oom' })
    watch.onEvent({ id: 'c1', action: 'die' })
    await watch.setDaemonContainers([{ ...first, pid: undefined, oomKilled: true }])
    const next = { ...first, pid: 8, startedAt: first.startedAt + 9000, oomKilled: true }
    await watch.setDaemonContainers([next])
    await watch.setDaemonContainers([{ ...next, pid: undefined }])
    expect(counts()).toEqual(['ollama 1'])
    watch.stop()
  })

  it('of a former life may be seen first on the next', async () => {
    const { watch, counts } = createWatched(false)
    const first = container()
    await watch.setDaemonContainers([first])
    await watch.setDaemonContainers([{ ...first, startedAt: first.startedAt + 9000, oomKilled: true }])
    expect(counts()).toEqual(['ollama 0'])
    watch.stop()
  })

  it('says nothing where it was there before anybody looked', async () => {
    const { watch, counts } = createWatched(false)
    await watch.setDaemonContainers([{ ...container(), oomKilled: true }])
    await watch.setDaemonContainers([{ ...container(), oomKilled: true }])
    expect(counts()).toEqual(['ollama 0'])
    watch.stop()
  })
})

describe('containers that were found without a daemon', () => {
  it('are counted by the kernel', async () => {
    const { watch, kernel, counts, seconds } = createWatched()
    kernel.set(7, { id: 'c1', kills: 0 })
    await watch.setFoundContainers([container()])
    kernel.set(7, { id: 'c1', kills: 2 })
    await seconds(1)
    expect(counts()).toEqual(['ollama 2'])
    watch.stop()
  })

  it('go on under the daemon’s name, and keep it when the daemon is silent', async () => {
    const { watch, kernel, counts, seconds } = createWatched()
    kernel.set(7, { id: 'c1', kills: 1 })
    const daemons = container()
    await watch.setDaemonContainers([daemons])
    await watch.setFoundContainers([{ ...daemons, name: 'found', startedAt: daemons.startedAt + 300 }])
    kernel.set(7, { id: 'c1', kills: 2 })
    await seconds(1)
    expect(counts()).toEqual(['ollama 2'])
    watch.stop()
  })
})

it('stops reading when it is stopped', async () => {
  const { watch, kernel, reads, seconds } = createWatched()
  kernel.set(7, { id: 'c1', kills: 0 })
  await watch.setDaemonContainers([container()])
  watch.stop()
  const before = reads.length
  await seconds(60)
  expect(reads.length).toBe(before)
})
