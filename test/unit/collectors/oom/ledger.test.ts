import { describe, expect, it } from 'vitest'
import type { Container } from '../../../../src/collectors/containers.ts'
import { OomLedger, type SavedKills } from '../../../../src/collectors/oom/ledger.ts'
import { createRandom } from '../../../helpers/random.ts'

const START = 1_800_000_000_000
const NOTHING: SavedKills = { totals: [], lives: [] }

function container(over: Partial<Container> = {}): Container {
  return { id: 'c1', name: 'ollama', image: 'ollama/ollama', pid: 7, startedAt: START + 1000, ...over }
}

function createLedger(saved = NOTHING, startMs = START) {
  const now = { ms: startMs }
  const news: string[] = []
  const ledger = new OomLedger(
    () => now.ms,
    ({ name }, kills) => news.push(`${name} ${kills}`),
    saved,
  )
  const counts = () =>
    Object.fromEntries(ledger.measurements().map(({ labels, value }) => [`${labels.name} ${labels.image}`, value]))
  const count = (name = 'ollama') => counts()[`${name} ollama/ollama`]
  const watch = (over: Partial<Container> = {}) => {
    const life = ledger.watch(container(over))
    life.isReady = true
    return life
  }
  return { ledger, now, news, counts, count, watch }
}

describe('the kernel’s counter', () => {
  it('is the truth: each step counts, and the daemon’s word about it counts nothing more', () => {
    const { ledger, watch, count, news, now } = createLedger()
    const life = watch()
    ledger.showKernel(life, 0)
    expect(count()).toBe(0)
    ledger.showKernel(life, 1)
    now.ms += 1200
    ledger.tell('c1') // behind it
    expect(count()).toBe(1)
    ledger.tell('c1') // before it
    now.ms += 1200
    ledger.showKernel(life, 2)
    expect(count()).toBe(2)
    ledger.loseKernel(life)
    expect(count()).toBe(2)
    expect(news).toEqual(['ollama 1', 'ollama 1'])
  })

  it('counts several kills at once, however often the daemon tells of them', () => {
    const { ledger, watch, count } = createLedger()
    const life = watch()
    ledger.showKernel(life, 0)
    ledger.tell('c1')
    ledger.showKernel(life, 3)
    ledger.tell('c1')
    ledger.tell('c1')
    ledger.loseKernel(life)
    expect(count()).toBe(3)
  })

  it('that does not move makes the daemon’s word a false one', () => {
    const { ledger, watch, count, now } = createLedger()
    const life = watch()
    ledger.showKernel(life, 0)
    ledger.tell('c1')
    now.ms += 5001
    ledger.showKernel(life, 0)
    ledger.loseKernel(life)
    expect(count()).toBe(0)
  })

  it('goes on with another cgroup where it went back', () => {
    const { ledger, watch, count } = createLedger()
    const life = watch()
    for (const kills of [0, 2, 1, 1, 2]) ledger.showKernel(life, kills)
    expect(count()).toBe(4)
  })

  it('says what happened before anybody looked, which is no news', () => {
    const { ledger, watch, count, news } = createLedger()
    ledger.showKernel(watch({ startedAt: START - 60_000 }), 3)
    expect([count(), news]).toEqual([3, []])
  })

  it('of a container that started while we looked on is news from its first word', () => {
    const { ledger, watch, count, news } = createLedger()
    ledger.showKernel(watch(), 1)
    expect([count(), news]).toEqual([1, ['ollama 1']])
  })

  it('of a former life counts nothing any more', () => {
    const { ledger, watch, count } = createLedger()
    const old = watch()
    ledger.showKernel(old, 1)
    const next = watch({ startedAt: START + 9000 })
    ledger.showKernel(old, 5)
    ledger.loseKernel(old)
    ledger.showKernel(next, 0)
    expect(count()).toBe(1)
  })
})

describe('a container that dies', () => {
  it('of a kill that only the daemon told of: counted', () => {
    const { ledger, watch, count } = createLedger()
    const life = watch()
    ledger.showKernel(life, 0)
    ledger.tell('c1')
    ledger.loseKernel(life)
    expect(count()).toBe(1)
  })

  it('and of which the daemon tells afterwards: counted once', () => {
    const { ledger, watch, count } = createLedger()
    const life = watch()
    ledger.showKernel(life, 0)
    ledger.loseKernel(life)
    ledger.tell('c1')
    ledger.reconcile('c1')
    expect(count()).toBe(1)
  })

  it('and of which the kernel told seconds before the daemon: counted once', () => {
    const { ledger, watch, count, now } = createLedger()
    const life = watch()
    ledger.showKernel(life, 0)
    ledger.showKernel(life, 1)
    now.ms += 3000
    ledger.tell('c1')
    ledger.loseKernel(life)
    expect(count()).toBe(1)
  })

  it('of something else: nothing', () => {
    const { ledger, watch, count } = createLedger()
    const life = watch()
    ledger.showKernel(life, 0)
    ledger.loseKernel(life)
    ledger.forget('c1')
    expect(count()).toBe(0)
  })

  it('and is started again goes on from its total', () => {
    const { ledger, watch, count } = createLedger()
    ledger.showKernel(watch(), 2)
    const next = watch({ startedAt: START + 5000 })
    ledger.showKernel(next, 0)
    expect(count()).toBe(2)
    ledger.showKernel(next, 1)
    expect(count()).toBe(3)
  })

  it('and is made again under its name goes on from its total', () => {
    const { ledger, watch, count } = createLedger()
    ledger.showKernel(watch(), 1)
    ledger.forget('c1')
    const next = watch({ id: 'c2', startedAt: START + 5000 })
    ledger.showKernel(next, 0)
    ledger.showKernel(next, 1)
    expect(count()).toBe(2)
  })

  it('keeps its counter for an hour', () => {
    const { ledger, watch, counts, count, now } = createLedger()
    ledger.showKernel(watch(), 1)
    ledger.forget('c1')
    now.ms += 3_600_000
    expect(count()).toBe(1)
    now.ms += 1
    expect(counts()).toEqual({})
  })
})

describe('the daemon’s word alone', () => {
  it('counts each kill', () => {
    const { ledger, watch, count, news } = createLedger()
    watch()
    expect(count()).toBe(0)
    ledger.tell('c1')
    ledger.tell('c1')
    ledger.tell('of another one')
    expect([count(), news]).toEqual([2, ['ollama 1', 'ollama 1']])
  })

  it('is made good by what the daemon says of the container’s state, once', () => {
    const { ledger, watch, count, now } = createLedger()
    watch()
    ledger.reconcile('c1')
    ledger.reconcile('c1')
    expect(count()).toBe(1)
    ledger.tell('c1') // the event was on the way
    expect(count()).toBe(1)
    now.ms += 60_000
    ledger.tell('c1')
    expect(count()).toBe(2)
  })

  it('is taken over by the kernel’s as soon as that can be had', () => {
    const { ledger, watch, count } = createLedger()
    const life = watch()
    ledger.tell('c1')
    ledger.showKernel(life, 1)
    expect(count()).toBe(1)
    ledger.showKernel(life, 2)
    expect(count()).toBe(2)
    ledger.loseKernel(life)
    ledger.showKernel(life, 3)
    expect(count()).toBe(3)
  })
})

describe('a total', () => {
  it('is not told before the kernel was asked: from 0 to what it was would look like a kill', () => {
    const { ledger, counts } = createLedger()
    const life = ledger.watch(container())
    expect(counts()).toEqual({})
    ledger.showKernel(life, 3)
    expect(Object.values(counts())).toEqual([3])
  })

  it('is one for each container’s name and image', () => {
    const { ledger, watch, counts } = createLedger()
    ledger.showKernel(watch(), 1)
    ledger.showKernel(watch({ id: 'c2', name: 'b' }), 2)
    ledger.showKernel(watch({ id: 'c3', name: 'b', image: 'x' }), 3)
    expect(counts()).toEqual({ 'ollama ollama/ollama': 1, 'b ollama/ollama': 2, 'b x': 3 })
  })
})

describe('across a restart of this process', () => {
  const before = () => {
    const { ledger, watch } = createLedger()
    ledger.showKernel(watch(), 1)
    ledger.showKernel(watch({ startedAt: START + 5000 }), 2)
    return ledger.saved()
  }

  it('what is saved goes on, and a kill in between is news', () => {
    const { ledger, watch, count, news } = createLedger(before(), START + 60_000)
    const life = watch({ startedAt: START + 5000 })
    ledger.showKernel(life, 2)
    expect([count(), news]).toEqual([3, []])
    const again = createLedger(before(), START + 60_000)
    again.ledger.showKernel(again.watch({ startedAt: START + 5000 }), 3)
    expect([again.count(), again.news]).toEqual([4, ['ollama 1']])
  })

  it('what is saved of a container that is gone is told for the rest of its hour', () => {
    expect(createLedger(before(), START + 1_800_000).count()).toBe(3)
    expect(createLedger(before(), START + 4_300_000).count()).toBeUndefined()
  })

  it('without it the kernel’s counter says the same as before', () => {
    const { ledger, watch, count, news } = createLedger(NOTHING, START + 60_000)
    ledger.showKernel(watch({ startedAt: START + 5000 }), 2)
    expect([count(), news]).toEqual([2, []])
  })
})

it('whatever comes in whatever order, a total never falls and no kill of the kernel is lost', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = createRandom(seed)
    const pick = random.below
    const { ledger, watch, count, now } = createLedger()
    let life = watch()
    let kernel = 0
    let shown = 0
    let before = 0
    ledger.showKernel(life, 0)
    for (let step = 0; step < 60; step++) {
      now.ms += pick(4000)
      const what = pick(6)
      if (what === 0) kernel++
      else if (what === 1) ledger.tell('c1')
      else if (what === 2) {
        ledger.loseKernel(life)
        kernel = 0
        life = watch({ startedAt: now.ms })
        ledger.showKernel(life, 0)
      } else if (what === 3) ledger.reconcile('c1')
      else {
        shown += kernel - (life.kernel ?? 0)
        ledger.showKernel(life, kernel)
      }
      const total = count() ?? NaN
      expect(total, `seed ${seed}`).toBeGreaterThanOrEqual(before)
      expect(total, `seed ${seed}`).toBeGreaterThanOrEqual(shown)
      before = total
    }
  }
})
