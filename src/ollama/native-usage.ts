import { ERROR_PATHS, noteError } from './error-text.ts'
import { isContent, nanoseconds, noteUsage, tokens, type Extractor, type UsageFields } from './extractor.ts'
import { compilePaths } from './paths.ts'

const USAGE: UsageFields = new Map([
  ['total_duration', ['totalSeconds', nanoseconds]],
  ['load_duration', ['loadSeconds', nanoseconds]],
  ['prompt_eval_count', ['inputTokens', tokens]],
  ['prompt_eval_cached_count', ['cachedInputTokens', tokens]],
  ['prompt_eval_duration', ['promptEvalSeconds', nanoseconds]],
  ['eval_count', ['outputTokens', tokens]],
  ['eval_duration', ['evalSeconds', nanoseconds]],
])

const CONTENT = ['response', 'thinking', 'message.content', 'message.thinking', 'message.tool_calls[]']

/**
 * `/api/generate` and `/api/chat`: the last object has `done: true`, its reason, counts and nanoseconds; the others
 * a piece of text. Every field is absent when it is 0.
 */
export const nativeExtractor: Extractor = {
  paths: compilePaths(['done', 'done_reason', ...CONTENT, ...USAGE.keys(), ...ERROR_PATHS]),
  doneMarker: false,
  saysFinished: true,
  value(notes, path, value) {
    if (CONTENT.includes(path)) notes.hasContent ||= isContent(value)
    else if (path === 'done') notes.finished = value === true
    else if (path === 'done_reason') notes.reason = typeof value === 'string' ? value : undefined
    else if (!noteUsage(USAGE, notes, path, value)) noteError(notes, value)
  },
  commit(notes, facts) {
    facts.errorText ??= notes.errorText
    facts.hasContent ||= notes.hasContent
    if (!notes.finished) return
    facts.finished = true
    facts.reason = notes.reason
    Object.assign(facts.usage, notes.usage)
  },
}
