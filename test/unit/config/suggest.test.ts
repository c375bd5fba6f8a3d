import { describe, expect, it } from 'vitest'
import { editDistance, suggest } from '../../../src/config/suggest.ts'

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['abc', 'abc', 0],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['flaw', 'lawn', 2],
    ['LISEN', 'LISTEN', 1],
  ])('from %j to %j is %d', (a, b, edits) => {
    expect(editDistance(a, b)).toBe(edits)
    expect(editDistance(b, a)).toBe(edits)
  })
})

describe('suggest', () => {
  const names = ['LISTEN', 'ADMIN_LISTEN', 'LOG_LEVEL', 'LOG_FORMAT']

  it('finds the nearest name', () => {
    expect(suggest('LISEN', names)).toBe('LISTEN')
    expect(suggest('ADMINLISTEN', names)).toBe('ADMIN_LISTEN')
    expect(suggest('LOGLEVL', names)).toBe('LOG_LEVEL')
  })

  it('takes the first of several that are as near', () => {
    expect(suggest('AX', ['AY', 'AZ'])).toBe('AY')
    expect(suggest('AX', ['AZ', 'AY'])).toBe('AZ')
  })

  it('stays silent where nothing is within three edits', () => {
    expect(suggest('LISTEXYZ', ['LISTEN'])).toBe('LISTEN')
    expect(suggest('LISTWXYZ', ['LISTEN'])).toBeUndefined()
    expect(suggest('FROBNICATE', names)).toBeUndefined()
    expect(suggest('X', [])).toBeUndefined()
  })
})
