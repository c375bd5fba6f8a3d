import { ERROR_PATHS, noteError } from './error-text.ts'
import { isContent, noteUsage, tokens, type Extractor, type UsageFields } from './extractor.ts'
import { compilePaths } from './paths.ts'

const USAGE: UsageFields = new Map([
  ['usage.prompt_tokens', ['inputTokens', tokens]],
  ['usage.completion_tokens', ['outputTokens', tokens]],
  ['usage.prompt_tokens_details.cached_tokens', ['cachedInputTokens', tokens]],
])

const CHAT_CONTENT = ['delta', 'message'].flatMap((part) =>
  ['content', 'reasoning', 'tool_calls[]'].map((field) => `choices[].${part}.${field}`),
)

/**
 * In a stream the usage stands in the one chunk whose `choices` is empty (other chunks may carry zeros), and the end is
 * `[DONE]`; in a plain answer it stands beside the choices. There are no durations.
 */
function openaiExtractor(content: readonly string[]): Extractor {
  return {
    paths: compilePaths(['choices[]', 'choices[].finish_reason', ...content, ...USAGE.keys(), ...ERROR_PATHS]),
    doneMarker: true,
    saysFinished: true,
    value(notes, path, value) {
      if (content.includes(path)) notes.hasContent ||= isContent(value)
      else if (path === 'choices[]') notes.hasChoices = true
      else if (path === 'choices[].finish_reason')
        notes.reason = typeof value === 'string' && value ? value : notes.reason
      else if (!noteUsage(USAGE, notes, path, value)) noteError(notes, value)
    },
    commit(notes, facts, streamed) {
      facts.errorText ??= notes.errorText
      facts.hasContent ||= notes.hasContent
      facts.reason = notes.reason ?? facts.reason
      if (!streamed) facts.finished = notes.reason !== undefined
      if (!streamed || !notes.hasChoices) Object.assign(facts.usage, notes.usage)
    },
  }
}

/** `/v1/chat/completions` */
export const openaiChatExtractor = openaiExtractor(CHAT_CONTENT)

/** `/v1/completions` */
export const openaiCompletionExtractor = openaiExtractor(['choices[].text'])
