import { ERROR_PATHS, noteError } from './error-text.ts'
import { isContent, noteUsage, tokens, type Extractor, type UsageFields } from './extractor.ts'
import { compilePaths } from './paths.ts'

const USAGE: UsageFields = new Map([
  ['usage.input_tokens', ['inputTokens', tokens]],
  ['usage.output_tokens', ['outputTokens', tokens]],
  ['usage.cache_read_input_tokens', ['cachedInputTokens', tokens]],
])

const CONTENT = ['delta.text', 'delta.thinking', 'delta.partial_json']
const REASONS = ['stop_reason', 'delta.stop_reason']

/** Anthropic's words for why a message ended, in Ollama's. */
const REASON_WORDS: ReadonlyMap<string, string> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['tool_use', 'tool_calls'],
])

/**
 * `/v1/messages`: `message_start` holds an estimate of the usage (under `message`, and not read), `message_delta` the
 * true one and the reason, and `message_stop` is the end.
 */
export const anthropicExtractor: Extractor = {
  paths: compilePaths(['type', 'content_block.type', ...CONTENT, ...REASONS, ...USAGE.keys(), ...ERROR_PATHS]),
  doneMarker: false,
  saysFinished: true,
  value(notes, path, value) {
    if (CONTENT.includes(path)) notes.hasContent ||= isContent(value)
    else if (path === 'content_block.type') notes.hasContent ||= value === 'tool_use'
    else if (path === 'type') notes.finished = value === 'message_stop'
    else if (REASONS.includes(path))
      notes.reason = typeof value === 'string' && value ? (REASON_WORDS.get(value) ?? value) : notes.reason
    else if (!noteUsage(USAGE, notes, path, value)) noteError(notes, value)
  },
  commit(notes, facts, streamed) {
    facts.errorText ??= notes.errorText
    facts.hasContent ||= notes.hasContent
    facts.reason = notes.reason ?? facts.reason
    facts.finished ||= streamed ? notes.finished : notes.reason !== undefined
    Object.assign(facts.usage, notes.usage)
  },
}
