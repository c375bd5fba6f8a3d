import type { PROCESS, PROXY } from '../../src/metrics/definitions.ts'
import { p95, rate, type Doc } from './doc.ts'

const proxy = 'the proxy'
const server = 'the server’s own number'

export const PROXY_DOCS = {
  requests: { source: proxy, query: `sum by (endpoint, status) (${rate('ollama_requests_total')})` },
  requestDuration: { source: proxy, query: p95('ollama_request_duration_seconds', 'endpoint') },
  activeRequests: { source: proxy, query: 'ollama_active_requests' },
  oldestRequestAge: { source: proxy, query: 'ollama_oldest_request_age_seconds > 600' },
  stalledRequests: { source: proxy, query: 'ollama_stalled_requests > 0' },
  upstreamSilence: { source: 'the proxy, and `/api/ps`', query: 'ollama_upstream_silence_seconds > 600' },
  errors: { source: proxy, query: 'increase(ollama_errors_total{error_type="out_of_memory"}[10m]) > 0' },
  requestBytes: { source: proxy, query: `sum by (endpoint) (${rate('ollama_request_bytes_total')})` },
  responseBytes: { source: proxy, query: `sum by (endpoint) (${rate('ollama_response_bytes_total')})` },
  overhead: { source: proxy, query: p95('ollascope_proxy_overhead_seconds', 'instance') },
  inferenceRequests: {
    source: 'the proxy, from status, text and end of the answer',
    query:
      'sum(rate(ollama_inference_requests_total{outcome=~"rejected|timeout|truncated|error"}[1h])) / ' +
      'sum(rate(ollama_inference_requests_total{outcome!~"caller_error|denied|client_abort"}[1h]))',
  },
  inferenceDuration: { source: proxy, query: p95('ollama_inference_duration_seconds', 'model') },
  inferenceAborts: {
    source: 'the proxy, and `/api/ps` for what is loaded',
    query: `sum by (phase) (${rate('ollama_inference_aborts_total')})`,
  },
  timeToFirstToken: { source: proxy, query: p95('ollama_time_to_first_token_seconds', 'model') },
  timePerOutputToken: { source: server, query: p95('ollama_time_per_output_token_seconds', 'model') },
  interChunk: { source: proxy, query: p95('ollama_inter_chunk_seconds', 'model') },
  tokens: {
    source: server,
    query:
      'sum by (model) (rate(ollama_tokens_total{type="output"}[5m])) / ' +
      'sum by (model) (rate(ollama_eval_duration_seconds_sum[5m]))',
  },
  streamChunks: { source: proxy, query: `sum by (model) (${rate('ollama_stream_chunks_total')})` },
  promptTokens: { source: server, query: p95('ollama_prompt_tokens', 'model') },
  responseTokens: { source: server, query: p95('ollama_response_tokens', 'model') },
  responsesWithoutUsage: {
    source: proxy,
    query: `sum by (endpoint) (${rate('ollama_responses_without_usage_total')})`,
  },
  queueWait: { source: 'derived from the server’s own numbers', query: p95('ollama_queue_wait_seconds', 'model') },
  contextUtilization: {
    source: 'the server’s own number over the context length of `/api/ps`',
    query: p95('ollama_context_utilization_ratio', 'model'),
  },
  truncationsSuspected: {
    source: 'the server’s own number, the context length of `/api/ps` and the size of the request',
    query: 'increase(ollama_context_truncations_suspected_total[15m]) > 0',
  },
  prefillTokens: {
    source: server,
    query: `sum by (model) (${rate('ollama_prefill_tokens_total')}) / sum by (model) (${rate('ollama_prefill_seconds_total')})`,
  },
  prefillSeconds: { source: server, query: `sum by (model) (${rate('ollama_prefill_seconds_total')})` },
  loadDuration: { source: server, query: p95('ollama_load_duration_seconds', 'model') },
  promptEvalDuration: { source: server, query: p95('ollama_prompt_eval_duration_seconds', 'model') },
  evalDuration: { source: server, query: p95('ollama_eval_duration_seconds', 'model') },
  transferDuration: {
    source: 'the proxy, its outcome from the progress lines',
    query: 'sum by (endpoint, outcome) (increase(ollama_model_transfer_duration_seconds_count[1d]))',
  },
  transferBytes: {
    source: 'the progress lines',
    query: 'sum by (endpoint) (rate(ollama_model_transfer_bytes_total[5m]))',
  },
  unreadBodies: { source: proxy, query: 'increase(ollascope_unread_bodies_total[1h]) > 0' },
  clientRequests: { source: proxy, query: `sum by (client, outcome) (${rate('ollama_client_requests_total')})` },
  clientTokens: { source: server, query: 'sum by (client) (increase(ollama_client_tokens_total{type="output"}[1d]))' },
  connectRetries: {
    source: proxy,
    query: 'increase(ollascope_connect_retries_total{result="failure"}[10m]) > 0',
  },
  staleRetries: { source: proxy, query: 'increase(ollascope_stale_connection_retries_total[1h])' },
  connectionsRefused: { source: proxy, query: 'increase(ollascope_connections_refused_total[10m]) > 0' },
  reloadSuccess: { source: 'the files', query: 'ollascope_last_reload_successful == 0' },
  traceSpans: {
    source: 'the exporter of traces',
    query: 'increase(ollascope_trace_spans_total{result!="exported"}[10m]) > 0',
  },
  observerErrors: { source: proxy, query: 'increase(ollascope_observer_errors_total[1h]) > 0' },
} as const satisfies Record<keyof typeof PROXY, Doc>

export const PROCESS_DOCS = {
  uncaughtErrors: { source: 'the process', query: 'increase(ollascope_uncaught_errors_total[1h]) > 0' },
  labelOverflow: { source: proxy, query: 'increase(ollascope_label_overflow_total[1h]) > 0' },
  logLinesDropped: { source: 'the log', query: 'increase(ollascope_log_lines_dropped_total[1h]) > 0' },
  buildInfo: { source: 'the package', query: 'count by (version) (ollascope_build_info)' },
} as const satisfies Record<keyof typeof PROCESS, Doc>
