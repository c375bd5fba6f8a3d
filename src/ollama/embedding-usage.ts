import { ERROR_PATHS, noteError } from './error-text.ts'
import { nanoseconds, noteUsage, tokens, type Extractor, type UsageFields } from './extractor.ts'
import { compilePaths } from './paths.ts'

/** One JSON document, which is an answer if it has the array of the embeddings, an empty one included. */
function embeddingExtractor(embeddings: string, usage: UsageFields): Extractor {
  return {
    paths: compilePaths([embeddings, ...usage.keys(), ...ERROR_PATHS]),
    doneMarker: false,
    saysFinished: true,
    value(notes, path, value) {
      if (path === embeddings) notes.finished = value === undefined
      else if (!noteUsage(usage, notes, path, value)) noteError(notes, value)
    },
    commit(notes, facts) {
      facts.errorText ??= notes.errorText
      facts.finished = notes.finished
      Object.assign(facts.usage, notes.usage)
    },
  }
}

/** `/api/embed` */
export const embedExtractor = embeddingExtractor(
  'embeddings',
  new Map([
    ['total_duration', ['totalSeconds', nanoseconds]],
    ['load_duration', ['loadSeconds', nanoseconds]],
    ['prompt_eval_count', ['inputTokens', tokens]],
  ]),
)

/** `/api/embeddings`, the older one, tells no number at all. */
export const oldEmbeddingExtractor = embeddingExtractor('embedding', new Map())

/** `/v1/embeddings` */
export const openaiEmbeddingExtractor = embeddingExtractor(
  'data',
  new Map([['usage.prompt_tokens', ['inputTokens', tokens]]]),
)
