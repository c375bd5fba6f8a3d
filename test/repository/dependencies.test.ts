import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../helpers/process.ts'
import { purlOf, reachedFrom, writeBom, type Bom } from './bom.ts'
import { product } from './lock.ts'

const text = readFileSync(join(ROOT, 'docs/dependencies.md'), 'utf8')
/** Package, version, day, number and purpose. */
const rows = [...text.matchAll(/^\| (\S+) +\| (\d\S*) +\| (\d{4}-\d\d-\d\d) \| (\d+) +\| (.*\S) +\|$/gm)]
const runtime = Object.entries(product.manifest.dependencies ?? {})
let bom: Bom

beforeAll(async () => {
  bom = JSON.parse(await writeBom()) as Bom
})

describe('docs/dependencies.md', () => {
  it('has one row for each package that a release runs, with its version, and no other', () => {
    expect(rows.map(([, name, version]) => [name, version])).toEqual(runtime)
    for (const [, name = '', , day = ''] of rows) {
      expect([name, new Date(day).toISOString().slice(0, 10)]).toEqual([name, day])
    }
  })

  it.each(runtime)('tells how many packages %s brings', (name, version) => {
    const brought = reachedFrom(bom, purlOf(name, version)).size - 1
    expect(rows.find((row) => row[1] === name)?.[4]).toBe(String(brought))
  })

  it.each(runtime)('tells why %s, and what is known against it', (name) => {
    const [, paragraph = ''] = new RegExp(`^### ${name}\\n\\n([^]*?)(?=^##|$(?![^]))`, 'm').exec(text) ?? []
    expect(paragraph.length).toBeGreaterThan(50)
    expect(paragraph).toContain('Known: ')
  })

  it('names the licences of all that a release runs', () => {
    const [, list = ''] = /its licence is one of these[^:]*: ([^]*?)\. The data path/.exec(text) ?? []
    const allowed = list.split(/,\s+/)
    expect(allowed).toContain('MIT')
    const other = bom.components.filter(
      ({ licenses = [] }) => licenses.length === 0 || licenses.some((one) => !allowed.includes(one.license?.id ?? '')),
    )
    expect(other.map(({ name }) => name)).toEqual([])
  })
})
