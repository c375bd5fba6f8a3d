import { anthropicExtractor } from '../../../src/ollama/anthropic-usage.ts'
import { embedExtractor, oldEmbeddingExtractor, openaiEmbeddingExtractor } from '../../../src/ollama/embedding-usage.ts'
import type { Extractor } from '../../../src/ollama/extractor.ts'
import { nativeExtractor } from '../../../src/ollama/native-usage.ts'
import { openaiChatExtractor, openaiCompletionExtractor } from '../../../src/ollama/openai-usage.ts'
import type { ResponseHead } from '../../../src/ollama/response-observer.ts'
import { responsesExtractor } from '../../../src/ollama/responses-usage.ts'
import { events, lines, NDJSON, PLAIN, SSE } from './feed.ts'

/** One API, streaming or not, and how its answers are made of pieces of JSON text. */
export interface Api {
  readonly title: string
  readonly head: ResponseHead
  readonly extractor: Extractor
  /** A whole good answer: its counts are `count`, its reason is `reason`, and `extra` stands in the record of the end. */
  readonly answer: (parts?: AnswerParts) => string
  /** The words for a natural end, and for the length limit. */
  readonly reasons: readonly [stop: string, length: string] | undefined
  /** What a good answer with the count 7 says. */
  readonly usage: Readonly<Record<string, number>>
  /** What is left when the record with the numbers is no JSON. */
  readonly without: { readonly finished: boolean; readonly verdict: string }
  /** How many records a good answer has. */
  readonly chunks: number
  readonly hasContent: boolean
  /** A record, or the whole answer, that says no more than an error. */
  readonly error: (value: string) => string
}

interface AnswerParts {
  /** The JSON text of every count. */
  readonly count?: string
  readonly reason?: string
  /** Members that stand first in the record with the numbers. */
  readonly extra?: string
}

const TRUNCATED = { finished: false, verdict: 'truncated truncated' }
const NATIVE_USAGE = { inputTokens: 7, cachedInputTokens: 7, outputTokens: 7 }
const errorLine = (value: string) => lines(`{"error":${value}}`)
const errorEvent = (value: string) => events(`{"error":${value}}`)
const errorBody = (value: string) => `{"error":${value}}`
const member = (extra: string | undefined) => (extra === undefined ? '' : `${extra},`)

function nativeEnd({ count = '7', reason = '"stop"', extra }: AnswerParts, response: string): string {
  const counts = `"prompt_eval_count":${count},"prompt_eval_cached_count":${count},"eval_count":${count}`
  return `{${member(extra)}"response":${response},"done":true,"done_reason":${reason},${counts}}`
}

function openaiUsage(count = '7'): string {
  return `{"prompt_tokens":${count},"completion_tokens":${count},"prompt_tokens_details":{"cached_tokens":${count}}}`
}

function openaiApis(title: string, extractor: Extractor, text: (part: string, content: string) => string): Api[] {
  const shared = { extractor, reasons: ['stop', 'length'], usage: NATIVE_USAGE, hasContent: true } as const
  return [
    {
      ...shared,
      title: `${title}, streaming`,
      head: SSE,
      answer: ({ count, reason = '"stop"', extra } = {}) =>
        events(
          `{"choices":[{${text('delta', '"x"')},"finish_reason":null}]}`,
          `{"choices":[{${text('delta', '""')},"finish_reason":${reason}}]}`,
          `{${member(extra)}"choices":[],"usage":${openaiUsage(count)}}`,
          '[DONE]',
        ),
      without: { finished: true, verdict: 'stop' },
      chunks: 3,
      error: errorEvent,
    },
    {
      ...shared,
      title,
      head: PLAIN,
      answer: ({ count, reason = '"stop"', extra } = {}) =>
        `{${member(extra)}"choices":[{${text('message', '"x"')},"finish_reason":${reason}}],"usage":${openaiUsage(count)}}`,
      without: TRUNCATED,
      chunks: 0,
      error: errorBody,
    },
  ]
}

function responsesEnd({ count = '7', extra }: AnswerParts): string {
  const usage = `{"input_tokens":${count},"output_tokens":${count},"input_tokens_details":{"cached_tokens":${count}}}`
  return `{${member(extra)}"status":"completed","error":null,"usage":${usage}}`
}

function anthropicUsage(count = '7'): string {
  return `{"input_tokens":${count},"output_tokens":${count},"cache_read_input_tokens":${count}}`
}

function embeddingApi(title: string, extractor: Extractor, usage: Api['usage'], answer: Api['answer']): Api {
  const without = TRUNCATED
  return {
    ...{ title, extractor, usage, answer, without, head: PLAIN, reasons: undefined, chunks: 0, hasContent: false },
    error: errorBody,
  }
}

export const APIS: readonly Api[] = [
  {
    title: 'native, streaming',
    head: NDJSON,
    extractor: nativeExtractor,
    answer: (parts = {}) => lines('{"response":"x","done":false}', nativeEnd(parts, '""')),
    reasons: ['stop', 'length'],
    usage: NATIVE_USAGE,
    without: TRUNCATED,
    chunks: 2,
    hasContent: true,
    error: errorLine,
  },
  {
    title: 'native',
    head: PLAIN,
    extractor: nativeExtractor,
    answer: (parts = {}) => nativeEnd(parts, '"x"'),
    reasons: ['stop', 'length'],
    usage: NATIVE_USAGE,
    without: TRUNCATED,
    chunks: 0,
    hasContent: true,
    error: errorBody,
  },
  ...openaiApis('openai chat', openaiChatExtractor, (part, content) => `"${part}":{"content":${content}}`),
  ...openaiApis('openai completion', openaiCompletionExtractor, (_part, content) => `"text":${content}`),
  {
    title: 'responses, streaming',
    head: SSE,
    extractor: responsesExtractor,
    answer: (parts = {}) =>
      events(
        '{"type":"response.output_text.delta","delta":"x"}',
        `{"response":${responsesEnd(parts)},"type":"response.completed"}`,
      ),
    reasons: undefined,
    usage: NATIVE_USAGE,
    without: TRUNCATED,
    chunks: 2,
    hasContent: true,
    error: errorEvent,
  },
  {
    title: 'responses',
    head: PLAIN,
    extractor: responsesExtractor,
    answer: (parts = {}) => responsesEnd(parts),
    reasons: undefined,
    usage: NATIVE_USAGE,
    without: TRUNCATED,
    chunks: 0,
    hasContent: false,
    error: errorBody,
  },
  {
    title: 'anthropic, streaming',
    head: SSE,
    extractor: anthropicExtractor,
    answer: ({ count, reason = '"end_turn"', extra } = {}) =>
      events(
        '{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":0}}}',
        '{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}',
        `{${member(extra)}"type":"message_delta","delta":{"stop_reason":${reason}},"usage":${anthropicUsage(count)}}`,
        '{"type":"message_stop"}',
      ),
    reasons: ['end_turn', 'max_tokens'],
    usage: NATIVE_USAGE,
    without: { finished: true, verdict: 'success' },
    chunks: 4,
    hasContent: true,
    error: errorEvent,
  },
  {
    title: 'anthropic',
    head: PLAIN,
    extractor: anthropicExtractor,
    answer: ({ count, reason = '"end_turn"', extra } = {}) =>
      `{${member(extra)}"type":"message","stop_reason":${reason},"usage":${anthropicUsage(count)}}`,
    reasons: ['end_turn', 'max_tokens'],
    usage: NATIVE_USAGE,
    without: TRUNCATED,
    chunks: 0,
    hasContent: false,
    error: errorBody,
  },
  embeddingApi('embed', embedExtractor, { inputTokens: 7 }, ({ count = '7', extra } = {}) => {
    return `{${member(extra)}"embeddings":[[0.5]],"prompt_eval_count":${count}}`
  }),
  embeddingApi('old embed', oldEmbeddingExtractor, {}, ({ count = '7', extra } = {}) => {
    return `{${member(extra)}"embedding":[0.5],"prompt_eval_count":${count}}`
  }),
  embeddingApi('openai embed', openaiEmbeddingExtractor, { inputTokens: 7 }, ({ count = '7', extra } = {}) => {
    return `{${member(extra)}"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":${count},"total_tokens":${count}}}`
  }),
]
