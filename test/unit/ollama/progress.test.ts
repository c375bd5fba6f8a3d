import { describe, expect, it } from 'vitest'
import { progressExtractor, transferredBytes } from '../../../src/ollama/progress.ts'
import { extract } from './extract.ts'

const blob = (digest: string, completed?: unknown) => ({ status: `pulling ${digest}`, digest, total: 100, completed })

describe('what a pull moved', () => {
  it.each([
    ['nothing told', [{ status: 'pulling manifest' }, { status: 'success' }], undefined],
    ['what grew, of each blob', [blob('a'), blob('a', 40), blob('b', 0), blob('a', 100), blob('b', 7)], 107],
    ['what was there before does not count', [blob('a', 60), blob('a', 60), blob('a', 100)], 40],
    ['what was whole when it was first told of', [blob('a', 100), blob('a', 100)], 0],
    ['what shrank had been there', [blob('a', 0), blob('a', 50), blob('a', 20)], 50],
    ['no number is none', [blob('a', 10), blob('a', '90'), blob('a', -5), blob('a', 1e300)], 0],
    ['no digest is no blob', [{ status: 'x', digest: 5, completed: 9 }, { completed: 10 }], undefined],
  ])('%s', (_title, records, bytes) => {
    expect(transferredBytes(extract(progressExtractor, records).transfers)).toBe(bytes)
  })

  it('holds at most a thousand blobs', () => {
    const records = Array.from({ length: 1500 }, (_, index) => [blob(`${index}`, 0), blob(`${index}`, 1)]).flat()
    expect(transferredBytes(extract(progressExtractor, records).transfers)).toBe(1000)
  })

  it('is not finished by an error', () => {
    const facts = extract(progressExtractor, [blob('a', 5), { error: 'no space left on device' }])
    expect(facts).toMatchObject({ finished: false, errorText: 'no space left on device' })
  })
})
