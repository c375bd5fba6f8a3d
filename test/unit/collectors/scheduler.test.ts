import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Absent, CollectError, type Collector, type Measurement } from '../../../src/collectors/collector.ts'
import { createScheduler, type CollectorState } from '../../../src/collectors/scheduler.ts'
import type { MetricDefinition } from '../../../src/metrics/definition.ts'
import { HOST } from '../../../src/metrics/collected.ts'

const METRIC = HOST.cpu
const LASTING = HOST.oomKills
const INTERVAL = 10_000
const TIMEOUT = 5000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

interface Run {
  readonly signal: AbortSignal
  readonly give: (...values: number[]) => Promise<void>
  readonly fail: (error: unknown) => Promise<void>
}

/** A collector whose runs wait for the test. */
function createAsked(name: Collector['name'], more: Partial<Collector> = {}) {
  const runs: Run[] = []
  const settled = async () => {
    await vi.advanceTimersByTimeAsync(0)
  }
  const collector: Collector = {
    name,
    metrics: [METRIC, LASTING],
    collect(signal) {
      const { promise, resolve, reject } = Promise.withResolvers<readonly Measurement[]>()
      runs.push({
        signal,
        give: (...values) => {
          resolve(
            values.map((value, index) => ({ metric: METRIC, labels: { cpu: `${index % 3}`, mode: 'user' }, value })),
          )
          return settled()
        },
        fail: (error) => (reject(error), settled()),
      })
      return promise
    },
    ...more,
  }
  const last = () => {
    const run = runs.at(-1)
    if (run === undefined) throw new Error('nobody asked')
    return run
  }
  return { collector, runs, last }
}

function schedule(...collectors: readonly Collector[]) {
  const told: string[] = []
  const scheduler = createScheduler({
    collectors,
    intervalMs: INTERVAL,
    timeoutMs: TIMEOUT,
    now: () => performance.now(),
    wallClock: () => Date.now(),
    onChange: ({ name, status, problem }: CollectorState) =>
      told.push(`${name} ${status} ${problem?.reason ?? ''}`.trim()),
  })
  const values = (metric: MetricDefinition = METRIC) => scheduler.samples(metric).map(({ value }) => value)
  const state = (name: Collector['name']) => scheduler.states().find((one) => one.name === name)
  return { scheduler, told, values, state }
}

describe('a run', () => {
  it('is followed by the next after an interval, and has the last one’s samples until then', async () => {
    const { collector, runs, last } = createAsked('host')
    const { scheduler, values, state, told } = schedule(collector)
    scheduler.start()
    expect(state('host')).toMatchObject({ status: 'starting', lastSuccessSeconds: undefined })
    await vi.advanceTimersByTimeAsync(2000)
    await last().give(1)
    expect(values()).toEqual([1])
    expect(state('host')).toMatchObject({ status: 'ok', durationSeconds: 2, lastSuccessSeconds: Date.now() / 1000 })
    await vi.advanceTimersByTimeAsync(INTERVAL - 1)
    expect(runs).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(runs).toHaveLength(2)
    expect(values()).toEqual([1])
    await last().give(2)
    expect(values()).toEqual([2])
    expect(told).toEqual(['host ok'])
    scheduler.stop()
  })

  it('publishes what there is now: what vanished leaves no series', async () => {
    const { collector, last } = createAsked('host')
    const { scheduler, values } = schedule(collector)
    scheduler.start()
    await last().give(1, 2, 3)
    expect(values()).toEqual([1, 2, 3])
    await vi.advanceTimersByTimeAsync(INTERVAL)
    await last().give()
    expect(values()).toEqual([])
    scheduler.stop()
  })

  it('publishes no value that is no number, and none twice', async () => {
    const { collector, last } = createAsked('host')
    const { scheduler, values } = schedule(collector)
    scheduler.start()
    await last().give(NaN, Infinity, 7, 8, 9, 10)
    expect(values().sort()).toEqual([7, 8, 9])
    scheduler.stop()
  })

  it('that fails publishes nothing but what lasts, and the next one comes all the same', async () => {
    const { collector, runs, last } = createAsked('host', {
      lasting: () => [{ metric: LASTING, labels: {}, value: 9 }],
    })
    const { scheduler, values, state, told } = schedule(collector)
    scheduler.start()
    await last().give(1)
    await vi.advanceTimersByTimeAsync(INTERVAL)
    await last().fail(new CollectError('permission', 'may not'))
    expect([values(), values(LASTING)]).toEqual([[], [9]])
    expect(state('host')).toMatchObject({ status: 'failing', problem: { reason: 'permission', message: 'may not' } })
    await vi.advanceTimersByTimeAsync(INTERVAL)
    await last().fail('odd')
    expect(state('host')?.problem).toEqual({ reason: 'other', message: 'odd' })
    await vi.advanceTimersByTimeAsync(INTERVAL)
    await last().give(1)
    expect([...(state('host')?.errors ?? [])]).toEqual([
      ['timeout', 0],
      ['permission', 1],
      ['other', 1],
    ])
    expect(runs).toHaveLength(4)
    expect(told).toEqual(['host ok', 'host failing permission', 'host failing other', 'host ok'])
    scheduler.stop()
  })

  it('that fails over and over is told once', async () => {
    const { collector, last } = createAsked('host')
    const { scheduler, told, state } = schedule(collector)
    scheduler.start()
    for (let round = 0; round < 5; round++) {
      await last().fail(new CollectError('permission', `round ${round}`))
      await vi.advanceTimersByTimeAsync(INTERVAL)
    }
    expect(told).toEqual(['host failing permission'])
    expect(state('host')?.errors.get('permission')).toBe(5)
    scheduler.stop()
  })

  it('that finds nothing to read is looked for seldom, and is no failure', async () => {
    const { collector, runs, last } = createAsked('nvidia')
    const { scheduler, state, told } = schedule(collector)
    scheduler.start()
    await last().fail(new Absent('no nvidia-smi'))
    expect(state('nvidia')).toMatchObject({ status: 'absent', problem: { message: 'no nvidia-smi' } })
    expect([...(state('nvidia')?.errors ?? [])]).toEqual([['timeout', 0]])
    await vi.advanceTimersByTimeAsync(299_999)
    expect(runs).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    await last().give(1)
    expect(told).toEqual(['nvidia absent absent', 'nvidia ok'])
    scheduler.stop()
  })

  it('that finds no more what was there has failed, and looks for it after an interval', async () => {
    const { collector, runs, last } = createAsked('docker')
    const { scheduler, state, values } = schedule(collector)
    scheduler.start()
    await last().give(1)
    await vi.advanceTimersByTimeAsync(INTERVAL)
    await last().fail(new Absent('no socket'))
    expect(state('docker')).toMatchObject({ status: 'failing', problem: { reason: 'absent', message: 'no socket' } })
    expect([state('docker')?.errors.get('absent'), values()]).toEqual([1, []])
    await vi.advanceTimersByTimeAsync(INTERVAL)
    expect(runs).toHaveLength(3)
    scheduler.stop()
  })

  it('says itself when the next one is due', async () => {
    const { collector, runs, last } = createAsked('ollama', { nextDelayMs: () => 1000 })
    const { scheduler } = schedule(collector)
    scheduler.start()
    await last().give(1)
    await vi.advanceTimersByTimeAsync(999)
    expect(runs).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(runs).toHaveLength(2)
    scheduler.stop()
  })
})

describe('a run that takes too long', () => {
  it('is told by its signal, and may say itself what it waited for', async () => {
    const { collector, last } = createAsked('docker')
    const { scheduler, state } = schedule(collector)
    scheduler.start()
    await vi.advanceTimersByTimeAsync(TIMEOUT)
    await last().fail(new CollectError('hangs', 'no answer from the socket'))
    expect(state('docker')?.problem).toEqual({ reason: 'hangs', message: 'no answer from the socket' })
    scheduler.stop()
  })

  it('has failed, and no second one begins before it is over', async () => {
    const { collector, runs, last } = createAsked('docker')
    const other = createAsked('host')
    const { scheduler, state, told } = schedule(collector, other.collector)
    scheduler.start()
    await vi.advanceTimersByTimeAsync(TIMEOUT + 500)
    expect(state('docker')).toMatchObject({ status: 'failing', problem: { reason: 'timeout' } })
    await vi.advanceTimersByTimeAsync(20 * INTERVAL)
    expect(runs).toHaveLength(1)
    await last().give(1)
    expect(state('docker')?.status).toBe('failing')
    await vi.advanceTimersByTimeAsync(INTERVAL)
    expect(runs).toHaveLength(2)
    await last().give(1)
    expect(state('docker')?.status).toBe('ok')
    expect(told.filter((line) => line.startsWith('docker'))).toEqual(['docker failing timeout', 'docker ok'])
    scheduler.stop()
  })

  it('holds up no other', async () => {
    const hangs = createAsked('docker')
    const throws = createAsked('nvidia', {
      collect() {
        throw new Error('at once')
      },
    })
    const good = createAsked('host')
    const { scheduler, values, state } = schedule(hangs.collector, throws.collector, good.collector)
    scheduler.start()
    for (let round = 1; round <= 5; round++) {
      await good.last().give(round)
      expect(values()).toEqual([round])
      await vi.advanceTimersByTimeAsync(INTERVAL)
    }
    expect(state('nvidia')).toMatchObject({ status: 'failing', problem: { reason: 'other', message: 'at once' } })
    scheduler.stop()
  })
})

describe('a collector that is woken', () => {
  it('runs soon, once for many who wake it', async () => {
    const { collector, runs, last } = createAsked('ollama')
    const { scheduler } = schedule(collector)
    scheduler.start()
    scheduler.wake('ollama') // a run is under way: nothing to do
    await last().give(1)
    for (let i = 0; i < 50; i++) scheduler.wake('ollama')
    await vi.advanceTimersByTimeAsync(99)
    scheduler.wake('ollama') // puts nothing off
    expect(runs).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(runs).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(3 * INTERVAL)
    expect(runs).toHaveLength(2)
    scheduler.stop()
  })

  it('and was stopped does nothing', async () => {
    const { collector, runs, last } = createAsked('ollama')
    const { scheduler } = schedule(collector)
    scheduler.start()
    await last().give(1)
    scheduler.stop()
    scheduler.wake('ollama')
    await vi.advanceTimersByTimeAsync(10 * INTERVAL)
    expect(runs).toHaveLength(1)
  })
})

it('stopping ends what is under way, and tells nothing of it', async () => {
  let closed = 0
  const { collector, last, runs } = createAsked('docker', { close: () => closed++ })
  const { scheduler, told } = schedule(collector)
  scheduler.start()
  scheduler.stop()
  expect([last().signal.aborted, closed]).toEqual([true, 1])
  await last().fail(new Error('aborted'))
  await vi.advanceTimersByTimeAsync(10 * INTERVAL)
  expect([told, runs.length]).toEqual([[], 1])
})
