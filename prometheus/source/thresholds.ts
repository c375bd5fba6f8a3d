/** Share of requests that have to end well. */
export const SLO_TARGET = 0.99

/** How fast the error budget may burn: the share of bad requests in a long window, and still in a short one. */
export const SLO_WINDOWS = [
  { long: '1h', short: '5m', ratio: 0.144, for: '2m', severity: 'critical' },
  { long: '6h', short: '30m', ratio: 0.06, for: '15m', severity: 'critical' },
  { long: '1d', short: '2h', ratio: 0.03, for: '1h', severity: 'warning' },
  { long: '3d', short: '6h', ratio: 0.01, for: '3h', severity: 'warning' },
] as const
/** Fewer requests in the long window say nothing. */
export const SLO_MIN_REQUESTS = 20

/** Share of requests that may run into a limit of time. */
export const TIMEOUT_RATIO = 0.02

/** A model with less than this on the GPU is partly on the CPU. */
export const GPU_SHARE_PARTIAL = 0.99
/** Share of time in which a GPU works at least, while tokens are generated. */
export const GPU_IDLE_RATIO = 0.05
/** Tokens a second from which on a model generates. */
export const GENERATING_TOKENS_PER_SECOND = 0.5
export const GPU_HOT_CELSIUS = 85
export const GPU_MEMORY_FULL_RATIO = 0.97

export const CONTAINER_MEMORY_HIGH_RATIO = 0.9
export const CONTAINER_CPU_HIGH_RATIO = 0.9

/** Times that a quantile is compared with have to be bounds of the histogram's buckets. */
export const TTFT_HIGH_SECONDS = 10
export const TTFT_MIN_SAMPLES = 10
export const REQUEST_LATENCY_HIGH_SECONDS = 120
export const QUEUE_WAIT_HIGH_SECONDS = 20
export const LATENCY_TARGET_MIN_SAMPLES = 20

/** Of its own median, below which the decoding of a model has collapsed. */
export const TOKEN_RATE_COLLAPSE_RATIO = 0.5
export const TOKEN_RATE_MIN_TOKENS = 500

export const UPSTREAM_SILENCE_SECONDS = 600
export const RUNNER_CRASHES = 2
export const MODEL_LOADS = 6
export const COLLECTOR_STALE_SECONDS = 120
