import { anthropicExtractor } from './anthropic-usage.ts'
import { embedExtractor, oldEmbeddingExtractor, openaiEmbeddingExtractor } from './embedding-usage.ts'
import type { Extractor } from './extractor.ts'
import { nativeExtractor } from './native-usage.ts'
import { openaiChatExtractor, openaiCompletionExtractor } from './openai-usage.ts'
import { progressExtractor } from './progress.ts'
import { responsesExtractor } from './responses-usage.ts'

/** The shape in which an API tells its errors. */
export type ErrorShape = 'native' | 'openai' | 'anthropic'

/** What an operator lets through, from all to the least. */
export type Policy = 'full' | 'read-only' | 'inference-only'

export interface Endpoint {
  /** The templated path, used as a label: one of a closed set. */
  readonly label: string
  readonly errorShape: ErrorShape
  /** The narrowest policy that still serves it. */
  readonly policy: Policy
  /** The same for HEAD; `undefined` where no policy but `full` passes one on. */
  readonly headPolicy: Policy | undefined
  /** How the request's body, or its path, names the model and the flags; `undefined` where it names none. */
  readonly names: 'json' | 'form' | 'path' | undefined
  /** It runs a model, so it is counted among the inference metrics. */
  readonly inference: boolean
  /** It moves or makes a model, and tells how far it is. */
  readonly transfersModel: boolean
  /** What Ollama does where the request leaves `stream` out; `undefined` where it never streams. */
  readonly streamsByDefault: boolean | undefined
  /** The one method that runs it: any other is answered 405, and its answer is not read for numbers. */
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly extractor: Extractor | undefined
}

type Details = Partial<Omit<Endpoint, 'label' | 'errorShape' | 'method' | 'policy'>>

function endpoint(policy: Policy, method: Endpoint['method'], label: string, details: Details = {}): Endpoint {
  const errorShape = label === '/v1/messages' ? 'anthropic' : label.startsWith('/v1/') ? 'openai' : 'native'
  return {
    label,
    method,
    errorShape,
    policy,
    headPolicy: method === 'GET' ? policy : undefined,
    names: undefined,
    inference: false,
    transfersModel: false,
    streamsByDefault: undefined,
    extractor: undefined,
    ...details,
  }
}

const NATIVE: Details = { names: 'json', inference: true, streamsByDefault: true, extractor: nativeExtractor }
const PROGRESS: Details = { names: 'json', transfersModel: true, streamsByDefault: true, extractor: progressExtractor }
const OPENAI: Details = { names: 'json', inference: true, streamsByDefault: false }
const EMBEDDING: Details = { names: 'json', inference: true }
const BODY: Details = { names: 'json' }

/** Every route of Ollama's. A new one is a line here. */
const EXACT: readonly Endpoint[] = [
  endpoint('inference-only', 'GET', '/'),
  endpoint('inference-only', 'GET', '/api/version'),
  endpoint('inference-only', 'GET', '/api/tags'),
  endpoint('inference-only', 'GET', '/api/ps'),
  endpoint('read-only', 'GET', '/api/status'),
  endpoint('inference-only', 'POST', '/api/generate', NATIVE),
  endpoint('inference-only', 'POST', '/api/chat', NATIVE),
  endpoint('inference-only', 'POST', '/api/embed', { ...EMBEDDING, extractor: embedExtractor }),
  endpoint('inference-only', 'POST', '/api/embeddings', { ...EMBEDDING, extractor: oldEmbeddingExtractor }),
  endpoint('full', 'POST', '/api/pull', PROGRESS),
  endpoint('full', 'POST', '/api/push', PROGRESS),
  endpoint('full', 'POST', '/api/create', PROGRESS),
  endpoint('inference-only', 'POST', '/api/show', BODY),
  endpoint('full', 'POST', '/api/copy', BODY),
  endpoint('full', 'DELETE', '/api/delete', BODY),
  endpoint('read-only', 'POST', '/api/me'),
  endpoint('full', 'POST', '/api/signout'),
  endpoint('read-only', 'POST', '/api/experimental/web_search'),
  endpoint('read-only', 'POST', '/api/experimental/web_fetch'),
  endpoint('read-only', 'GET', '/api/experimental/model-recommendations'),
  endpoint('inference-only', 'POST', '/v1/chat/completions', { ...OPENAI, extractor: openaiChatExtractor }),
  endpoint('inference-only', 'POST', '/v1/completions', { ...OPENAI, extractor: openaiCompletionExtractor }),
  endpoint('inference-only', 'POST', '/v1/responses', { ...OPENAI, extractor: responsesExtractor }),
  endpoint('inference-only', 'POST', '/v1/messages', { ...OPENAI, extractor: anthropicExtractor }),
  endpoint('inference-only', 'POST', '/v1/embeddings', { ...EMBEDDING, extractor: openaiEmbeddingExtractor }),
  endpoint('inference-only', 'GET', '/v1/models'),
  endpoint('inference-only', 'POST', '/v1/audio/transcriptions', { names: 'form', inference: true }),
]

/** Routes with one variable last segment. */
const TEMPLATED: readonly (readonly [prefix: string, Endpoint])[] = [
  ['/api/blobs/', endpoint('full', 'POST', '/api/blobs/:digest', { headPolicy: 'read-only' })],
  ['/api/user/keys/', endpoint('full', 'DELETE', '/api/user/keys/:key')],
  ['/v1/models/', endpoint('inference-only', 'GET', '/v1/models/:model', { names: 'path' })],
]

const BY_PATH = new Map(EXACT.map((entry) => [entry.label, entry]))
const UNKNOWN = endpoint('full', 'GET', 'unknown')
const UNKNOWN_V1: Endpoint = { ...UNKNOWN, errorShape: 'openai' }

/** All labels that `endpoint` can have. */
export const ENDPOINT_LABELS: readonly string[] = [
  ...EXACT.map((entry) => entry.label),
  ...TEMPLATED.map(([, entry]) => entry.label),
  UNKNOWN.label,
]

/**
 * The endpoint that a request line means. Only for counting: what goes to the upstream is the target as it came.
 * @param target as in the request line: a path with a query, or in absolute form.
 */
export function matchEndpoint(target: string): Endpoint {
  const path = pathOf(target)
  const exact = BY_PATH.get(path)
  if (exact !== undefined) return exact
  for (const [prefix, entry] of TEMPLATED) {
    if (path.startsWith(prefix) && path.length > prefix.length && !path.includes('/', prefix.length)) return entry
  }
  return path.startsWith('/v1/') ? UNKNOWN_V1 : UNKNOWN
}

/** Ollama takes any scheme for its own. */
const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i

/** The path of a request target, without authority and query, as it is spelled. */
export function rawPathOf(target: string): string {
  const origin = target.charCodeAt(0) === 0x2f ? target : target.replace(ABSOLUTE, '') || '/'
  const query = origin.indexOf('?')
  return query === -1 ? origin : origin.slice(0, query)
}

/** The decoded path of a request target, without query; as it stands where it cannot be decoded. */
export function pathOf(target: string): string {
  const path = rawPathOf(target)
  if (!path.includes('%')) return path
  try {
    return decodeURIComponent(path)
  } catch {
    return path // a stray percent sign: Ollama refuses it, and its answer tells
  }
}

/** Whether a request with this method runs a model there; any other method is answered 405. */
export function runsModel(endpoint: Endpoint, method: string): boolean {
  return endpoint.inference && method === endpoint.method
}
