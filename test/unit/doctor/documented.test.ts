import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CHECKS } from '../../../src/doctor/checks.ts'
import { ROOT } from '../../helpers/process.ts'

test('docs/doctor.md has each check in its table, once', () => {
  const text = readFileSync(join(ROOT, 'docs/doctor.md'), 'utf8')
  const rows = text.split('\n').filter((line) => line.startsWith('| `'))
  const ids = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, id]) => id))
  expect(ids.toSorted()).toEqual(CHECKS.map(({ id }) => id).toSorted())
})
