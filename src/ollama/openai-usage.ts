import { ERROR_PATHS } from './error-text.ts'
import { emptyNotes, isContent, tokens, type Extractor, type RecordNotes } from './extractor.ts'
import type { ResponseFacts } from './facts.ts'
import type { JsonValue } from './json-value.ts'
import { compilePaths } from './paths.ts'

/**
 * `/v1/chat/completions`: in a stream the usage stands in the one chunk whose `choices` is empty (other chunks may
 * carry zeros), and the end is `[DONE]`; in a plain answer it stands beside the choices. There are no durations.
 */
export const openaiChatExtractor: Extractor = {
  paths: compilePaths([
    'choices[]',
    'choices[].finish_reason',
    'choices[].delta.content',
    'choices[].delta.reasoning',
    'choices[].delta.tool_calls[]',
    'choices[].message.content',
    'choices[].message.reasoning',
    'choices[].message.tool_calls[]',
    'usage.prompt_tokens',
    'usage.completion_tokens',
    'usage.prompt_tokens_details.cached_tokens',
    ...ERROR_PATHS,
  ]),
  doneMarker: true,
  saysFinished: true,
  begin: emptyNotes,
  value,
  commit,
}

function value(notes: RecordNotes, path: string, value: JsonValue): void {
  switch (path) {
    case 'choices[]':
      notes.hasChoices = true
      return
    case 'choices[].finish_reason':
      if (typeof value === 'string' && value !== '') notes.reason = value
      return
    case 'usage.prompt_tokens':
      notes.inputTokens = tokens(value)
      return
    case 'usage.completion_tokens':
      notes.outputTokens = tokens(value)
      return
    case 'usage.prompt_tokens_details.cached_tokens':
      notes.cachedInputTokens = tokens(value)
      return
    case 'error':
    case 'error.message':
      if (typeof value === 'string') notes.errorText = value
      return
    default:
      notes.hasContent ||= isContent(value)
  }
}

function commit(notes: RecordNotes, facts: ResponseFacts, streamed: boolean): void {
  facts.errorText ??= notes.errorText
  facts.hasContent ||= notes.hasContent
  facts.reason = notes.reason ?? facts.reason
  if (!streamed) facts.finished = notes.reason !== undefined
  if (streamed && notes.hasChoices) return
  const { usage } = facts
  if (notes.inputTokens !== undefined) usage.inputTokens = notes.inputTokens
  if (notes.cachedInputTokens !== undefined) usage.cachedInputTokens = notes.cachedInputTokens
  if (notes.outputTokens !== undefined) usage.outputTokens = notes.outputTokens
}
