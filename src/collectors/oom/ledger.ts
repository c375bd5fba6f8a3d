import { CONTAINERS } from '../../metrics/collected.ts'
import { measure, type Measurement } from '../collector.ts'
import type { Container } from '../containers.ts'

/** A container from one start to its next: the kernel counts anew in each. */
export interface Life {
  container: Container
  /** Whatever the kernel has counted when it is asked first happened before anybody looked. */
  readonly isOld: boolean
  /** The kernel was asked, if it can be: the total is right from now on. */
  isReady: boolean
  /** How many kills of it are in the total. */
  counted: number
  /** What the kernel last said; `undefined` where it cannot be asked. */
  kernel: number | undefined
  /** When a daemon told of a kill that the kernel has not shown yet, in milliseconds. */
  readonly told: number[]
  /** When the kernel showed a kill that no daemon has told of yet. */
  readonly shown: number[]
}

/** What an earlier process knew, as it is written to the state file. */
export interface SavedKills {
  readonly totals: readonly {
    readonly name: string
    readonly image: string
    readonly kills: number
    readonly seenMs: number
  }[]
  readonly lives: readonly { readonly id: string; readonly startedAt: number; readonly counted: number }[]
}

interface Total {
  readonly name: string
  readonly image: string
  kills: number
  seenMs: number
}

/** A counter outlives its container by so long, so that a scrape sees what ended it. */
const KEPT_MS = 3_600_000
/** A daemon's word and the kernel's about the same kill are no further apart. */
const MATCH_MS = 5000
const MAX_TOTALS = 500

/**
 * Counts each out-of-memory kill once. The truth is the kernel's counter of the container's cgroup; a daemon's word
 * counts where the kernel cannot be asked, or can no more since the container died of it.
 */
export class OomLedger {
  readonly #now: () => number
  readonly #bornMs: number
  readonly #onKills: (container: Container, kills: number) => void
  readonly #totals = new Map<string, Total>()
  readonly #lives = new Map<string, Life>()
  #saved: SavedKills['lives']

  /**
   * @param now milliseconds since 1970
   * @param onKills the kernel killed so many processes in a container while this process looked on
   */
  constructor(now: () => number, onKills: (container: Container, kills: number) => void, saved: SavedKills) {
    this.#now = now
    this.#bornMs = now()
    this.#onKills = onKills
    this.#saved = saved.lives
    for (const { name, image, kills, seenMs } of saved.totals) {
      if (now() - seenMs <= KEPT_MS) this.#totals.set(keyOf({ name, image }), { name, image, kills, seenMs })
    }
  }

  /** The life of this container, a new one where it was started again. */
  watch(container: Container): Life {
    const known = this.#lives.get(container.id)
    if (known !== undefined) {
      if (known.container.startedAt === container.startedAt) {
        known.container = container
        return known
      }
      this.loseKernel(known)
    }
    const saved = this.#saved.find(({ id, startedAt }) => id === container.id && startedAt === container.startedAt)
    const isOld = saved === undefined && container.startedAt < this.#bornMs
    const counted = saved?.counted ?? 0
    const life: Life = { container, isOld, isReady: false, counted, kernel: undefined, told: [], shown: [] }
    this.#lives.set(container.id, life)
    return life
  }

  /** Whether this life is still the container's. */
  isCurrent(life: Life): boolean {
    return this.#lives.get(life.container.id) === life
  }

  /** The kernel's counter of a life, read now. The first one tells what happened before anybody looked. */
  showKernel(life: Life, oomKills: number): void {
    if (!this.isCurrent(life)) return
    const nowMs = this.#now()
    drop(life.told, nowMs - MATCH_MS)
    drop(life.shown, nowMs - MATCH_MS)
    const isNews = life.kernel !== undefined || !life.isOld
    const before = life.kernel ?? life.counted
    // One that went back counts anew: the cgroup was made again.
    const kills = life.kernel !== undefined && oomKills < before ? oomKills : Math.max(0, oomKills - before)
    life.kernel = oomKills
    for (let kill = 0; kill < kills; kill++) if (life.told.shift() === undefined) life.shown.push(nowMs)
    this.#add(life, kills, isNews)
  }

  /** The kernel can not be asked about a life (any more): from now on the daemon's word counts. */
  loseKernel(life: Life): void {
    if (life.kernel === undefined || !this.isCurrent(life)) return
    life.kernel = undefined
    drop(life.told, this.#now() - MATCH_MS)
    const kills = life.told.length
    life.told.length = 0
    this.#add(life, kills, true)
  }

  /** A daemon says that the kernel killed a process in this container. */
  tell(id: string): void {
    const life = this.#lives.get(id)
    if (life === undefined) return
    drop(life.shown, this.#now() - MATCH_MS)
    if (life.shown.shift() !== undefined) return
    if (life.kernel === undefined) this.#add(life, 1, true)
    else life.told.push(this.#now())
  }

  /** A daemon says that this container, as it is, was hit by a kill: counts where none of its life is counted yet. */
  reconcile(id: string): void {
    const life = this.#lives.get(id)
    if (life === undefined || life.kernel !== undefined || life.counted > 0) return
    life.shown.push(this.#now()) // its event may be on the way
    this.#add(life, 1, !life.isOld)
  }

  /** The container is no more. */
  forget(id: string): void {
    const life = this.#lives.get(id)
    if (life === undefined) return
    this.loseKernel(life)
    if (life.isReady) this.#totalOf(life.container)
    this.#lives.delete(id)
  }

  /** The lives that are watched. */
  lives(): readonly Life[] {
    return [...this.#lives.values()]
  }

  measurements(): Measurement[] {
    for (const { container, isReady } of this.#lives.values()) if (isReady) this.#totalOf(container)
    for (const [key, { seenMs }] of this.#totals) if (this.#now() - seenMs > KEPT_MS) this.#totals.delete(key)
    // In an order of their own, not in that in which they were found.
    const totals = [...this.#totals].toSorted(([a], [b]) => (a < b ? -1 : 1))
    return totals.flatMap(([, { name, image, kills }]) => measure(CONTAINERS.oomEvents, kills, { name, image }))
  }

  saved(): SavedKills {
    const lives = this.lives().map(({ container: { id, startedAt }, counted }) => ({ id, startedAt, counted }))
    // To ten minutes: what is saved changes when something happened, not at each look.
    const totals = [...this.#totals.values()].map((one) => ({ ...one, seenMs: Math.floor(one.seenMs / 6e5) * 6e5 }))
    return { totals, lives }
  }

  #add(life: Life, kills: number, isNews: boolean): void {
    if (kills === 0) return
    life.counted += kills
    this.#totalOf(life.container).kills += kills
    if (isNews) this.#onKills(life.container, kills)
  }

  #totalOf({ name, image }: Container): Total {
    const key = keyOf({ name, image })
    const known = this.#totals.get(key)
    const total = known ?? { name, image, kills: 0, seenMs: 0 }
    total.seenMs = this.#now()
    if (known === undefined && this.#totals.size < MAX_TOTALS) this.#totals.set(key, total)
    return total
  }
}

function keyOf({ name, image }: { readonly name: string; readonly image: string }): string {
  return JSON.stringify([name, image])
}

/** Takes out what is older. */
function drop(times: number[], beforeMs: number): void {
  while ((times[0] ?? Infinity) < beforeMs) times.shift()
}
