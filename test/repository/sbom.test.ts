import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../helpers/process.ts'
import { purlOf, reachedFrom, writeBom, type Bom, type Component } from './bom.ts'
import { installed, nameOf, product } from './lock.ts'

const run = promisify(execFile)
let text: string
let bom: Bom

beforeAll(async () => {
  text = await writeBom()
  bom = JSON.parse(text) as Bom
})

describe('the bill of materials', () => {
  it('is CycloneDX, of this product', () => {
    expect(bom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5' })
    const { name, version } = product.manifest
    expect(bom.metadata.component).toMatchObject({ type: 'application', name, version })
  })

  it('is the same for the same lock', async () => {
    expect(await writeBom()).toBe(text)
  })

  it('has what the lock says is needed to run, each with its hash, and nothing else', () => {
    const shipped = installed(product.lock).filter(([, { dev }]) => dev !== true)
    expect(shipped.length).toBeGreaterThan(50)
    const wanted = shipped.map(([folder, locked]) => {
      const { version = '', integrity = '' } = locked
      return `${nameOf(folder, locked)}@${version} ${integrity}`
    })
    expect(bom.components.map(written).toSorted()).toEqual([...new Set(wanted)].toSorted())
  })

  it('says how each came in, beginning with package.json', () => {
    const needs = new Map(bom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]))
    const top = bom.metadata.component['bom-ref']
    const direct = Object.entries(product.manifest.dependencies ?? {}).map((pair) => purlOf(...pair))
    expect(needs.get(top)).toEqual(direct.toSorted())
    const all = [top, ...bom.components.map((component) => component['bom-ref'])]
    expect([...reachedFrom(bom, top)].toSorted()).toEqual(all.toSorted())
    expect([...needs.keys()].toSorted()).toEqual(all.toSorted())
  })

  it('names a package and its licence so that other tools find them', () => {
    for (const { name, version, purl, licenses, scope, type } of bom.components) {
      expect(purl).toBe(purlOf(name, version))
      expect([name, licenses]).toEqual([name, [{ license: { id: expect.stringMatching(/^[\w.-]+$/) as string } }]])
      expect({ scope, type }).toEqual({ scope: 'required', type: 'library' })
    }
  })
})

// Debian 12's npm does not know the command, and does not always say so by its exit code.
const env = { PATH: process.env.PATH ?? '' }
const able = String(spawnSync('npm', ['sbom', '--help'], { env }).stdout).includes('--sbom-format')
describe.skipIf(!able)(`npm, asked for its own${able ? '' : ' [needs an npm with "sbom"]'}`, () => {
  it('lists the same packages with the same hashes and needs, without a network', async () => {
    const home = mkdtempSync(join(tmpdir(), 'ollascope-'))
    try {
      // Without "--omit dev", which leaves out too much; see scripts/sbom.ts.
      const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only', '--offline', '--cache', home]
      const env = { PATH: process.env.PATH ?? '', HOME: home, npm_config_update_notifier: 'false' }
      const { stdout } = await run('npm', args, { cwd: ROOT, env, timeout: 25_000, maxBuffer: 64 * 1024 * 1024 })
      const theirs = JSON.parse(stdout) as Bom
      const kept = theirs.components.filter((component) => !isForDevelopment(component))
      expect(kept.length).toBeLessThan(theirs.components.length)
      expect(kept.map(written).toSorted()).toEqual(bom.components.map(written).toSorted())
      const purls = new Map(kept.map((component) => [component['bom-ref'], component.purl]))
      const needs = theirs.dependencies.flatMap(({ ref, dependsOn }) => {
        const purl = purls.get(ref)
        return purl === undefined ? [] : [[purl, dependsOn.flatMap((one) => purls.get(one) ?? []).toSorted()]]
      })
      const ours = bom.dependencies.slice(1).map(({ ref, dependsOn }) => [ref, dependsOn])
      expect(Object.fromEntries(needs)).toEqual(Object.fromEntries(ours))
    } finally {
      rmSync(home, { recursive: true })
    }
  })
})

/** A component as the lock writes it. */
function written({ name, version, hashes }: Component): string {
  const digests = (hashes ?? []).map(({ alg, content }) => {
    const algorithm = alg.toLowerCase().replace('-', '')
    return `${algorithm}-${Buffer.from(content, 'hex').toString('base64')}`
  })
  return `${name}@${version} ${digests.join()}`
}

function isForDevelopment({ properties }: Component): boolean {
  return (properties ?? []).some(({ name }) => name === 'cdx:npm:package:development')
}
