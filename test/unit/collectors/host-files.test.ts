import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readIfThere, unlessMissing } from '../../../src/collectors/host/files.ts'
import { failureOf } from '../../helpers/collect.ts'

function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-files-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'file')
  writeFileSync(path, text)
  return path
}

describe('a file', () => {
  it.each(['', 'short', '\u00e4'.repeat(40_001)])('is read as it is (%#)', async (text) => {
    expect(await readIfThere(fileOf(text))).toBe(text)
  })

  it('of more than 4 MiB is not read', async () => {
    const failure = await failureOf(readIfThere(fileOf('x'.repeat(4 * 1024 * 1024 + 1))))
    expect(failure).toMatchObject({ name: 'CollectError', reason: 'unreadable' })
  })

  it.skipIf(process.platform !== 'linux')('is closed again', async () => {
    const path = fileOf('text')
    const open = () => readdirSync('/proc/self/fd').length
    const before = open()
    for (let time = 0; time < 50; time++) await readIfThere(path)
    expect(open()).toBeLessThan(before + 25)
  })

  it('may be missing, or its folder', async () => {
    expect(await readIfThere(join(tmpdir(), 'nowhere', 'file'))).toBeUndefined()
    expect(await readIfThere(join(fileOf(''), 'file'))).toBeUndefined()
  })
})

describe('an answer of the kernel', () => {
  const answer = (code: string) => {
    const error = Object.assign(new Error(code), { code })
    return unlessMissing<string>('/proc/7/stat', () => Promise.reject(error))
  }

  it.each(['ENOENT', 'ENOTDIR', 'ESRCH', 'ENODEV'])('means with %s that it is gone', async (code) => {
    expect(await answer(code)).toBeUndefined()
  })

  it.each([
    ['EACCES', 'permission'],
    ['EPERM', 'permission'],
    ['EIO', 'unreadable'],
    ['EISDIR', 'unreadable'],
  ])('means with %s that it failed', async (code, reason) => {
    expect(await failureOf(answer(code))).toMatchObject({ name: 'CollectError', reason })
  })
})
