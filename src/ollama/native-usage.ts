import { ERROR_PATHS } from './error-text.ts'
import { emptyNotes, isContent, nanoseconds, tokens, type Extractor, type RecordNotes } from './extractor.ts'
import type { ResponseFacts } from './facts.ts'
import type { JsonValue } from './json-value.ts'
import { compilePaths } from './paths.ts'

/**
 * `/api/generate` and `/api/chat`: the last object has `done: true`, its reason, counts and nanoseconds; the others
 * a piece of text. Every field is absent when it is 0.
 */
export const nativeExtractor: Extractor = {
  paths: compilePaths([
    'done',
    'done_reason',
    'response',
    'thinking',
    'message.content',
    'message.thinking',
    'message.tool_calls[]',
    'total_duration',
    'load_duration',
    'prompt_eval_count',
    'prompt_eval_cached_count',
    'prompt_eval_duration',
    'eval_count',
    'eval_duration',
    ...ERROR_PATHS,
  ]),
  doneMarker: false,
  saysFinished: true,
  begin: emptyNotes,
  value,
  commit,
}

function value(notes: RecordNotes, path: string, value: JsonValue): void {
  switch (path) {
    case 'response':
    case 'thinking':
    case 'message.content':
    case 'message.thinking':
    case 'message.tool_calls[]':
      notes.hasContent ||= isContent(value)
      return
    case 'done':
      notes.finished = value === true
      return
    case 'done_reason':
      notes.reason = typeof value === 'string' ? value : undefined
      return
    case 'total_duration':
      notes.totalSeconds = nanoseconds(value)
      return
    case 'load_duration':
      notes.loadSeconds = nanoseconds(value)
      return
    case 'prompt_eval_count':
      notes.inputTokens = tokens(value)
      return
    case 'prompt_eval_cached_count':
      notes.cachedInputTokens = tokens(value)
      return
    case 'prompt_eval_duration':
      notes.promptEvalSeconds = nanoseconds(value)
      return
    case 'eval_count':
      notes.outputTokens = tokens(value)
      return
    case 'eval_duration':
      notes.evalSeconds = nanoseconds(value)
      return
    default:
      if (typeof value === 'string') notes.errorText = value
  }
}

function commit(notes: RecordNotes, facts: ResponseFacts): void {
  facts.errorText ??= notes.errorText
  facts.hasContent ||= notes.hasContent
  if (!notes.finished) return
  facts.finished = true
  facts.reason = notes.reason
  const { usage } = facts
  if (notes.inputTokens !== undefined) usage.inputTokens = notes.inputTokens
  if (notes.cachedInputTokens !== undefined) usage.cachedInputTokens = notes.cachedInputTokens
  if (notes.outputTokens !== undefined) usage.outputTokens = notes.outputTokens
  if (notes.totalSeconds !== undefined) usage.totalSeconds = notes.totalSeconds
  if (notes.loadSeconds !== undefined) usage.loadSeconds = notes.loadSeconds
  if (notes.promptEvalSeconds !== undefined) usage.promptEvalSeconds = notes.promptEvalSeconds
  if (notes.evalSeconds !== undefined) usage.evalSeconds = notes.evalSeconds
}
