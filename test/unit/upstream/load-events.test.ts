import { describe, expect, it } from 'vitest'
import { LoadEvents } from '../../../src/upstream/load-events.ts'
import { loadedModel } from '../../helpers/loaded.ts'

function createEvents() {
  const now = { ms: 0 }
  const events = new LoadEvents(() => now.ms)
  return {
    events,
    now,
    /** What is loaded at this time, by `name` or `name@context length`. */
    at: (ms: number, ...names: string[]) => {
      now.ms = ms
      events.setLoaded(
        names.map((text) => {
          const [name = '', context = '2048'] = text.split('@')
          return loadedModel(name, { digest: 'd', contextLength: Number(context) })
        }),
      )
    },
    request: (endedMs: number, model: string, loadedMs: number) => {
      now.ms = endedMs
      events.noteLoad(model, loadedMs)
    },
    counts: () => Object.fromEntries(events.events().map(({ model, loads, unloads }) => [model, [loads, unloads]])),
  }
}

describe('answers of /api/ps, compared', () => {
  it('count what came and what went, and not what was there at first', () => {
    const { at, counts } = createEvents()
    at(0, 'a')
    expect(counts()).toEqual({ 'a:latest': [0, 0] })
    at(10_000, 'a', 'b')
    expect(counts()).toEqual({ 'a:latest': [0, 0], 'b:latest': [1, 0] })
    at(20_000, 'b')
    expect(counts()).toEqual({ 'a:latest': [0, 1], 'b:latest': [1, 0] })
    at(30_000)
    at(40_000, 'b')
    expect(counts()).toEqual({ 'a:latest': [0, 1], 'b:latest': [2, 1] })
  })

  it('count a model that is there with another context length as loaded again', () => {
    const { at, counts } = createEvents()
    at(0, 'a@2048')
    at(10_000, 'a@8192')
    at(20_000, 'a@8192')
    expect(counts()).toEqual({ 'a:latest': [1, 1] })
  })

  it('begin at 0 for what is installed', () => {
    const { events, counts } = createEvents()
    events.setInstalled(['x', 'y:7b'])
    expect(counts()).toEqual({ 'x:latest': [0, 0], 'y:7b': [0, 0] })
  })

  it('are kept for an hour after a model was last heard of', () => {
    const { at, counts } = createEvents()
    at(0)
    at(10_000, 'a')
    at(20_000)
    at(20_000 + 3_600_000)
    expect(counts()).toEqual({ 'a:latest': [1, 1] })
    at(20_001 + 3_600_000)
    expect(counts()).toEqual({})
  })

  it('are bounded', () => {
    const { events, at, counts } = createEvents()
    at(0)
    at(10_000, ...Array.from({ length: 3000 }, (_, index) => `m${index}`))
    events.noteLoad('one-more:latest', 10_000)
    expect(Object.keys(counts())).toHaveLength(2000)
    expect(counts()).not.toHaveProperty('one-more:latest')
  })
})

describe('a request that says that its model was loaded', () => {
  it('counts a model that came and went between two answers', () => {
    const { at, request, counts } = createEvents()
    at(0)
    request(5000, 'a:latest', 3000)
    expect(counts()).toEqual({ 'a:latest': [1, 0] })
    at(10_000)
    expect(counts()).toEqual({ 'a:latest': [1, 1] })
  })

  it('counts a model that was loaded again between two answers', () => {
    const { at, request, counts } = createEvents()
    at(0, 'a')
    at(10_000, 'a')
    request(19_000, 'a:latest', 15_000)
    at(20_000, 'a')
    expect(counts()).toEqual({ 'a:latest': [1, 1] })
  })

  it('counts nothing twice that the next answer shows', () => {
    const { at, request, counts } = createEvents()
    at(0)
    request(5000, 'a:latest', 3000)
    at(10_000, 'a')
    expect(counts()).toEqual({ 'a:latest': [1, 0] })
    at(20_000, 'a')
    at(30_000)
    expect(counts()).toEqual({ 'a:latest': [1, 1] })
  })

  it('counts nothing twice that the next answer shows as another load', () => {
    const { at, request, counts } = createEvents()
    at(0, 'a@2048')
    request(5000, 'a:latest', 3000)
    at(10_000, 'a@8192')
    expect(counts()).toEqual({ 'a:latest': [1, 1] })
  })

  it('counts nothing that an answer showed before it ended', () => {
    const { at, request, counts } = createEvents()
    at(0)
    at(10_000, 'a')
    request(60_000, 'a:latest', 4000)
    expect(counts()).toEqual({ 'a:latest': [1, 0] })
  })

  it('counts nothing that happened before anybody looked', () => {
    const { at, request, counts } = createEvents()
    request(5, 'a:latest', 3)
    at(10_000, 'a')
    request(20_000, 'a:latest', 5000)
    expect(counts()).toEqual({ 'a:latest': [0, 0] })
  })

  it('counts one load for all who waited for it', () => {
    const { at, request, counts } = createEvents()
    at(0)
    request(5000, 'a:latest', 3000)
    request(6000, 'a:latest', 3400)
    request(7000, 'a:latest', 2900)
    expect(counts()).toEqual({ 'a:latest': [1, 0] })
    request(9000, 'a:latest', 8000)
    expect(counts()).toEqual({ 'a:latest': [2, 1] })
  })
})
