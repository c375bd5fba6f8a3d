import { describe, expect, it } from 'vitest'
import { createEnergy } from '../../../src/collectors/energy.ts'
import type { GpuSnapshot } from '../../../src/collectors/gpu.ts'
import { GPUS } from '../../../src/metrics/collected.ts'

function gpu(uuid: string, powerWatts: number | undefined, index = '0'): GpuSnapshot {
  const texts = { name: 'NVIDIA A10', driverVersion: '', pciAddress: '' }
  return { vendor: 'nvidia', index, uuid, ...texts, isExpected: true, numbers: { powerWatts }, throttle: undefined }
}

/** Readings at these seconds with this power. */
function joulesAfter(readings: readonly (readonly [second: number, watts: number | undefined])[]): number | undefined {
  const clock = { ms: 0 }
  const energy = createEnergy(() => clock.ms)
  for (const [second, watts] of readings) {
    clock.ms = second * 1000
    energy.add([gpu('GPU-1', watts)])
  }
  return energy.read()[0]?.value
}

describe('energy', () => {
  it.each([
    ['is 0 after the first reading', [[5, 100]], 0],
    [
      'is constant power by time',
      [
        [0, 100],
        [10, 100],
      ],
      1000,
    ],
    [
      'takes power to change evenly',
      [
        [0, 100],
        [10, 200],
      ],
      1500,
    ],
    [
      'adds up',
      [
        [0, 100],
        [10, 200],
        [25, 0],
      ],
      3000,
    ],
    [
      'counts a gap of a minute',
      [
        [0, 100],
        [60, 100],
      ],
      6000,
    ],
    [
      'counts nothing in a longer one',
      [
        [0, 100],
        [60.001, 100],
        [70.001, 100],
      ],
      1000,
    ],
    [
      'counts nothing where the clock stands or goes back',
      [
        [10, 100],
        [10, 100],
        [5, 100],
      ],
      0,
    ],
    [
      'spans a reading without power',
      [
        [0, 100],
        [10, undefined],
        [20, 100],
      ],
      2000,
    ],
  ] as const)('%s', (_title, readings, joules) => {
    expect(joulesAfter(readings)).toBeCloseTo(joules)
  })

  it('is not there without power', () => {
    expect(joulesAfter([[0, undefined]])).toBeUndefined()
  })

  it('is that of each GPU, under its present number', () => {
    const clock = { ms: 0 }
    const energy = createEnergy(() => clock.ms)
    energy.add([gpu('GPU-1', 100, '0'), gpu('GPU-2', 50, '1')])
    clock.ms = 10_000
    energy.add([gpu('GPU-2', 50, '0'), gpu('GPU-1', 100, '1')])
    const byUuid = energy.read().toSorted((one, other) => one.value - other.value)
    expect(byUuid).toEqual([
      { metric: GPUS.energy, labels: { gpu: '0', uuid: 'GPU-2' }, value: 500 },
      { metric: GPUS.energy, labels: { gpu: '1', uuid: 'GPU-1' }, value: 1000 },
    ])
  })

  it('stays when its GPU goes, and goes on when it returns', () => {
    const clock = { ms: 0 }
    const energy = createEnergy(() => clock.ms)
    const value = () => energy.read()[0]?.value
    energy.add([gpu('GPU-1', 100)])
    clock.ms = 10_000
    energy.add([gpu('GPU-1', 100)])
    for (; clock.ms < 600_000; clock.ms += 10_000) energy.add([])
    expect(value()).toBe(1000)
    energy.add([gpu('GPU-1', 300)])
    expect(value()).toBe(1000)
    clock.ms += 10_000
    energy.add([gpu('GPU-1', 300)])
    expect(value()).toBe(4000)
  })

  it('remembers so many GPUs, and forgets the one that was not seen for longest', () => {
    const clock = { ms: 0 }
    const energy = createEnergy(() => clock.ms)
    for (let number = 0; number < 1000; number++) {
      clock.ms += 1000
      energy.add([gpu('GPU-always', 1, '0'), gpu(`GPU-${number}`, 100, '1')])
    }
    const uuids = energy.read().map(({ labels }) => labels.uuid)
    expect(uuids).toHaveLength(256)
    expect(uuids).toContain('GPU-999')
    expect(uuids).not.toContain('GPU-0')
    expect(energy.read().find(({ labels }) => labels.uuid === 'GPU-always')?.value).toBe(999)
  })
})
