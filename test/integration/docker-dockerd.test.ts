import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { failureOf } from '../helpers/collect.ts'
import { watchDocker, type WatchedCollector } from '../helpers/docker-collector.ts'
import { BUSYBOX, describeWithDockerd, startDockerd, type Dockerd } from '../helpers/dockerd.ts'
import { waitFor } from '../helpers/wait.ts'

/** Its child is killed, again and again where it is asked to, and process 1 lives on. */
const CHILD_DIES = 'tail /dev/zero; exec sleep 1000'
const IDLE = 'exec sleep 1000'

describeWithDockerd('a real Docker daemon', () => {
  let dockerd: Dockerd

  beforeAll(async () => {
    dockerd = await startDockerd({ args: ['--live-restore'] })
  })
  afterAll(async () => {
    await dockerd.stop()
  })
  afterEach(async () => {
    const ids = await dockerd.docker('ps', '--all', '--quiet')
    if (ids !== '') await dockerd.docker('rm', '--force', ...ids.split('\n'))
  })

  /** A collector that follows the events since now. */
  async function watch(options = {}): Promise<WatchedCollector> {
    const wait = (ms: number, signal: AbortSignal) => pause(ms / 10, undefined, { signal })
    const watched = watchDocker(dockerd.host, { wallClock: Date.now, wait, ...options })
    await watched.collect()
    return watched
  }
  const actionsOf = ({ events }: WatchedCollector, id: string) =>
    events.filter((event) => event.id === id).map(({ action }) => action)

  describe('and the kernel', () => {
    // The names of the files are those of cgroup v1.
    it.skipIf(existsSync('/sys/fs/cgroup/cgroup.controllers'))('tell the same of a container', async () => {
      const startedAt = Date.now() / 1000
      await dockerd.createNetwork('bridged')
      const work = 'dd if=/dev/zero of=/file bs=1M count=8; ping -c 2 -i 0.1 $(route -n'
      const script = `${work} | awk '/^0.0.0.0/ {print $2}'); echo worked; ${IDLE}`
      const args = ['--memory=64m', '--cpus=0.5', '--network=bridged']
      const id = await dockerd.run(script, { name: 'ollama', args })
      await waitFor('its work', async () => (await dockerd.docker('logs', id)).includes('worked'))
      const pid = await dockerd.pidOf(id)
      const read = (hierarchy: string, file: string) => readFileSync(`${dockerd.cgroup(hierarchy, id)}/${file}`, 'utf8')
      const kernel = (): Readonly<Record<string, number>> => {
        const memory = new Map(read('memory', 'memory.stat').split('\n').map(pairOf))
        const usage = Number(read('memory', 'memory.usage_in_bytes'))
        const [received, sent] = trafficOf(readFileSync(`/proc/${pid}/net/dev`, 'utf8'))
        return {
          'container_memory_usage_bytes ollama': usage,
          'container_memory_working_set_bytes ollama': usage - (memory.get('total_inactive_file') ?? NaN),
          'container_memory_rss ollama': memory.get('total_rss') ?? NaN,
          'container_spec_memory_limit_bytes ollama': Number(read('memory', 'memory.limit_in_bytes')),
          'container_cpu_usage_seconds_total ollama': Number(read('cpuacct', 'cpuacct.usage')) / 1e9,
          'container_spec_cpu_quota ollama': Number(read('cpu', 'cpu.cfs_quota_us')),
          'container_spec_cpu_period ollama': Number(read('cpu', 'cpu.cfs_period_us')),
          'container_network_receive_bytes_total ollama': received,
          'container_network_transmit_bytes_total ollama': sent,
        }
      }
      const watched = await watch()
      // Whoever works is never still: what stands in between must be what stands before and after.
      const measured = await waitFor('a moment in which nothing changes', async () => {
        const before = kernel()
        const found = await watched.collect()
        return JSON.stringify(kernel()) === JSON.stringify(before) && found
      })
      const truth = kernel()
      expect(Object.fromEntries(Object.keys(truth).map((name) => [name, measured[name]]))).toEqual(truth)
      expect(truth['container_network_transmit_bytes_total ollama']).toBeGreaterThan(100)
      // What was written once is an inactive page: usage has it, and the working set has not.
      expect(truth['container_memory_usage_bytes ollama']).toBeGreaterThan(8e6)
      expect(truth['container_memory_working_set_bytes ollama']).toBeLessThan(8e6)
      expect(truth['container_cpu_usage_seconds_total ollama']).toBeGreaterThan(0)
      const started = measured['container_start_time_seconds ollama']
      expect(started).toBeGreaterThan(startedAt)
      expect(started).toBeLessThan(measured['container_last_seen ollama'] ?? 0)
      expect(watched.found.at(-1)).toMatchObject([{ id, pid, oomKilled: false, image: BUSYBOX }])
    })
  })

  it('tells of a killed child while process 1 lives on, and of a docker kill only that it died', async () => {
    const watched = await watch()
    const id = await dockerd.run(CHILD_DIES, { name: 'ollama', args: ['--memory=64m'] })
    await waitFor('the kill', () => actionsOf(watched, id).includes('oom'))
    expect(actionsOf(watched, id)).toEqual(['start', 'oom'])
    expect(watched.told).toEqual(['found ', 'found ollama', 'start ollama', 'oom ollama'])
    expect(await watched.collect()).toHaveProperty(['container_memory_usage_bytes ollama'])

    const other = await dockerd.run(IDLE, { name: 'other', args: ['--label=ollascope.watch=true'] })
    await waitFor('the start', () => actionsOf(watched, other).length === 1)
    await dockerd.docker('kill', other)
    await waitFor('the end', () => actionsOf(watched, other).length === 2)
    await dockerd.docker('rm', other)
    await waitFor('the removal', () => actionsOf(watched, other).length === 3)
    expect(actionsOf(watched, other)).toEqual(['start', 'die', 'destroy'])
  })

  it('finds a container that was made again under the same name', async () => {
    const first = await dockerd.run(IDLE, { name: 'ollama' })
    const watched = await watch()
    expect(watched.found.at(-1)).toMatchObject([{ id: first }])
    await dockerd.docker('rm', '--force', first)
    const second = await dockerd.run(CHILD_DIES, { name: 'ollama', args: ['--memory=64m'] })
    await waitFor('the kill', () => actionsOf(watched, second).includes('oom'))
    expect(watched.found.at(-1)).toMatchObject([{ id: second }])
    expect(actionsOf(watched, first)).toEqual(['die', 'destroy'])
  })

  it('finds a container by an image whose tag moved on', async () => {
    await dockerd.docker('tag', BUSYBOX, 'ollama/ollama:0.5')
    const id = await dockerd.run(IDLE, { name: 'other', image: 'ollama/ollama:0.5' })
    await dockerd.docker('commit', id, 'ollama/ollama:0.5')
    expect(await dockerd.docker('ps', '--format={{.Image}}')).not.toContain('ollama')
    const watched = await watch()
    expect(watched.found).toMatchObject([[{ id, image: 'ollama/ollama:0.5' }]])
  })

  it('is followed on after it was started again, and what it lost is looked for', async () => {
    const id = await dockerd.run(`sleep 1000; ${CHILD_DIES}`, { name: 'ollama', args: ['--memory=64m'] })
    const watched = await watch()
    for (const end of [dockerd.stopDaemon, dockerd.killDaemon]) {
      const before = { looks: watched.found.length, events: watched.events.length }
      await end()
      expect(await failureOf(watched.collect())).toSatisfy(isAway)
      await dockerd.startDaemon()
      await waitFor('a look after the start', () => watched.found.length > before.looks)
      await dockerd.docker('exec', id, 'sh', '-c', 'tail /dev/zero; true')
      await watched.eventsUntil(before.events + 1)
    }
    expect(actionsOf(watched, id)).toEqual(['oom', 'oom'])
    expect(await watched.collect()).toHaveProperty(['container_memory_usage_bytes ollama'])
  })

  it('tells of what happened while nobody followed', async () => {
    const id = await dockerd.run(IDLE, { name: 'ollama', args: ['--memory=64m'] })
    const kill = () => dockerd.docker('exec', id, 'sh', '-c', 'tail /dev/zero; true')
    const first = await watch()
    await kill()
    const [last] = await first.eventsUntil(1)
    first.collector.close?.()
    await kill()
    const second = await watch({ since: last?.timeNano })
    await kill()
    await second.eventsUntil(2)
    await dockerd.docker('kill', id)
    const events = await second.eventsUntil(3)
    expect(events.map(({ action }) => action)).toEqual(['oom', 'oom', 'die'])
    expect(new Set([last, ...events].map((event) => event?.timeNano)).size).toBe(4)
  })

  it('is out of time while it is frozen, and fine afterwards', async () => {
    await dockerd.run(IDLE, { name: 'ollama' })
    const watched = await watch()
    dockerd.freeze()
    try {
      const failure = await failureOf(watched.collect(AbortSignal.timeout(200)))
      expect(failure).toMatchObject({ name: 'CollectError', reason: 'timeout' })
    } finally {
      dockerd.thaw()
    }
    expect(await watched.collect()).toHaveProperty(['container_memory_usage_bytes ollama'])
  })

  it('tells how often a container was restarted, whether it is healthy, and nothing more once it stopped', async () => {
    const fails = await dockerd.run('exit 1', { name: 'fails', args: ['--restart=on-failure:2'] })
    const health = ['--health-cmd=true', '--health-interval=1s']
    const healthy = await dockerd.run(IDLE, { name: 'fine', args: health })
    await waitFor('the end', async () => (await statusOf(fails)) === 'exited')
    await waitFor('a sign of health', async () => (await dockerd.docker('ps')).includes('(healthy)'))
    const watched = await watch({ names: ['fails', 'fine'] })
    const measured = await watched.collect()
    expect(measured).toMatchObject({ 'container_restarts fails': 2, 'container_health_state fine': 1 })
    expect(Object.keys(measured).filter((name) => name.endsWith(' fails'))).toEqual(['container_restarts fails'])
    expect(measured).toMatchObject({ 'container_spec_memory_limit_bytes fine': 0 })
    await dockerd.docker('update', '--memory=32m', '--memory-swap=32m', healthy)
    expect(await watched.collect()).toMatchObject({ 'container_spec_memory_limit_bytes fine': 32 * 1024 * 1024 })
  })

  const statusOf = (id: string) => dockerd.docker('inspect', '--format={{.State.Status}}', id)
})

/** It leaves its socket behind where it was killed. */
function isAway(failure: unknown): boolean {
  if (!(failure instanceof Error)) return false
  return failure.name === 'Absent' || ('reason' in failure && failure.reason === 'refused')
}

function pairOf(line: string): [string, number] {
  const [name = '', value] = line.split(' ')
  return [name, Number(value)]
}

/** Bytes received and sent on all interfaces but the loopback. */
function trafficOf(dev: string): [number, number] {
  const rows = dev.split('\n').filter((line) => line.includes(':') && !line.includes('lo:'))
  const fields = rows.map((row) => (row.split(':')[1] ?? '').trim().split(/\s+/).map(Number))
  const total = (column: number) => fields.reduce((sum, row) => sum + (row[column] ?? NaN), 0)
  return [total(0), total(8)]
}
