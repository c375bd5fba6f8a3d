import type { Extractor, RecordNotes } from './extractor.ts'
import type { JsonValue } from './json-value.ts'
import { compilePaths } from './paths.ts'

/** Where an error's text stands: native `error`, OpenAI's and Anthropic's `error.message`. */
export const ERROR_PATHS = ['error', 'error.message'] as const

/** Notes what stands at one of these places. An object says that there is an error, even where it has no text. */
export function noteError(notes: RecordNotes, value: JsonValue): void {
  if (typeof value === 'string') notes.errorText = value
  else if (value === undefined) notes.errorText ??= ''
}

/** For the answers of which nothing else is read: a listing, or any answer with an error status. */
export const errorTextExtractor: Extractor = {
  paths: compilePaths(ERROR_PATHS),
  doneMarker: false,
  saysFinished: false,
  value(notes, _path, value) {
    noteError(notes, value)
  },
  commit(notes, facts) {
    facts.errorText ??= notes.errorText
  },
}
