import { readFileSync } from 'node:fs'
import { isFields, type Fields } from './json.ts'

/** A recorded answer of a real daemon, as its text. */
export function readDockerCapture(name: string): string {
  return readFileSync(new URL(`../captures/docker/${name}`, import.meta.url), 'utf8')
}

function readFields(name: string): Fields {
  const json: unknown = JSON.parse(readDockerCapture(name))
  if (!isFields(json)) throw new Error(`${name} is no object`)
  return json
}

/** Docker 20.10 on cgroup v1. */
export const STATS_V1 = readFields('docker20-v1-stats-oneshot.json')
/** Docker 26.1 on cgroup v2. */
export const STATS_V2 = readFields('docker26-v2-stats-oneshot.json')
/** Docker 20.10, after a child of process 1 was killed. */
export const INSPECT = readFields('docker20-v1-inspect-after-child-oom.json')

/** A recorded object with some of its fields replaced, however deep. */
export function withFields(recorded: unknown, changes: Fields): Fields {
  const base = isFields(recorded) ? recorded : {}
  const merged = Object.entries(changes).map(([key, value]): [string, unknown] => [
    key,
    isFields(value) ? withFields(base[key], value) : value,
  ])
  return { ...base, ...Object.fromEntries(merged) }
}
