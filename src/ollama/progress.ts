import { ERROR_PATHS, noteError } from './error-text.ts'
import { tokens as bytes, type Extractor } from './extractor.ts'
import type { Transfer } from './facts.ts'
import { compilePaths } from './paths.ts'

/** More blobs than any model has. */
const MAX_BLOBS = 1000

/**
 * `/api/pull`, `/api/push` and `/api/create`: progress lines, the last of which has the status `success`. A blob's
 * `completed` grows from what was there before, so what was moved is the growth that was seen.
 */
export const progressExtractor: Extractor = {
  paths: compilePaths(['status', 'digest', 'completed', ...ERROR_PATHS]),
  doneMarker: false,
  saysFinished: true,
  value(notes, path, value) {
    if (path === 'status') notes.finished = value === 'success'
    else if (path === 'digest') notes.digest = typeof value === 'string' ? value : undefined
    else if (path === 'completed') notes.completed = bytes(value)
    else noteError(notes, value)
  },
  commit(notes, facts) {
    facts.errorText ??= notes.errorText
    facts.finished ||= notes.finished
    if (notes.digest === undefined) return
    facts.transfers ??= new Map<string, Transfer>()
    noteBlob(facts.transfers, notes.digest, notes.completed ?? 0)
  },
}

function noteBlob(transfers: Map<string, Transfer>, digest: string, completed: number): void {
  const blob = transfers.get(digest)
  if (blob !== undefined) blob.completed = Math.max(blob.completed, completed)
  else if (transfers.size < MAX_BLOBS) transfers.set(digest, { first: completed, completed })
}

/** Bytes by which the blobs of a pull or push were seen to grow; `undefined` where none was told of. */
export function transferredBytes(transfers: ReadonlyMap<string, Transfer> | undefined): number | undefined {
  if (transfers === undefined) return undefined
  return [...transfers.values()].reduce((sum, { first, completed }) => sum + completed - first, 0)
}
