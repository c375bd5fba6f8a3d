import type { Extractor } from './extractor.ts'
import { compilePaths } from './paths.ts'

/** Where an error's text stands: native `error`, OpenAI's and Anthropic's `error.message`. */
export const ERROR_PATHS = ['error', 'error.message'] as const

/** For the answers of which nothing else is read: a listing, or any answer with an error status. */
export const errorTextExtractor: Extractor = {
  paths: compilePaths(ERROR_PATHS),
  doneMarker: false,
  saysFinished: false,
  value(notes, _path, value) {
    if (typeof value === 'string') notes.errorText = value
  },
  commit(notes, facts) {
    facts.errorText ??= notes.errorText
  },
}
