import { ERROR_PATHS } from './error-text.ts'
import type { Extractor } from './extractor.ts'
import { compilePaths } from './paths.ts'

/** `/api/pull`, `/api/push` and `/api/create`: progress lines, the last of which has the status `success`. */
export const progressExtractor: Extractor = {
  paths: compilePaths(['status', ...ERROR_PATHS]),
  doneMarker: false,
  saysFinished: true,
  value(notes, path, value) {
    if (path === 'status') notes.finished = value === 'success'
    else if (typeof value === 'string') notes.errorText = value
  },
  commit(notes, facts) {
    facts.errorText ??= notes.errorText
    facts.finished ||= notes.finished
  },
}
