import { contextLengthOf, contextUsed, decodeRate, knownPrefill, slotWaitSeconds } from './ollama/derived.ts'
import type { Exchange } from './ollama/exchange.ts'
import { processorOf, type LoadedModel } from './ollama/inventory.ts'

/** The fields of a receipt, one JSON line a request. Absent fields are left out. */
export type Receipt = Readonly<Record<string, string | number | boolean | undefined>>

/** One that is kept to be told again. A log line has its time from the logger. */
export interface KeptReceipt {
  readonly receipt: Receipt
  /** When it was written: milliseconds since 1970. */
  readonly writtenMs: number
}

/** The fields of its log line. */
export function receiptWithTime({ receipt, writtenMs }: KeptReceipt): object {
  return { time: new Date(writtenMs).toISOString(), ...receipt }
}

/**
 * What is told of one request: numbers and names, never a prompt, a reply, a header's value or a query.
 * @param loaded what `/api/ps` last said of the model
 */
export function createReceipt(exchange: Exchange, loaded: LoadedModel | undefined): Receipt {
  const { usage, verdict } = exchange
  const { model } = exchange.request
  const { processor, gpuRatio } = processorOf(loaded)
  const prefill = knownPrefill(exchange)
  return {
    request_id: exchange.requestId,
    trace_id: exchange.traceId,
    client: exchange.client,
    method: exchange.method,
    endpoint: exchange.endpoint.label,
    path: exchange.endpoint.label === exchange.path ? undefined : exchange.path.slice(0, 256),
    model: model.kind === 'named' ? model.name : model.kind,
    stream: exchange.stream ?? false,
    status: exchange.status,
    outcome: verdict.outcome,
    error_type: verdict.errorType,
    abort_phase: exchange.abortPhase,
    duration_ms: milliseconds(exchange.durationSeconds),
    ttft_ms: milliseconds(exchange.timeToFirstTokenSeconds),
    queue_wait_ms: milliseconds(slotWaitSeconds(usage)),
    load_ms: milliseconds(usage.loadSeconds),
    prompt_eval_ms: milliseconds(usage.promptEvalSeconds),
    eval_ms: milliseconds(usage.evalSeconds),
    input_tokens: usage.inputTokens,
    cached_input_tokens: usage.cachedInputTokens,
    output_tokens: usage.outputTokens,
    digest: loaded?.digest,
    tokens_per_second: hundredths(decodeRate(usage)),
    prefill_tokens_per_second: prefill && hundredths(prefill.tokens / prefill.seconds),
    chunks: exchange.chunks,
    retries: exchange.retries.connect.length + (exchange.retries.stale === undefined ? 0 : 1) || undefined,
    request_bytes: exchange.requestBytes,
    response_bytes: exchange.responseBytes,
    transferred_bytes: exchange.transferredBytes,
    context_length: contextLengthOf(exchange, loaded?.contextLength),
    context_used: contextUsed(usage),
    processor,
    gpu_ratio: gpuRatio,
  }
}

/** Milliseconds to the microsecond. */
function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 1e6) / 1e3
}

function hundredths(rate: number | undefined): number | undefined {
  return rate === undefined ? undefined : Math.round(rate * 100) / 100
}
