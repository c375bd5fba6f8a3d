import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../helpers/process.ts'

export type Wanted = Readonly<Record<string, string>>

/** What package.json says of one package; package-lock.json repeats it for each. */
export interface Manifest {
  readonly name?: string | undefined
  readonly version?: string | undefined
  readonly license?: string | undefined
  readonly engines?: Wanted | undefined
  readonly dependencies?: Wanted | undefined
  readonly devDependencies?: Wanted | undefined
  readonly optionalDependencies?: Wanted | undefined
  readonly peerDependencies?: Wanted | undefined
  /** `name@version` of each package whose install script may run. */
  readonly allowScripts?: Readonly<Record<string, boolean>>
}

export interface Locked extends Manifest {
  readonly resolved?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
}

export interface Lock {
  readonly lockfileVersion: number
  /** By folder; '' is the project itself. */
  readonly packages: Readonly<Record<string, Locked>>
}

export interface Project {
  readonly title: string
  readonly manifest: Manifest
  readonly lock: Lock
}

export const product = readProject('.')
/** Every project here that installs packages. */
export const projects: readonly Project[] = [product, readProject('bench')]

/** What is installed, by folder: all but the project itself. */
export function installed({ packages }: Lock): readonly (readonly [folder: string, locked: Locked])[] {
  return Object.entries(packages).filter(([folder]) => folder !== '')
}

/** The name under which a package was published, also where its folder has another one. */
export function nameOf(folder: string, locked: Locked): string {
  return locked.name ?? folder.split('node_modules/').at(-1) ?? folder
}

function readProject(folder: string): Project {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(ROOT, folder, file), 'utf8'))
  const title = join(folder, 'package-lock.json')
  return { title, manifest: read('package.json') as Manifest, lock: read('package-lock.json') as Lock }
}
