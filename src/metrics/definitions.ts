import { GAP_BOUNDS } from '../ollama/gaps.ts'
import { counter, gauge, histogram, type MetricDefinition } from './definition.ts'

const REQUEST_SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800]
const OVERHEAD_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]
const WAIT_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 320, 640]
const TOKEN_SECONDS = GAP_BOUNDS
const LOAD_SECONDS = [0.05, 0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600]

const TOKENS = [1, 2, 5].flatMap((step) => [0, 1, 2, 3, 4, 5].map((power) => step * 10 ** power)).sort((a, b) => a - b)
const CONTEXT_RATIO = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1]

const ROUTE = ['method', 'endpoint', 'status'] as const
const MODEL = ['model', 'endpoint'] as const

/** What the proxy exports. The HTTP layer has no model label, the inference layer has: that keeps both small. */
export const PROXY = {
  requests: counter('ollama_requests_total', 'Requests that ended, by what the client got.', ROUTE),
  requestDuration: histogram(
    'ollama_request_duration_seconds',
    'Time from the head of a request to the end of its exchange.',
    ROUTE,
    REQUEST_SECONDS,
  ),
  activeRequests: gauge('ollama_active_requests', 'Requests that have not ended yet.'),
  oldestRequestAge: gauge(
    'ollama_oldest_request_age_seconds',
    'Age of the oldest request that has not ended yet; 0 without one.',
  ),
  stalledRequests: gauge(
    'ollama_stalled_requests',
    'Streams that had their first chunk and then nothing for OLLASCOPE_STALL_AFTER.',
  ),
  upstreamSilence: gauge(
    'ollama_upstream_silence_seconds',
    'Time in which requests waited for Ollama and not a byte, an ending or a change of models came from it; else 0.',
  ),
  errors: counter('ollama_errors_total', 'Requests that did not end well, by kind; at most one a request.', [
    'error_type',
  ]),
  requestBytes: counter('ollama_request_bytes_total', 'Bytes of request bodies, without framing.', ['endpoint']),
  responseBytes: counter('ollama_response_bytes_total', 'Bytes of response bodies, without framing.', ['endpoint']),
  overhead: histogram(
    'ollascope_proxy_overhead_seconds',
    'Time from the head of a request until an upstream connection was ready to take it.',
    [],
    OVERHEAD_SECONDS,
  ),
  inferenceRequests: counter('ollama_inference_requests_total', 'Requests that run a model, by how they ended.', [
    ...MODEL,
    'outcome',
  ]),
  inferenceDuration: histogram(
    'ollama_inference_duration_seconds',
    'Time from the head of a request that runs a model to the end of its good answer.',
    MODEL,
    REQUEST_SECONDS,
  ),
  inferenceAborts: counter(
    'ollama_inference_aborts_total',
    'Requests that run a model and were given up by their client, by what they were doing, as far as it can be known.',
    [...MODEL, 'phase'],
  ),
  timeToFirstToken: histogram(
    'ollama_time_to_first_token_seconds',
    'Time from the head of a streaming request to its first content, thinking or tool call.',
    MODEL,
    WAIT_SECONDS,
  ),
  timePerOutputToken: histogram(
    'ollama_time_per_output_token_seconds',
    'Decode time for each output token as the server measured it, once a request with at least two.',
    MODEL,
    TOKEN_SECONDS,
  ),
  interChunk: histogram(
    'ollama_inter_chunk_seconds',
    'Wall time between two chunks of a stream, from its first token on: what a person sees as stutter.',
    MODEL,
    TOKEN_SECONDS,
  ),
  tokens: counter('ollama_tokens_total', 'Tokens as the server reported them: input, output, cached_input.', [
    ...MODEL,
    'type',
  ]),
  streamChunks: counter(
    'ollama_stream_chunks_total',
    'NDJSON lines and server-sent events of streamed answers, so that a stream without usage counts for something.',
    MODEL,
  ),
  promptTokens: histogram(
    'ollama_prompt_tokens',
    'Input tokens of a request, as the server reported them.',
    MODEL,
    TOKENS,
  ),
  responseTokens: histogram(
    'ollama_response_tokens',
    'Output tokens of a request, as the server reported them.',
    MODEL,
    TOKENS,
  ),
  responsesWithoutUsage: counter(
    'ollama_responses_without_usage_total',
    'Good answers of a model that reported no tokens.',
    MODEL,
  ),
  queueWait: histogram(
    'ollama_queue_wait_seconds',
    'Wait for a free slot of the loaded model, derived: the server’s total less load, prompt eval and eval.',
    MODEL,
    WAIT_SECONDS,
  ),
  contextUtilization: histogram(
    'ollama_context_utilization_ratio',
    'Input and output tokens of a request over the context length with which its model is loaded.',
    MODEL,
    CONTEXT_RATIO,
  ),
  truncationsSuspected: counter(
    'ollama_context_truncations_suspected_total',
    'Requests whose prompt met the context limit and was probably cut, which Ollama does silently.',
    MODEL,
  ),
  prefillTokens: counter(
    'ollama_prefill_tokens_total',
    'Prompt tokens that were surely computed and not cached: by the server’s own word, or since the request loaded the model.',
    MODEL,
  ),
  prefillSeconds: counter(
    'ollama_prefill_seconds_total',
    'Time that the tokens of ollama_prefill_tokens_total took.',
    MODEL,
  ),
  loadDuration: histogram(
    'ollama_load_duration_seconds',
    'The server’s load_duration: scheduling and loading, small but never 0 where the model was loaded already.',
    MODEL,
    LOAD_SECONDS,
  ),
  promptEvalDuration: histogram(
    'ollama_prompt_eval_duration_seconds',
    'The server’s prompt_eval_duration: prefill of the tokens that were not cached.',
    MODEL,
    WAIT_SECONDS,
  ),
  evalDuration: histogram(
    'ollama_eval_duration_seconds',
    'The server’s eval_duration: decoding.',
    MODEL,
    REQUEST_SECONDS,
  ),
  transferDuration: histogram(
    'ollama_model_transfer_duration_seconds',
    'Time of a pull, push or create, by its outcome: its status is 200 also where it failed.',
    ['endpoint', 'outcome'],
    REQUEST_SECONDS,
  ),
  transferBytes: counter(
    'ollama_model_transfer_bytes_total',
    'Bytes by which the progress of pulls and pushes was seen to grow.',
    ['endpoint'],
  ),
  unreadBodies: counter(
    'ollascope_unread_bodies_total',
    'Bodies that were passed on and whose numbers could not be read: an unknown coding, too large or broken, an unknown type.',
    ['direction', 'reason'],
  ),
  clientRequests: counter(
    'ollama_client_requests_total',
    'Requests by the name of the token that they came with, and by how they ended; where tokens are named.',
    ['client', 'outcome'],
  ),
  clientTokens: counter(
    'ollama_client_tokens_total',
    'Tokens as the server reported them, by the name of the token that the request came with.',
    ['client', 'type'],
  ),
  connectRetries: counter('ollascope_connect_retries_total', 'Further tries to connect to Ollama.', ['result']),
  staleRetries: counter(
    'ollascope_stale_connection_retries_total',
    'Requests that were sent again since their kept connection to Ollama was closed already, by what became of it.',
    ['result'],
  ),
  connectionsRefused: counter(
    'ollascope_connections_refused_total',
    'Connections that ended before they could carry a request: no TLS was agreed on, or as many as fit were open.',
    ['reason'],
  ),
  reloadSuccess: gauge(
    'ollascope_last_reload_successful',
    'Whether the files in use are those on disk: 0 where they changed, are broken, and what was read before stays.',
    ['file'],
  ),
  traceSpans: counter(
    'ollascope_trace_spans_total',
    'Spans of traces by what became of them: exported, dropped since the queue was full, failed where no collector took them.',
    ['result'],
  ),
  observerErrors: counter('ollascope_observer_errors_total', 'Exchanges of which numbers were lost to an error.'),
} as const satisfies Record<string, MetricDefinition>

/** What each process exports of itself. */
export const PROCESS = {
  uncaughtErrors: counter('ollascope_uncaught_errors_total', 'Errors that nobody caught; the process ends after one.'),
  labelOverflow: counter(
    'ollascope_label_overflow_total',
    'Requests whose label value was folded into "other": the model had no slot left, or the named family no series.',
    ['label'],
  ),
  logLinesDropped: counter('ollascope_log_lines_dropped_total', 'Log lines dropped since stdout did not take them.'),
  buildInfo: gauge('ollascope_build_info', 'Always 1; what is running.', ['version', 'revision', 'node_version']),
} as const satisfies Record<string, MetricDefinition>
