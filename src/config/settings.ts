import { COLLECTOR_NAMES } from './collector-names.ts'
import { parseCollectors, parseContainers, parseHosts, parseNetworks, parseOrigins } from './lists.ts'
import { otelSettings } from './otel-settings.ts'
import * as parse from './parsers.ts'
import type { Parser } from './parsers.ts'
import { also, setting, type Setting } from './setting.ts'

export type { Setting }

export type Env = Readonly<Record<string, string | undefined>>

/** A variable that is set, to something. */
export interface Given {
  readonly variable: string
  readonly text: string
}

/** A row as `--help` prints it. */
type SettingsRow = Pick<Setting<unknown>, 'variable' | 'default' | 'meaning'>

const levels = parse.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent')
const hostHeaders = parse.oneOf('auto', 'client', 'upstream')
const policies = parse.oneOf('full', 'read-only', 'inference-only')
const path = parse.optional(parse.parseText)
const time = parse.duration('1ms')
const limit = parse.optional(parse.integer(1, 1_000_000_000))

/** In the order of `--help`. */
export const settings = {
  upstream: setting('OLLASCOPE_UPSTREAM', 'http://127.0.0.1:11434', parse.parseUpstream, 'where Ollama is'),
  listen: setting('OLLASCOPE_LISTEN', '127.0.0.1:11435', parse.parseListen, 'where the proxy listens'),
  adminListen: setting(
    'OLLASCOPE_ADMIN_LISTEN',
    '127.0.0.1:9435',
    parse.parseListen,
    'where metrics, health, status and the live page are',
  ),
  adminToken: {
    ...setting('OLLASCOPE_ADMIN_TOKEN', '', parse.optional(parse.parseToken), 'bearer token of the admin listener'),
    secret: true,
  },
  adminInsecure: setting(
    'OLLASCOPE_ADMIN_INSECURE',
    'false',
    parse.parseBoolean,
    'true: the admin listener may do without a token where it is not on loopback',
  ),
  logLevel: setting('OLLASCOPE_LOG_LEVEL', 'info', levels, 'trace, debug, info, warn, error, fatal or silent'),
  logFormat: setting(
    'OLLASCOPE_LOG_FORMAT',
    'auto',
    parse.oneOf('auto', 'json', 'pretty'),
    'json, pretty, or auto: pretty on a terminal, else json',
  ),
  upstreamHostHeader: setting(
    'OLLASCOPE_UPSTREAM_HOST_HEADER',
    'auto',
    hostHeaders,
    "client: Host as it came; upstream: Ollama's own; auto: client where the proxy is on loopback, else upstream",
  ),
  firstByteTimeout: setting('OLLASCOPE_FIRST_BYTE_TIMEOUT', '30m', time, "until the upstream's response headers"),
  idleTimeout: setting('OLLASCOPE_IDLE_TIMEOUT', '10m', time, 'between two reads or writes'),
  requestTimeout: also(
    setting('OLLASCOPE_REQUEST_TIMEOUT', '', parse.optional(time), 'total time of a request'),
    'API_TIMEOUT',
    parse.seconds(1),
  ),
  connectTimeout: setting('OLLASCOPE_CONNECT_TIMEOUT', '5s', time, 'until the upstream accepts a connection'),
  connectRetries: also(
    setting('OLLASCOPE_CONNECT_RETRIES', '0', parse.integer(0, 10), 'where no byte reached the upstream'),
    'MAX_RETRIES',
  ),
  retryDelay: also(
    setting('OLLASCOPE_RETRY_DELAY', '1s', parse.duration(), 'before the first retry; doubles, with jitter'),
    'RETRY_DELAY',
    parse.seconds(0),
  ),
  requestsPerMinute: also(
    setting('OLLASCOPE_MAX_REQUESTS_PER_MINUTE', '', limit, 'per client; else 429'),
    'MAX_REQUESTS_PER_MINUTE',
  ),
  inFlight: setting('OLLASCOPE_MAX_IN_FLIGHT', '', limit, 'requests at once; else 503'),
  contextLength: also(
    setting('OLLASCOPE_MAX_CONTEXT_LENGTH', '', limit, 'largest options.num_ctx; else 400'),
    'MAX_CONTEXT_LENGTH',
  ),
  streaming: also(
    setting('OLLASCOPE_STREAMING', 'true', parse.parseBoolean, 'false: inference that would stream gets 400'),
    'ENABLE_STREAMING',
    parse.parseOlderBoolean,
  ),
  policy: setting('OLLASCOPE_POLICY', 'full', policies, 'full, read-only or inference-only'),
  tokensFile: setting('OLLASCOPE_TOKENS_FILE', '', path, "clients' tokens, one name:sha256hex a line"),
  trustedProxies: setting(
    'OLLASCOPE_TRUSTED_PROXIES',
    '',
    parseNetworks,
    'addresses and CIDRs whose X-Forwarded-For is believed',
  ),
  tlsCertFile: setting('OLLASCOPE_TLS_CERT_FILE', '', path, "the proxy's certificate, PEM"),
  tlsKeyFile: setting('OLLASCOPE_TLS_KEY_FILE', '', path, "the certificate's key, PEM"),
  tlsClientCaFile: setting('OLLASCOPE_TLS_CLIENT_CA_FILE', '', path, 'CA of the clients, PEM; makes TLS mutual'),
  allowedHosts: setting(
    'OLLASCOPE_ALLOWED_HOSTS',
    'auto',
    parseHosts,
    "Host names that are served, else 421; auto: Ollama's own rule where the proxy is on loopback, else any",
  ),
  allowedOrigins: setting(
    'OLLASCOPE_ALLOWED_ORIGINS',
    'auto',
    parseOrigins,
    'origins that are served, else 403; auto: likewise',
  ),
  drainTimeout: setting('OLLASCOPE_DRAIN_TIMEOUT', '30s', parse.duration(), 'for streams to finish after SIGTERM'),
  collectors: setting(
    'OLLASCOPE_COLLECTORS',
    'auto',
    parseCollectors,
    `list of ${COLLECTOR_NAMES.join(', ')}; none; auto: all that can run`,
  ),
  collectInterval: setting('OLLASCOPE_COLLECT_INTERVAL', '10s', parse.duration('1s'), 'between two collections'),
  nvidiaSmi: setting('OLLASCOPE_NVIDIA_SMI', 'nvidia-smi', parse.parseText, 'path of the program'),
  dockerHost: setting(
    'OLLASCOPE_DOCKER_HOST',
    '',
    parse.optional(parse.parseDockerHost),
    'unix:///path or tcp://host:port; without it DOCKER_HOST, else the usual sockets',
  ),
  containers: setting(
    'OLLASCOPE_CONTAINERS',
    '',
    parseContainers,
    "names of the containers to watch; without it Ollama's are found by label, name or image",
  ),
  gpuExpected: setting(
    'OLLASCOPE_GPU_EXPECTED',
    'auto',
    parse.oneOf('auto', 'true', 'false'),
    'what CPU fallback is measured against; auto: where a GPU was ever seen',
  ),
  readyRequiresGpu: setting(
    'OLLASCOPE_READY_REQUIRES_GPU',
    'false',
    parse.parseBoolean,
    'true: /readyz is 503 on CPU fallback; false: 200 and degraded',
  ),
  procRoot: setting('OLLASCOPE_PROC_ROOT', '/proc', parse.parsePath, "where the host's is mounted"),
  sysRoot: setting('OLLASCOPE_SYS_ROOT', '/sys', parse.parsePath, "where the host's is mounted"),
  stateDir: setting(
    'OLLASCOPE_STATE_DIR',
    '',
    parse.optional(parse.parsePath),
    'folder that remembers between two starts that a GPU was seen, and which OOM kills are counted',
  ),
  gpuProcesses: setting(
    'OLLASCOPE_GPU_PROCESSES',
    'false',
    parse.parseBoolean,
    "true: GPU memory of Ollama's processes",
  ),
  logGpu: setting('OLLASCOPE_LOG_GPU', 'false', parse.parseBoolean, 'true: one JSON line a GPU snapshot'),
  modelLimit: setting(
    'OLLASCOPE_METRICS_MODEL_LIMIT',
    '100',
    parse.integer(1, 10_000),
    'how many model names get series of their own',
  ),
  stallAfter: setting(
    'OLLASCOPE_STALL_AFTER',
    '60s',
    parse.duration('1ms'),
    'without a chunk, a stream counts as stalled',
  ),
  clientLabel: setting(
    'OLLASCOPE_METRICS_CLIENT_LABEL',
    'auto',
    parse.oneOf('auto', 'true', 'false'),
    "a label of the client's token name; auto: where there are tokens",
  ),
  config: setting('OLLASCOPE_CONFIG', '', path, 'YAML file of tokens, models and tiers; see docs/config.md'),
  ollamaModel: setting(
    'OLLAMA_MODEL',
    '',
    parse.optional(parse.parseText),
    'the model that scripts, doctor, bench and /health mean by default',
  ),
  ...otelSettings,
} as const

/** Every row, for whoever asks what was set. */
export const allSettings: readonly Setting<unknown>[] = Object.values<Setting<unknown>>(settings)

/** Where a secret can be read from instead. */
export const fileVariable = (variable: string): string => `${variable}_FILE`

/** How the values of that variable are written, one of the setting's. */
export function parserOf<T>(row: Setting<T>, variable: string): Parser<T> {
  return row.aliases[variable] ?? row.parse
}

/** Every variable that says something about a row, the one that counts first. */
export function namesOf(row: Setting<unknown>): readonly string[] {
  return [row.variable, ...Object.keys(row.aliases), ...(row.secret ? [fileVariable(row.variable)] : [])]
}

/** What the environment says about a row: nothing, once, or too often. */
export function given(env: Env, row: Setting<unknown>): readonly Given[] {
  return namesOf(row).flatMap((variable) => {
    const text = env[variable] ?? ''
    return text === '' ? [] : [{ variable, text }]
  })
}

/** Every setting, for `--help`: `default` is '' where there is none. */
export const settingsTable: readonly SettingsRow[] = allSettings.flatMap((row) => {
  const { variable, default: text, meaning, secret } = row
  const shared = { variable, default: text, meaning }
  if (!secret) return [shared]
  return [shared, { ...shared, variable: fileVariable(variable), meaning: `file to read ${variable} from` }]
})
