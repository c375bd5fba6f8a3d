import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { NODE, ROOT } from '../helpers/process.ts'

export interface Component {
  readonly 'bom-ref': string
  readonly type: string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly scope?: string
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
  readonly licenses?: readonly { readonly license?: { readonly id: string } }[]
  readonly properties?: readonly { readonly name: string }[]
}

export interface Bom {
  readonly bomFormat: string
  readonly specVersion: string
  readonly metadata: { readonly component: Component }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

/** A package's reference. https://github.com/package-url/purl-spec */
export const purlOf = (name: string, version: string): string => `pkg:npm/${name.replace('@', '%40')}@${version}`

/** What scripts/sbom.ts writes. */
export async function writeBom(): Promise<string> {
  const script = join(ROOT, 'scripts/sbom.ts')
  const { stdout } = await promisify(execFile)(NODE, [script], { cwd: tmpdir(), timeout: 20_000 })
  return stdout
}

/** A component and all that it needs, by reference. */
export function reachedFrom(bom: Bom, from: string): ReadonlySet<string> {
  const needs = new Map(bom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]))
  const reached = new Set([from])
  for (const ref of reached) for (const next of needs.get(ref) ?? ['nowhere']) reached.add(next)
  return reached
}
