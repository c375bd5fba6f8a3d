import { noteError } from './error-text.ts'
import { isContent, noteUsage, tokens, type Extractor, type UsageFields } from './extractor.ts'
import { compilePaths } from './paths.ts'

const FIELDS: UsageFields = new Map([
  ['usage.input_tokens', ['inputTokens', tokens]],
  ['usage.output_tokens', ['outputTokens', tokens]],
  ['usage.input_tokens_details.cached_tokens', ['cachedInputTokens', tokens]],
])

/** The response stands by itself in a plain answer, and under `response` in the events that begin and end a stream. */
const USAGE: UsageFields = new Map([
  ...FIELDS,
  ...[...FIELDS].map(([path, field]) => [`response.${path}`, field] as const),
])

// A failed one is none: what it says is an error, or nothing.
const ENDS = ['response.completed', 'response.incomplete']
const REASONS = ['incomplete_details.reason', 'response.incomplete_details.reason']
const ERRORS = ['error', 'error.message', 'response.error', 'response.error.message', 'message']

/**
 * `/v1/responses`: no `[DONE]`; a stream ends with `response.completed`, which has the usage. Ollama calls a response
 * completed also when the length limit ended it, so there is no reason to be read unless it says `incomplete`.
 */
export const responsesExtractor: Extractor = {
  paths: compilePaths(['type', 'status', 'delta', 'item.type', ...REASONS, ...USAGE.keys(), ...ERRORS]),
  doneMarker: false,
  saysFinished: true,
  value(notes, path, value) {
    if (path === 'delta') notes.hasContent ||= isContent(value)
    else if (path === 'item.type') notes.hasContent ||= value === 'function_call'
    else if (path === 'type') notes.finished ||= typeof value === 'string' && ENDS.includes(value)
    else if (path === 'status') notes.finished ||= value === 'completed' || value === 'incomplete'
    else if (REASONS.includes(path)) notes.reason = value === 'max_output_tokens' ? 'length' : notes.reason
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
