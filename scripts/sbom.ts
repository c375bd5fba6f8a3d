/**
 * Writes what a release is made of, as CycloneDX 1.5 JSON, to stdout: `node scripts/sbom.ts`. It needs nothing but
 * package-lock.json, and the same lock gives the same bytes: no time and no serial number stand in it.
 * `npm sbom --omit dev` would not do: it leaves out a package that a development tool needs too (a known fault of npm 11).
 */
import { readFileSync } from 'node:fs'

interface Locked {
  /** Where it is not the name of its folder. */
  readonly name?: string
  readonly version?: string
  readonly integrity?: string
  readonly license?: string
  /** Only development needs it. */
  readonly dev?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** A package and its folder. */
type Placed = readonly [folder: string, locked: Locked]

const MODULES = 'node_modules/'
const file = new URL('../package-lock.json', import.meta.url)
const { packages } = JSON.parse(readFileSync(file, 'utf8')) as { packages: Readonly<Record<string, Locked>> }
/** The product itself, in the folder '', and what it needs to run. */
const shipped = new Map<string, Locked>(Object.entries(packages).filter(([, locked]) => locked.dev !== true))

function nameOf([folder, locked]: Placed): string {
  return locked.name ?? folder.slice(folder.lastIndexOf(MODULES) + MODULES.length)
}

function purlOf(placed: Placed): string {
  return `pkg:npm/${nameOf(placed).replace('@', '%40')}@${placed[1].version ?? ''}`
}

/** What package-lock.json does not tell, since their package.json has the older `licenses`; read there. */
const OLDER_FORM: Readonly<Record<string, string>> = { buildcheck: 'MIT', 'cpu-features': 'MIT', ssh2: 'MIT' }

function componentOf(placed: Placed): object {
  const [folder, { version, license = OLDER_FORM[nameOf(placed)] }] = placed
  const purl = purlOf(placed)
  const licenses = /^[\w.+-]+$/.test(license ?? '') ? [{ license: { id: license } }] : [{ expression: license }]
  return {
    type: folder === '' ? 'application' : 'library',
    'bom-ref': purl,
    name: nameOf(placed),
    version,
    ...(folder === '' ? {} : { scope: 'required', hashes: [hashOf(placed)] }),
    ...(license === undefined ? {} : { licenses }),
    purl,
  }
}

function hashOf([folder, { integrity }]: Placed): object {
  const [, digest] = /^sha512-(.+)$/.exec(integrity ?? '') ?? []
  if (digest === undefined) throw new Error(`package-lock.json has no sha512 of ${folder}`)
  return { alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }
}

/** What Node finds when a file in this folder asks for a name: there, or in the next folder above that has it. */
function find(name: string, from: string): Placed | undefined {
  const folder = `${from === '' ? '' : `${from}/`}${MODULES}${name}`
  const locked = shipped.get(folder)
  if (locked !== undefined) return [folder, locked]
  return from === '' ? undefined : find(name, from.slice(0, Math.max(0, from.lastIndexOf(`/${MODULES}`))))
}

function needsOf([folder, locked]: Placed): readonly string[] {
  const names = Object.keys({ ...locked.dependencies, ...locked.optionalDependencies, ...locked.peerDependencies })
  return names.map((name) => find(name, folder)).flatMap((found) => (found === undefined ? [] : [purlOf(found)]))
}

// The same version in two folders is one component.
const parts = new Map<string, Placed>([...shipped].map((placed) => [purlOf(placed), placed]))
const [product, ...libraries] = [...parts.values()].map(componentOf)
const bom = {
  $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  version: 1,
  metadata: { lifecycles: [{ phase: 'pre-build' }], component: product },
  components: libraries,
  dependencies: [...parts].map(([ref, placed]) => ({ ref, dependsOn: needsOf(placed).toSorted() })),
}
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`)
