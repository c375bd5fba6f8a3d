import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { settingsTable } from '../../src/config/settings.ts'
import { createReceipt } from '../../src/receipt.ts'
import { exchangeOf } from '../helpers/exchange.ts'
import { ROOT } from '../helpers/process.ts'

const text = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8')
const quoted = [...text.matchAll(/`([^`]+)`/g)].map(([, words = '']) => words.replace(/\s+/g, ' '))
const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target)

/** What stands between two headings, or below the last one. */
function section(from: string, to = '\n## '): string {
  const [, after = ''] = text.split(`${from}\n`)
  return after.split(to)[0] ?? ''
}

describe('SECURITY.md', () => {
  it('names only files that there are', () => {
    const paths = [...quoted.filter((words) => /^[\w.-]+\/[\w./-]+$/.test(words)), ...links]
    expect(paths.length).toBeGreaterThan(10)
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  it('has a test for each promise', () => {
    const lines = section('## What is promised', '\n### ').split(/\n(?! )/)
    const promises = lines.filter((line) => /^(?:\| (?!promise|-)|- )/.test(line)).map((line) => line.trim())
    expect(promises.length).toBeGreaterThan(20)
    expect(promises.filter((promise) => !/`test\/[\w/.-]+\.test\.ts`(?: +\|)?$/.test(promise))).toEqual([])
  })

  it('names only settings that there are', () => {
    const known = new Set(settingsTable.map(({ variable }) => variable))
    const named = [...text.matchAll(/\bOLLASCOPE_[A-Z_]+/g)].map(([name]) => name)
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  it('names every field of a receipt, and no other', () => {
    const [list = ''] = section('## What is logged, and for how long').split('.\n\n')
    const named = [...list.matchAll(/`(\w+)`/g)].map(([, field = '']) => field)
    const fields = ['time', 'level', 'msg', ...Object.keys(createReceipt(exchangeOf(), undefined))]
    expect(named.toSorted()).toEqual(fields.toSorted())
  })

  it('gives no address of a person', () => {
    expect(text).not.toMatch(/[\w.]+@[\w.]+|mailto:/)
  })
})
