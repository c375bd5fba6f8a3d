import { textOf } from '../../collectors/docker/fields.ts'
import { ask } from '../ask.ts'
import { fail, ok, skip, type Check, type Result } from '../check.ts'
import type { Context } from '../context.ts'

/** Prometheus refuses samples, and alerts come late, where clocks differ by minutes. */
const MAX_SECONDS = 30
/** Nothing of this was written before. */
const EARLIEST = Date.UTC(2026, 0)

export const clock: Check = {
  id: 'clock',
  title: 'Clock',
  async run(context) {
    const others = await Promise.all([fromPrometheus(context), fromDocker(context)])
    return judgeClock(
      Date.now(),
      others.flatMap((one) => one ?? []),
    )
  },
}

interface OtherClock {
  readonly name: string
  readonly ms: number
}

export function judgeClock(nowMs: number, others: readonly OtherClock[]): Result {
  const fix = 'timedatectl set-ntp true; timedatectl    (or: chronyc tracking)'
  const here = new Date(nowMs).toISOString()
  if (nowMs < EARLIEST) return fail(`it is not ${here}`, fix)
  const apart = others.filter(({ ms }) => Math.abs(ms - nowMs) > MAX_SECONDS * 1000)
  if (apart.length > 0) {
    return fail(
      apart.map(({ name, ms }) => `${name} is ${Math.round((ms - nowMs) / 1000)} s ahead of here`).join(', '),
      fix,
    )
  }
  return others.length === 0
    ? skip(`${here}: no other clock to compare with`)
    : ok(`agrees with ${others.map(({ name }) => name).join(', ')}`)
}

async function fromPrometheus({ prometheus, deadline }: Context): Promise<OtherClock | undefined> {
  const reply = await ask(prometheus.url, { signal: deadline() }).catch(() => undefined)
  return otherClock('Prometheus', reply?.header('date'))
}

/** Of the virtual machine of Docker Desktop, which falls behind when a laptop sleeps. */
async function fromDocker({ docker }: Context): Promise<OtherClock | undefined> {
  const { info, askedAtMs } = (await docker().catch(() => undefined)) ?? {}
  const clock = otherClock('Docker', textOf(info?.SystemTime))
  // It was asked a moment ago, along with all else.
  return clock && askedAtMs !== undefined ? { ...clock, ms: clock.ms + Date.now() - askedAtMs } : undefined
}

function otherClock(name: string, text = ''): OtherClock | undefined {
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : { name, ms }
}
