import { slotWaitSeconds } from '../ollama/derived.ts'
import { runsModel } from '../ollama/endpoints.ts'
import type { Exchange } from '../ollama/exchange.ts'
import { FAULTS } from '../ollama/outcome.ts'
import type { Receipt } from '../receipt.ts'

type Value = string | number | boolean | string[]

/** What a trace tells of one exchange. Times are milliseconds since 1970. */
export interface SpanDraft {
  readonly name: string
  readonly startMs: number
  readonly endMs: number
  /** The server failed; a client's mistake is none. */
  readonly failed: boolean
  readonly attributes: Readonly<Record<string, Value>>
  /** What the server spent the time on, in its order. */
  readonly phases: readonly Phase[]
}

interface Phase {
  readonly name: 'load' | 'queue' | 'prefill' | 'decode'
  readonly startMs: number
  readonly endMs: number
}

/** Fields of a receipt that OpenTelemetry has names for. Any other is `ollascope.<field>`. */
const CONVENTIONS: Readonly<Record<string, string>> = {
  endpoint: 'http.route',
  status: 'http.response.status_code',
  request_bytes: 'http.request.body.size',
  response_bytes: 'http.response.body.size',
  input_tokens: 'gen_ai.usage.input_tokens',
  cached_input_tokens: 'gen_ai.usage.cache_read.input_tokens',
  output_tokens: 'gen_ai.usage.output_tokens',
}
/** Said in another way: by the span itself, or below. */
const LEFT_OUT = new Set(['trace_id', 'duration_ms', 'method', 'path', 'model', 'stream', 'ttft_ms'])

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'QUERY'])

/** https://github.com/open-telemetry/semantic-conventions-genai; what it has no word for has one of ours. */
const OPERATIONS: Readonly<Record<string, string>> = {
  '/api/generate': 'text_completion',
  '/v1/completions': 'text_completion',
  '/api/embed': 'embeddings',
  '/api/embeddings': 'embeddings',
  '/v1/embeddings': 'embeddings',
  '/v1/audio/transcriptions': 'transcription',
}

/**
 * An exchange as a span of its server's side. It tells what the receipt tells, and nothing else.
 * The name is of a closed set, unlike the names of models, which clients choose.
 */
export function spanOf(exchange: Exchange, receipt: Receipt, scheme: 'http' | 'https', endMs: number): SpanDraft {
  const { endpoint, verdict, durationSeconds } = exchange
  const method = METHODS.has(exchange.method) ? exchange.method : '_OTHER'
  const startMs = endMs - durationSeconds * 1000
  const failed = FAULTS.includes(verdict.outcome)
  const known = endpoint.label !== 'unknown'
  const attributes: Record<string, Value | undefined> = {
    'http.request.method': method,
    'url.scheme': scheme,
    'url.path': exchange.path.slice(0, 256) || undefined,
    'error.type': failed ? verdict.errorType : undefined,
    ...told(receipt),
    ...(!known && { 'http.route': undefined }),
    ...(runsModel(endpoint, exchange.method) ? generation(exchange) : { 'ollascope.model': modelOf(exchange) }),
  }
  return {
    // HTTP is what it is called where the method or the route is not known.
    name: `${method === '_OTHER' ? 'HTTP' : method}${known ? ` ${endpoint.label}` : ''}`,
    startMs,
    endMs,
    failed,
    attributes: defined(attributes),
    phases: phasesOf(exchange, startMs),
  }
}

function told(receipt: Receipt): Record<string, Value | undefined> {
  const fields = Object.entries(receipt).filter(([field]) => !LEFT_OUT.has(field))
  return Object.fromEntries(fields.map(([field, value]) => [CONVENTIONS[field] ?? `ollascope.${field}`, value]))
}

function generation(exchange: Exchange): Record<string, Value | undefined> {
  const { endpoint, stream, timeToFirstTokenSeconds, verdict } = exchange
  const finished = ['stop', 'length', 'tool_calls'].includes(verdict.outcome)
  return {
    'gen_ai.operation.name': OPERATIONS[endpoint.label] ?? 'chat',
    'gen_ai.provider.name': 'ollama',
    'gen_ai.request.model': modelOf(exchange),
    'gen_ai.request.stream': stream,
    'gen_ai.response.time_to_first_chunk': timeToFirstTokenSeconds,
    'gen_ai.response.finish_reasons': finished ? [verdict.outcome] : undefined,
  }
}

function modelOf({ request: { model } }: Exchange): string | undefined {
  return model.kind === 'named' ? model.name : undefined
}

/**
 * The server tells how long each took, and its total, which ends with the exchange: they lie in it one behind the other.
 * None where it told nothing.
 */
function phasesOf({ usage, durationSeconds }: Exchange, startMs: number): Phase[] {
  const { loadSeconds, promptEvalSeconds, evalSeconds, totalSeconds } = usage
  const parts = [
    ['load', loadSeconds],
    ['queue', slotWaitSeconds(usage)],
    ['prefill', promptEvalSeconds],
    ['decode', evalSeconds],
  ] as const
  const sum = parts.reduce((all, [, seconds = 0]) => all + seconds, 0)
  // Two clocks: a part may not begin before its whole, or end behind it.
  const within = (seconds: number) => startMs + Math.min(Math.max(0, seconds), durationSeconds) * 1000
  let at = durationSeconds - (totalSeconds ?? sum)
  return parts.flatMap(([name, seconds = 0]) => {
    const begin = within(at)
    at += seconds
    return within(at) > begin ? [{ name, startMs: begin, endMs: within(at) }] : []
  })
}

function defined(attributes: Readonly<Record<string, Value | undefined>>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(attributes).filter((entry): entry is [string, Value] => entry[1] !== undefined),
  )
}
