import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { PAGING } from '../../../src/doctor/checks/prometheus.ts'
import { ROOT } from '../../helpers/process.ts'

interface RuleFile {
  readonly groups: readonly { readonly rules: readonly Rule[] }[]
}

interface Rule {
  readonly alert?: string
  readonly labels?: { readonly severity?: string }
}

test('doctor asks for every alert that pages, and for no other', () => {
  const folder = join(ROOT, 'prometheus/rules')
  const files = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name))
  const rules = files
    .map((name) => parse(readFileSync(join(folder, name), 'utf8')) as RuleFile)
    .flatMap(({ groups }) => groups.flatMap((group) => group.rules))
  const paging = rules.flatMap(({ alert, labels }) => (labels?.severity === 'critical' ? (alert ?? []) : []))
  expect([...PAGING].sort()).toEqual([...new Set(paging)].sort())
})
