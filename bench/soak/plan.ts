// What the clients of one round do.
import { createRandom, type Random } from '../../test/helpers/random.ts'
import { titleOf, visit, type Job } from '../../test/integration/storm-client.ts'
import { planStorm, type Ask, type Visit } from '../../test/integration/storm-plan.ts'
import { planActs, type Scene } from './clients.ts'

export interface Round {
  readonly jobs: readonly Job[]
  /** When the upstream is well again: one client of each further kind. */
  readonly calm: readonly Job[]
}

/** A visit of the storm to so many clients of each further kind. */
const VISITS_AN_ACT = 100

/** One round of the soak: the same for the same seed, but for the ids. */
export function planRound(seed: number, visits: number, round: number, scene: Scene): Round {
  const random = createRandom(seed)
  const storm = planStorm(seed, visits).map((one) => dress(one, round, scene, random))
  const jobs: Job[] = storm.map((one) => ({
    title: titleOf(one),
    run: () => visit(one, scene.port, scene.seen),
  }))
  const prefix = `soak-${seed}-${round}`
  const acts = planActs(scene, prefix, Math.ceil(visits / VISITS_AN_ACT))
  for (const act of acts) jobs.splice(random.below(jobs.length + 1), 0, act)
  for (const { id, answerBytes } of storm.flatMap(({ asks }) => asks)) {
    if (answerBytes < Infinity) scene.endless.add(id)
  }
  const calm = planActs(scene, `${prefix}-calm`, 1)
  return { jobs, calm }
}

/** The same visit under ids of this round, with tokens. */
function dress(plan: Visit, round: number, { tokens }: Scene, random: Random): Visit {
  const asks = plan.asks.map((ask): Ask => {
    const id = `${ask.id}-${round}`
    const token = tokens.good(random.below(100))
    const field = random.chance(0.5) ? `Authorization: Bearer ${token}` : `x-api-key: ${token}`
    return { ...ask, id, head: ask.head.replace(`X-Request-ID: ${ask.id}\r\n`, `X-Request-ID: ${id}\r\n${field}\r\n`) }
  })
  return { ...plan, asks }
}
