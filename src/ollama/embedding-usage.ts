import { ERROR_PATHS } from './error-text.ts'
import { nanoseconds, noteUsage, tokens, type Extractor, type UsageFields } from './extractor.ts'
import { compilePaths } from './paths.ts'

/** One JSON document: that it is whole is all that it says of its end. */
function embeddingExtractor(usage: UsageFields): Extractor {
  return {
    paths: compilePaths([...usage.keys(), ...ERROR_PATHS]),
    doneMarker: false,
    saysFinished: true,
    value(notes, path, value) {
      if (!noteUsage(usage, notes, path, value) && typeof value === 'string') notes.errorText = value
    },
    commit(notes, facts) {
      facts.errorText ??= notes.errorText
      facts.finished = true
      Object.assign(facts.usage, notes.usage)
    },
  }
}

/** `/api/embed` */
export const embedExtractor = embeddingExtractor(
  new Map([
    ['total_duration', ['totalSeconds', nanoseconds]],
    ['load_duration', ['loadSeconds', nanoseconds]],
    ['prompt_eval_count', ['inputTokens', tokens]],
  ]),
)

/** `/api/embeddings`, the older one, tells no number at all. */
export const oldEmbeddingExtractor = embeddingExtractor(new Map())

/** `/v1/embeddings` */
export const openaiEmbeddingExtractor = embeddingExtractor(new Map([['usage.prompt_tokens', ['inputTokens', tokens]]]))
