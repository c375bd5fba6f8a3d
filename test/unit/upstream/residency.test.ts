import { describe, expect, it } from 'vitest'
import { Residency } from '../../../src/upstream/residency.ts'
import { loadedModel } from '../../helpers/loaded.ts'

function createCounted() {
  let unknown = 0
  return { residency: new Residency(() => unknown++), unknown: () => unknown }
}

describe('a model', () => {
  it('is loaded where it is listed, by any of its names', () => {
    const { residency } = createCounted()
    const a = loadedModel('a', { digest: 'd' })
    residency.setLoaded([a])
    expect(residency.isLoaded('a:latest')).toBe(true)
    expect(residency.isLoaded('b:latest')).toBe(false)
    expect(residency.find('a:latest')).toBe(a)
    expect(residency.find('b:latest')).toBeUndefined()
  })

  it('of which nobody was asked is unknown, as it is when the question fails', () => {
    const { residency, unknown } = createCounted()
    expect(residency.isLoaded('a:latest')).toBeUndefined()
    residency.setLoaded([loadedModel('a')])
    residency.setLoaded(undefined)
    expect(residency.isLoaded('a:latest')).toBeUndefined()
    expect(residency.find('a:latest')).toBeUndefined()
    residency.noteAsked('a:latest')
    expect(unknown()).toBe(0)
  })

  it('that was asked for since the last answer may be loaded by now, until the next one', () => {
    const { residency, unknown } = createCounted()
    residency.setLoaded([])
    residency.noteAsked('a:latest')
    expect(unknown()).toBe(1)
    expect(residency.isLoaded('a:latest')).toBeUndefined()
    residency.setLoaded([])
    expect(residency.isLoaded('a:latest')).toBe(false)
  })

  it('that is listed is no reason to ask again', () => {
    const { residency, unknown } = createCounted()
    residency.setLoaded([loadedModel('a')])
    residency.noteAsked('a:latest')
    expect(unknown()).toBe(0)
    expect(residency.isLoaded('a:latest')).toBe(true)
  })

  it('is sure no more when a thousand were asked for, and no more names are held', () => {
    const { residency } = createCounted()
    residency.setLoaded([])
    for (let i = 0; i < 1000; i++) residency.noteAsked(`m${i}`)
    expect(residency.isLoaded('never')).toBeUndefined()
  })
})
