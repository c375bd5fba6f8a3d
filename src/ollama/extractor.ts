import type { ResponseFacts, Usage } from './facts.ts'
import type { JsonValue } from './json-value.ts'
import type { PathNode } from './paths.ts'

/** Knows where one API keeps its numbers. Stateless: what it learns of a record goes into the record's notes. */
export interface Extractor {
  readonly paths: PathNode
  /** One wanted value of the record. */
  value(notes: RecordNotes, path: string, value: JsonValue): void
  /** The record (a line, an event, or a whole JSON answer) was whole: what it said becomes part of the facts. */
  commit(notes: RecordNotes, facts: ResponseFacts, streamed: boolean): void
  /** Whether a stream must say its end by `[DONE]`. Otherwise a record says it. */
  readonly doneMarker: boolean
  /** Whether a complete answer of this API always says that it is finished. */
  readonly saysFinished: boolean
}

/** What one record said, before it is known whether the record is whole. */
export interface RecordNotes {
  hasContent: boolean
  hasChoices: boolean
  finished: boolean
  reason: string | undefined
  errorText: string | undefined
  /** Of a pull or a push: the blob, and how many bytes of it are there. */
  digest: string | undefined
  completed: number | undefined
  readonly usage: Usage
}

export function emptyNotes(): RecordNotes {
  return {
    hasContent: false,
    hasChoices: false,
    finished: false,
    reason: undefined,
    errorText: undefined,
    digest: undefined,
    completed: undefined,
    usage: {},
  }
}

/** Where a number of the usage stands, by path: its name here, and how it is read. */
export type UsageFields = ReadonlyMap<string, readonly [keyof Usage, (value: JsonValue) => number | undefined]>

/** Notes the value if its path is one of the fields; of two values the last counts, also where it is no number. */
export function noteUsage(fields: UsageFields, notes: RecordNotes, path: string, value: JsonValue): boolean {
  const field = fields.get(path)
  if (field === undefined) return false
  const [name, read] = field
  notes.usage[name] = read(value)
  return true
}

/** A count of tokens, or `undefined` for what is none: a string, a negative or broken number. */
export function tokens(value: JsonValue): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

const LONGEST_SECONDS = 10 * 365 * 24 * 3600

/** A duration in seconds from nanoseconds, or `undefined` for what cannot be one. */
export function nanoseconds(value: JsonValue): number | undefined {
  if (typeof value !== 'number' || !(value >= 0)) return undefined
  const seconds = value / 1e9
  return seconds <= LONGEST_SECONDS ? seconds : undefined
}

/** A token came: text that is not empty, or the object of a tool call. */
export function isContent(value: JsonValue): boolean {
  return value === undefined || (typeof value === 'string' && value !== '')
}
