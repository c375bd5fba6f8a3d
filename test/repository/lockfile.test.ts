import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { NODE, ROOT } from '../helpers/process.ts'
import { runProgram } from '../helpers/programs.ts'
import { installed, nameOf, product, projects, type Manifest } from './lock.ts'
import { isInRange } from './versions.ts'

const MAIN = join(ROOT, 'src/main.ts')
const EXACT = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/
/** 64 bytes. */
const SHA512 = /^sha512-[A-Za-z0-9+/]{86}==$/

describe.each(projects)('$title', ({ manifest, lock }) => {
  const packages = installed(lock)

  it('is one of npm 7 and later, and holds packages', () => {
    expect(lock.lockfileVersion).toBe(3)
    expect(packages.length).toBeGreaterThan(50)
  })

  it('has the hash of everything that is fetched, and no address', () => {
    expect(packages.filter(([, { integrity }]) => !SHA512.test(integrity ?? '')).map(([folder]) => folder)).toEqual([])
    expect(packages.filter(([, locked]) => 'resolved' in locked).map(([folder]) => folder)).toEqual([])
  })

  it('takes nothing from git, from a file or from an address', () => {
    const all = [manifest, ...Object.values(lock.packages)].flatMap(wantedBy)
    expect(all.length).toBeGreaterThan(50)
    // A range has neither a colon nor a slash, except where it is of a package under another name.
    const strange = all.filter(([, range]) => /[:/]/.test(range.replace(/^npm:(?:@[\w.-]+\/)?[\w.-]+@/, '')))
    expect(strange).toEqual([])
  })

  it('has what package.json wants, each at one exact version', () => {
    expect(declared(lock.packages[''] ?? {})).toEqual(declared(manifest))
    for (const [name, range] of wantedBy(manifest)) {
      expect([name, range]).toEqual([name, expect.stringMatching(EXACT)])
      expect([name, lock.packages[`node_modules/${name}`]?.version]).toEqual([name, range])
    }
  })

  it('runs the install scripts that package.json allows, and no other', () => {
    const scripts = packages.filter(([, { hasInstallScript }]) => hasInstallScript === true)
    const names = scripts.map(([folder, locked]) => `${nameOf(folder, locked)}@${locked.version ?? ''}`)
    // Each is named, and npm runs none that is not allowed.
    const judged = Object.entries(manifest.allowScripts ?? {})
    expect(names.toSorted()).toEqual(judged.map(([entry]) => entry).toSorted())
    expect(judged.filter(([, yes]) => yes).map(([entry]) => entry)).toEqual(
      names.filter((name) => name.startsWith('node@')),
    )
  })
})

describe('the Node that it runs on', () => {
  it('is pinned, with no known way to smuggle a request past', () => {
    expect(isInRange(product.manifest.devDependencies?.node ?? '', '>=24.21.0')).toBe(true)
    expect(isInRange(process.versions.node, product.manifest.engines?.node ?? '')).toBe(true)
  })

  // 22.23.2, 24.18.1 and 26.5.1 are the first with the fix; 23 and 25 never had it (known-bad.ts).
  it.each([
    ['20.20.2', false],
    ['22.23.2', false],
    ['22.23.3', true],
    ['22.24.0', true],
    ['23.11.1', false],
    ['24.20.9', false],
    ['24.21.0', true],
    ['24.30.1', true],
    ['25.9.0', false],
    ['26.5.0', false],
    ['26.5.1', true],
    ['27.0.0', true],
  ])('%s: package.json and the program itself agree on %s', async (version, good) => {
    expect(isInRange(version, product.manifest.engines?.node ?? '')).toBe(good)
    const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
    const preload = `data:text/javascript,${encodeURIComponent(pretend)}`
    const { code, stdout, stderr } = await runProgram(NODE, ['--import', preload, MAIN, '--version'], '')
    expect(stderr).toMatch(good ? /^$/ : /^ollascope: needs Node /)
    expect(stdout).toMatch(good ? new RegExp(`, Node ${version}\n$`) : /^$/)
    expect(code).toBe(good ? 0 : 1)
  })
})

/** What package.json and the lock both say of a project. */
function declared({ name, version, license, engines, ...rest }: Manifest): Manifest {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = rest
  return { name, version, license, engines, dependencies, devDependencies, optionalDependencies, peerDependencies }
}

function wantedBy(manifest: Manifest): readonly (readonly [name: string, range: string])[] {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = manifest
  return [dependencies, devDependencies, optionalDependencies, peerDependencies].flatMap((all) =>
    Object.entries(all ?? {}),
  )
}
