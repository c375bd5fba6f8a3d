import { describe, expect, it } from 'vitest'
import { findKnownBad, incidents } from './known-bad.ts'
import { product, projects, type Lock } from './lock.ts'
import { isInRange } from './versions.ts'

/** Every name with one range, an alternative each. */
const ranges = incidents.flatMap(({ packages }) =>
  Object.entries(packages).flatMap(([name, all]) => all.split('||').map((range) => [name, range.trim()] as const)),
)
const exact = ranges.filter(([, range]) => /^\d/.test(range))

it.each(projects)('$title has no package that is known to be bad', ({ lock }) => {
  expect(findKnownBad(lock)).toEqual([])
})

it('nor may the product run on such a Node', () => {
  // The last one of each line that has no fix yet, and what many machines still have.
  const bad = ['18.20.8', '20.20.2', '22.23.1', '23.11.1', '24.18.0', '25.9.0', '26.0.0', '26.5.0']
  for (const version of bad) {
    expect(findKnownBad(lockWith({ 'node_modules/node': { version } }))).toHaveLength(1)
    expect([version, isInRange(version, product.manifest.engines?.node ?? '')]).toEqual([version, false])
  }
})

describe('a lock with a bad package', () => {
  it.each(exact)('%s %s is found, and the next version is none', (name, version) => {
    expect(findKnownBad(lockWith({ [`node_modules/${name}`]: { version } }))).toEqual([
      expect.stringContaining(`${name}@${version} in node_modules/${name}: `),
    ])
    expect(findKnownBad(lockWith({ [`node_modules/${name}`]: { version: `${version}0` } }))).toEqual([])
  })

  it.each(['flatmap-stream', 'peacenotwar', 'plain-crypto-js', 'easy-day-js'])('%s is bad in any version', (name) => {
    for (const version of ['0.0.1', '4.2.1', '9.9.9-x']) {
      expect(findKnownBad(lockWith({ [`node_modules/${name}`]: { version } }))).toHaveLength(1)
    }
  })

  it('is found below another, of a development tool, and under another name', () => {
    const lock = lockWith({
      'node_modules/express': { version: '5.3.0' },
      'node_modules/express/node_modules/debug': { version: '4.4.2' },
      'node_modules/a/node_modules/@cacheable/utils': { version: '2.5.1', dev: true },
      'node_modules/fetch-it': { name: 'axios', version: '1.14.1' },
    })
    expect(findKnownBad(lock).map((line) => line.split(':', 1)[0])).toEqual([
      'debug@4.4.2 in node_modules/express/node_modules/debug',
      '@cacheable/utils@2.5.1 in node_modules/a/node_modules/@cacheable/utils',
      'axios@1.14.1 in node_modules/fetch-it',
    ])
  })
})

it('ranges are read as npm reads them', () => {
  const inside = (range: string, ...versions: string[]) => versions.map((version) => isInRange(version, range))
  expect(inside('1.2.3', '1.2.3', '1.2.30', '1.2.3-x')).toEqual([true, false, false])
  expect(inside('^1.2.3', '1.2.2', '1.2.3', '1.10.0', '2.0.0')).toEqual([false, true, true, false])
  expect(inside('>=1.2.3 <2.0.0', '1.2.2', '1.9.9', '2.0.0')).toEqual([false, true, false])
  expect(inside('<1.0.0 || 3.0.0', '0.9.9', '1.0.0', '3.0.0')).toEqual([true, false, true])
  for (const range of ['', 'latest', '~1.2.3', '>1.2.3', '1.x']) expect(() => isInRange('1.2.3', range)).toThrow(range)
})

function lockWith(packages: Lock['packages']): Lock {
  return { lockfileVersion: 3, packages: { '': { name: 'made-up' }, ...packages } }
}
