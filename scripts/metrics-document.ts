import { DEFINITIONS, type MetricDefinition } from '../src/metrics/definitions.ts'
import { ERROR_TYPES, OUTCOMES } from '../src/ollama/outcome.ts'
import { INFERENCE_PHASES } from '../src/ollama/phase.ts'

interface Doc {
  /** Where the number comes from. */
  readonly source: string
  /** A query that is worth asking. */
  readonly query: string
}

const rate = (name: string) => `rate(${name}[5m])`
const p95 = (name: string, by: string) => `histogram_quantile(0.95, sum by (le, ${by}) (${rate(`${name}_bucket`)}))`
const proxy = 'the proxy'
const ps = '`/api/ps`; absent while it fails'
const tags = '`/api/tags`; absent while it fails'
const server = 'the server’s own number'

const DOCS = {
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
  loadedModels: { source: ps, query: 'ollama_loaded_models' },
  loadedModelSize: { source: ps, query: 'sum by (instance) (ollama_loaded_model_size_bytes)' },
  loadedModelVram: { source: ps, query: 'ollama_loaded_model_vram_bytes == 0' },
  loadedModelGpuRatio: { source: ps, query: 'ollama_loaded_model_gpu_ratio < 0.99' },
  loadedModelExpires: { source: ps, query: 'ollama_loaded_model_expires_timestamp_seconds - time()' },
  loadedModelContext: { source: ps, query: 'ollama_loaded_model_context_tokens' },
  loadedModelInfo: {
    source: ps,
    query: 'ollama_loaded_model_gpu_ratio * on (instance, model) group_left (digest) ollama_loaded_model_info',
  },
  modelsInstalled: { source: tags, query: 'ollama_models_installed' },
  installedModelInfo: { source: tags, query: 'count by (model, digest) (ollama_installed_model_info)' },
  latencyTarget: {
    source: 'the configuration file (docs/config.md)',
    query:
      'histogram_quantile(0.95, sum by (instance, model, le) (rate(ollama_time_to_first_token_seconds_bucket[30m]))) > ' +
      'on (instance, model) group_left ollama_latency_target_seconds{metric="ttft", quantile="0.95"}',
  },
  clientRequests: { source: proxy, query: `sum by (client, outcome) (${rate('ollama_client_requests_total')})` },
  clientTokens: { source: server, query: 'sum by (client) (increase(ollama_client_tokens_total{type="output"}[1d]))' },
  connectRetries: {
    source: proxy,
    query: 'increase(ollascope_connect_retries_total{result="failure"}[10m]) > 0',
  },
  staleRetries: { source: proxy, query: 'increase(ollascope_stale_connection_retries_total[1h])' },
  connectionsRefused: { source: proxy, query: 'increase(ollascope_connections_refused_total[10m]) > 0' },
  reloadSuccess: { source: 'the files', query: 'ollascope_last_reload_successful == 0' },
  uncaughtErrors: { source: 'the process', query: 'increase(ollascope_uncaught_errors_total[1h]) > 0' },
  labelOverflow: { source: proxy, query: 'increase(ollascope_label_overflow_total[1h]) > 0' },
  observerErrors: { source: proxy, query: 'increase(ollascope_observer_errors_total[1h]) > 0' },
  logLinesDropped: { source: 'the log', query: 'increase(ollascope_log_lines_dropped_total[1h]) > 0' },
  buildInfo: { source: 'the package', query: 'count by (version) (ollascope_build_info)' },
} as const satisfies Record<keyof typeof DEFINITIONS, Doc>

const HEAD = `# Metrics

What Ollascope exports, made from \`src/metrics/definitions.ts\` by \`node scripts/metrics-docs.ts\`. Names, types and labels
are a contract. Durations are in seconds, on a monotonic clock; an exchange is counted once, when it is over. Beside
these there are prom-client's \`process_*\` and \`nodejs_*\`.
`

const LABELS = `## Labels

- \`model\`: the full name (\`llama3\` is \`llama3:latest\`) of a model that Ollama lists, or that it answered with success, the latter
  up to \`OLLASCOPE_METRICS_MODEL_LIMIT\`; else \`other\`. \`none\` where the request names none, \`invalid\` where it is no name.
- \`endpoint\`: the route, with its variable parts replaced (\`/api/blobs/:digest\`); \`unknown\` for any other path.
- \`method\`: a known one, or \`other\`. \`status\`: what the client got, 499 where it left before the headers.
- \`outcome\`: ${OUTCOMES.map((name) => `\`${name}\``).join(', ')}.
- \`phase\`: ${INFERENCE_PHASES.map((name) => `\`${name}\``).join(', ')}. What is loaded is known from \`/api/ps\`; \`queued\` is
  behind another request of the same model; \`unknown\` an answer that comes as a whole, where nobody can say.
- \`error_type\`: ${ERROR_TYPES.map((name) => `\`${name}\``).join(', ')}.

## Coming from an older exporter

| there | here |
|---|---|
| \`status="success"\` | \`ollama_inference_requests_total{outcome=~"stop\\|length\\|load\\|unload\\|tool_calls\\|success"}\`; \`status\` is the HTTP status |
| \`status="error"\` | \`ollama_errors_total\`, or \`outcome=~"rejected\\|timeout\\|truncated\\|error"\` |
| \`error_type="TimeoutError"\` | \`error_type=~"connect_timeout\\|upstream_timeout\\|idle_timeout\\|upload_timeout"\` |
| \`error_type="ConnectionError"\` | \`error_type=~"connect\\|dns\\|upstream_reset"\` |
| \`endpoint="/chat"\` | \`endpoint="/api/chat"\`, \`"/api/generate"\` and \`"/v1/chat/completions"\` |
`

/** The whole of docs/METRICS.md. */
export function metricsDocument(): string {
  const families = Object.entries(DEFINITIONS).map(([key, definition]) =>
    family(definition, DOCS[key as keyof typeof DOCS]),
  )
  return [HEAD, LABELS, ...families].join('\n')
}

function family(definition: MetricDefinition, doc: Doc): string {
  const labels = definition.labels.length === 0 ? 'none' : definition.labels.map((label) => `\`${label}\``).join(', ')
  const buckets = definition.buckets === undefined ? '' : `; buckets ${definition.buckets.join(' ')}`
  return `## ${definition.name}

${definition.help}

- ${definition.type}; unit: ${unitOf(definition.name)}${buckets}
- labels: ${labels}
- source: ${doc.source}

\`\`\`promql
${doc.query}
\`\`\`
`
}

const UNITS: readonly (readonly [suffix: RegExp, unit: string])[] = [
  [/_seconds$/, 'seconds'],
  [/_bytes_total$/, 'bytes'],
  [/_ratio$/, 'a ratio from 0 to 1'],
  [/_tokens(_total)?$/, 'tokens'],
  [/_info$/, 'nothing: always 1'],
]

function unitOf(name: string): string {
  return UNITS.find(([suffix]) => suffix.test(name))?.[1] ?? 'none'
}
