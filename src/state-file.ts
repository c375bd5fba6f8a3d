import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SavedKills } from './collectors/oom/ledger.ts'

/** What outlives the process. */
export interface State {
  /** A GPU was seen. */
  readonly gpuSeen: boolean
  readonly oom: SavedKills
  /** The `timeNano` of the last event that the Docker daemon told. */
  readonly lastEvent: string | undefined
}

export const NO_STATE: State = { gpuSeen: false, oom: { totals: [], lives: [] }, lastEvent: undefined }

/** A small JSON document in a folder that the operator gave. */
export interface StateFile {
  /** What an earlier process left, as far as it is sound. */
  readonly read: () => State
  /** Replaces it as a whole: a process that is killed meanwhile leaves the old one. Throws what the file system says. */
  readonly write: (state: State) => void
}

const NAME = 'ollascope-state.json'
const MAX_BYTES = 1024 * 1024

export function createStateFile(folder: string): StateFile {
  const path = join(folder, NAME)
  let written = ''
  return {
    read() {
      try {
        const text = readFileSync(path, 'utf8')
        return text.length > MAX_BYTES ? NO_STATE : parseState(JSON.parse(text))
      } catch {
        return NO_STATE
      }
    },
    write(state) {
      const text = `${JSON.stringify(state)}\n`
      if (text === written) return
      mkdirSync(folder, { recursive: true })
      writeFileSync(`${path}.new`, text, { mode: 0o600 })
      renameSync(`${path}.new`, path)
      written = text
    },
  }
}

/** What of it is sound: an older version may have written less, and a person anything. */
function parseState(json: unknown): State {
  const { gpuSeen, oom, lastEvent } = fieldsOf(json)
  const { totals, lives } = fieldsOf(oom)
  return {
    gpuSeen: gpuSeen === true,
    oom: {
      totals: listOf(totals, isTotal).map(({ name, image, kills, seenMs }) => ({ name, image, kills, seenMs })),
      lives: listOf(lives, isLife).map(({ id, startedAt, counted }) => ({ id, startedAt, counted })),
    },
    lastEvent: typeof lastEvent === 'string' && /^\d{1,20}$/.test(lastEvent) ? lastEvent : undefined,
  }
}

function isTotal(one: Fields): one is Fields & SavedKills['totals'][number] {
  return typeof one.name === 'string' && typeof one.image === 'string' && isCount(one.kills) && isCount(one.seenMs)
}

function isLife(one: Fields): one is Fields & SavedKills['lives'][number] {
  return typeof one.id === 'string' && isCount(one.startedAt) && isCount(one.counted)
}

type Fields = Readonly<Record<string, unknown>>

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function listOf<T extends Fields>(value: unknown, isOne: (one: Fields) => one is T): T[] {
  return Array.isArray(value) ? value.map(fieldsOf).filter(isOne) : []
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
