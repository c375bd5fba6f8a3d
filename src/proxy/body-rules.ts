import { runsModel, type Endpoint } from '../ollama/endpoints.ts'
import { JsonScanner } from '../ollama/json-scanner.ts'
import type { JsonValue } from '../ollama/json-value.ts'
import { compilePaths } from '../ollama/paths.ts'
import { isCoded } from '../ollama/response-observer.ts'
import { bodyTooLarge, contextTooLong, streamsUnasked, unreadableBody, type ProxyError } from './errors.ts'
import { SideCopy } from './side-copy.ts'

/** What a request may ask for. To know it, its body is held until it is whole. */
export interface BodyRules {
  /** The largest `options.num_ctx`, in tokens; `undefined` where any is. */
  readonly contextLength: number | undefined
  /** Whether an answer may stream. */
  readonly streaming: boolean
}

/** A longer body cannot be judged, and is refused. */
export const MAX_HELD_BYTES = 8 * 1024 * 1024

const PATHS = compilePaths(['stream', 'options.num_ctx'])
/** Codings that no plain JSON can be mistaken for: they begin with bytes that no text has. */
const CODINGS = new Set(['gzip', 'zstd'])

/** Whether these rules have something to say about such a request. */
export function concern(rules: BodyRules, endpoint: Endpoint, method: string): boolean {
  const hasRules = rules.contextLength !== undefined || !rules.streaming
  return hasRules && endpoint.names === 'json' && runsModel(endpoint, method)
}

/**
 * Why such a body is refused; `undefined` where it is not. What cannot be read is: the upstream might read it otherwise.
 * Of a key that stands there twice each value has to pass, since readers differ in which one counts.
 * @param whole false where the body is longer than MAX_HELD_BYTES
 */
export function judgeBody(
  rules: BodyRules,
  endpoint: Endpoint,
  coding: string | undefined,
  held: readonly Buffer[],
  whole: boolean,
): ProxyError | undefined {
  if (!whole) return bodyTooLarge(MAX_HELD_BYTES)
  if (held.length === 0) return undefined // the upstream refuses it
  const plain = isCoded(coding) ? decode(coding, held) : held
  if (plain === undefined) return unreadableBody()
  const streams: JsonValue[] = []
  const contexts: JsonValue[] = []
  const scanner = new JsonScanner(PATHS, (path, value) => (path === 'stream' ? streams : contexts).push(value), true)
  for (const bytes of plain) scanner.push(bytes)
  if (!scanner.complete) return unreadableBody()
  const { contextLength } = rules
  if (contextLength !== undefined && contexts.some((value) => exceeds(value, contextLength)))
    return contextTooLong(contextLength)
  return rules.streaming || !wouldStream(endpoint, streams) ? undefined : streamsUnasked()
}

/** Anything but a number within the limit: what else a reader makes of a text or a list nobody knows. */
function exceeds(value: JsonValue, limit: number): boolean {
  if (value === null) return false // as if it were left out
  return typeof value !== 'number' || !(value <= limit)
}

function wouldStream(endpoint: Endpoint, values: readonly JsonValue[]): boolean {
  if (endpoint.streamsByDefault === undefined) return false
  if (values.includes(true)) return true
  return endpoint.streamsByDefault && values.at(-1) !== false
}

function decode(coding: string | undefined, held: readonly Buffer[]): Buffer[] | undefined {
  const copy = CODINGS.has(coding?.trim().toLowerCase() ?? '') ? SideCopy.for(coding) : undefined
  for (const bytes of held) copy?.push(bytes)
  const plain = copy?.decode()
  return plain === undefined ? undefined : [plain]
}
