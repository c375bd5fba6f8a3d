import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { createCgroupReader, type CgroupReader } from '../../../src/collectors/cgroup/reader.ts'
import { ROOT } from '../../helpers/process.ts'

/** Of the container that Ollama is in, on every machine that has one. */
export const OLLAMA_ID = '3f1c9b7ad2e84f50a6c1be0d97f2453188ce6a0b1d4f7e29035ab8c46d1e7f92'
export const MACHINES = [
  'docker-v2-shared-pid',
  'docker-v1-shared-pid',
  'docker-v1-host',
  'kubernetes-v2',
  'systemd-v2',
  'systemd-hybrid',
  'session-v2',
  'same-container-v2',
] as const
type MachineName = (typeof MACHINES)[number]

export interface Machine {
  readonly folder: string
  readonly procRoot: string
  readonly sysRoot: string
  readonly reader: CgroupReader
}

/** What its files hold; `undefined` takes one away. */
type Files = Readonly<Record<string, string | undefined>>

/** The files of a recorded machine, by path, and its links. */
export function readMachine(name: MachineName): { files: Record<string, string>; links: Record<string, string> } {
  const text = readFileSync(join(ROOT, 'test/captures/cgroup', `${name}.txt`), 'utf8')
  const files: Record<string, string> = {}
  const links: Record<string, string> = {}
  for (const part of text.split(/^== /m).slice(1)) {
    const [head = '', ...lines] = part.split('\n')
    const [path = '', target] = head.split(' -> ')
    if (target !== undefined) links[path] = target
    else files[path] = lines.join('\n').replaceAll('\\0', '\0')
  }
  return { files, links }
}

/** A folder that is such a machine, but for these files, until the end of the test. */
export function plantMachine(name: MachineName, changes: Files = {}): Machine {
  const { files, links } = readMachine(name)
  return plantFiles({ ...files, ...changes }, links)
}

export function plantFiles(files: Files, links: Readonly<Record<string, string>> = {}): Machine {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-cgroup-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [path, text] of Object.entries(files)) if (text !== undefined) put(folder, path, text)
  for (const [path, target] of Object.entries(links)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    symlinkSync(target, join(folder, path))
  }
  const roots = { procRoot: join(folder, 'proc'), sysRoot: join(folder, 'sys') }
  return { folder, ...roots, reader: createCgroupReader(roots) }
}

/** Writes a file of a machine that is there already. */
export function put(folder: string, path: string, text: string): void {
  mkdirSync(join(folder, dirname(path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}
