import { describe, expect, it } from 'vitest'
import { parseMaxOpenFiles, readMaxOpenFiles } from '../../src/open-files.ts'

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 524288               files
Max locked memory         8388608              8388608              bytes
`

describe('parseMaxOpenFiles', () => {
  it('reads the soft limit', () => {
    expect(parseMaxOpenFiles(LIMITS)).toBe(1024)
  })

  it.each([
    ['unlimited', LIMITS.replace('1024  ', 'unlimited')],
    ['not told', LIMITS.replace(/^Max open.*\n/m, '')],
    ['nothing', ''],
  ])('knows none where it is %s', (_title, text) => {
    expect(parseMaxOpenFiles(text)).toBeUndefined()
  })
})

describe('readMaxOpenFiles', () => {
  it('knows that of this process, on Linux', () => {
    const limit = readMaxOpenFiles()
    if (process.platform === 'linux') expect(limit === undefined || limit > 0).toBe(true)
    else expect(limit).toBeUndefined()
  })
})
