import { beforeAll, describe, expect, it } from 'vitest'
import { judgeGrowth, type Measure } from '../../bench/soak/flat.ts'
import { soak, type SoakReport } from '../../bench/soak/run.ts'

/** Another soak: SOAK_SEED=7 vitest run test/integration/soak.test.ts */
const SEED = Number(process.env.SOAK_SEED ?? 20261121)
const ROUNDS = 3
const WARM_UP = 1

describe.skipIf(process.platform !== 'linux')(`after a short soak (SOAK_SEED=${SEED}) [needs Linux]`, () => {
  let report: SoakReport

  beforeAll(async () => {
    report = await soak({ seed: SEED, visits: 150, atOnce: 25, goesOn: (rounds) => rounds < ROUNDS })
  }, 180_000)

  it('enough has happened', () => {
    const { rounds, tally } = report
    for (const { exchanges } of rounds) expect(exchanges).toBeGreaterThan(300)
    const faults = ['connect', 'upstream_reset', 'truncated', 'connect_timeout', 'upstream_timeout', 'idle_timeout']
    const others = ['stop', 'success', 'unauthorized', 'client_abort', 'upload_timeout', 'retried']
    expect([...tally.keys()]).toEqual(expect.arrayContaining([...others, ...faults]))
  })

  it('everything adds up', () => {
    expect(report.problems).toEqual([])
  })

  it('nothing of it is left', () => {
    const grown = judgeGrowth(report.rounds, WARM_UP).filter(({ flat }) => !flat)
    // How much of what was freed the allocator keeps says nothing after so few rounds.
    expect(grown.filter(({ name }) => name !== 'rssMb')).toEqual([])
  })
})

describe('what counts as growth', () => {
  const NOTHING: Measure = {
    rssMb: 0,
    heapMb: 0,
    buffersMb: 0,
    fds: 0,
    emitters: 0,
    timers: 0,
    series: 0,
    labels: 0,
  }
  const grows = (heapMbs: readonly number[], warmUp: number) =>
    judgeGrowth(
      heapMbs.map((heapMb) => ({ ...NOTHING, heapMb })),
      warmUp,
    )
      .filter(({ flat }) => !flat)
      .map(({ name, from, to }) => [name, from, to])

  it('what the warm-up takes does not', () => {
    expect(grows([0, 30, 30, 30], 1)).toEqual([])
  })

  it('a little more in each round does, and more in one round does not', () => {
    expect(grows([20, 21, 21.5, 22, 22.5, 23, 23.5, 24, 24.5, 25], 1)).toEqual([['heapMb', 21.5, 24.5]])
    expect(grows([20, 21, 21, 21, 29, 21, 21, 21, 29, 21], 1)).toEqual([])
  })

  it('it takes two rounds behind the warm-up', () => {
    expect(grows([20, 21, 24], 1)).toEqual([['heapMb', 21, 24]])
    expect(() => grows([20, 21], 1)).toThrow('2 rounds are too few')
  })
})
