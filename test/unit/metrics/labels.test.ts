import { describe, expect, it } from 'vitest'
import { methodLabel, ModelLabels } from '../../../src/metrics/labels.ts'
import { createRandom } from '../../helpers/random.ts'

const named = (name: string) => ({ kind: 'named', name }) as const

function createLabels(limit: number, listed: readonly string[] = []) {
  let overflows = 0
  const labels = new ModelLabels(limit, () => overflows++)
  labels.setListed(listed)
  return {
    label: (name: string, succeeded = true) => labels.labelFor(named(name), succeeded),
    labels,
    overflows: () => overflows,
  }
}

const randomNames = (count: number) => {
  const random = createRandom(5)
  return Array.from({ length: count }, (_, index) => `m${index}-${random.below(2 ** 32).toString(36)}:x`)
}

describe('methodLabel', () => {
  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'])('keeps %s', (method) =>
    expect(methodLabel(method)).toBe(method),
  )
  it.each(['', 'get', 'PROPFIND', 'other', 'M-SEARCH', 'toString'])('folds %j', (method) =>
    expect(methodLabel(method)).toBe('other'),
  )
})

describe('ModelLabels', () => {
  it('gives no label to 10,000 names that were never served', () => {
    const { label, overflows } = createLabels(100)
    expect(new Set(randomNames(10_000).map((name) => label(name, false)))).toEqual(new Set(['other']))
    expect(overflows()).toBe(0)
    expect(label('served')).toBe('served:latest') // and the slots are all there
  })

  it.each([0, 1, 100])('gives at most %i labels to 10,000 names that were served', (limit) => {
    const { label, overflows } = createLabels(limit)
    const names = randomNames(10_000)
    const given = names.map((name) => label(name))
    expect(given.slice(0, limit)).toEqual(names.slice(0, limit))
    expect(new Set(given.slice(limit))).toEqual(new Set(['other']))
    expect(overflows()).toBe(10_000 - limit)
  })

  it('never gives a slot to another name', () => {
    const { label, overflows } = createLabels(1)
    expect(label('a')).toBe('a:latest')
    expect(label('b')).toBe('other')
    expect(label('a', false)).toBe('a:latest')
    expect(label('a:latest')).toBe('a:latest')
    expect(overflows()).toBe(1)
  })

  it('takes listed names as they are, served or not, and without a slot', () => {
    const { label, labels, overflows } = createLabels(1, ['llama3:latest', 'gemma3:270m'])
    expect(['llama3', 'llama3:latest', 'gemma3:270m'].map((name) => label(name, false))).toEqual([
      'llama3:latest',
      'llama3:latest',
      'gemma3:270m',
    ])
    expect(label('other-one')).toBe('other-one:latest')
    labels.setListed(['new'])
    expect(label('new:latest', false)).toBe('new:latest')
    expect(label('gemma3:270m', false)).toBe('other')
    expect(overflows()).toBe(0)
  })

  it('says what is no name', () => {
    const { labels } = createLabels(1)
    expect(labels.labelFor({ kind: 'none' }, true)).toBe('none')
    expect(labels.labelFor({ kind: 'invalid' }, true)).toBe('invalid')
    expect(labels.labelFor(named('none'), true)).toBe('none:latest')
  })
})
