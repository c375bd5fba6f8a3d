import { readAccess, type Access } from './config/access.ts'
import { readCollect, type Collect } from './config/collect.ts'
import { environmentProblems } from './config/environment-problems.ts'
import { modelLimits, modelTargets, readConfigFile } from './config/file.ts'
import type { FileConfig } from './config/file.ts'
import type { ModelLimits } from './config/model-limits.ts'
import { collide, isLoopback } from './config/parsers.ts'
import type { Address, Upstream } from './config/parsers.ts'
import { createReader, type ReadFile } from './config/reader.ts'
import { settings, settingsTable } from './config/settings.ts'
import type { Env } from './config/settings.ts'
import type { ModelTarget } from './config/targets.ts'
import { readTlsSettings, type Tls } from './config/tls.ts'
import { readTraces, type Traces } from './config/traces.ts'

export { describeConfig, formatConfig } from './config/describe.ts'
export { settingsTable }
export type { Env, ReadFile }

/** Everything the process runs with; frozen, all the way down. */
export interface Config {
  readonly upstream: Upstream
  readonly listen: Address
  readonly adminListen: Address
  /** The bearer token of the admin listener; undefined where it needs none. */
  readonly adminToken: string | undefined
  readonly log: {
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
    /** `auto`: pretty on a terminal, else json. */
    readonly format: 'auto' | 'json' | 'pretty'
  }
  /** Whose Host the upstream sees: `auto` is resolved already. */
  readonly upstreamHostHeader: 'client' | 'upstream'
  readonly drainTimeoutMs: number
  readonly collect: Collect
  readonly gpuExpected: 'auto' | 'true' | 'false'
  /** Whether a fallback to the CPU makes it unready. */
  readonly readyRequiresGpu: boolean
  readonly stateDir: string | undefined
  /** Full names of the models that are meant to run on the CPU. */
  readonly cpuModels: readonly string[]
  /** How many model names get series of their own. */
  readonly modelLimit: number
  /** Without a chunk for so long, a stream counts as stalled. */
  readonly stallAfterMs: number
  readonly ollamaModel: string | undefined
  readonly timeouts: {
    readonly connectMs: number
    /** Until the upstream's response headers. */
    readonly firstByteMs: number
    /** Between two reads or writes. */
    readonly idleMs: number
    /** Of the whole exchange; undefined where it may take any time. */
    readonly requestMs: number | undefined
  }
  /** Where no byte reached the upstream. The delay is that before the first. */
  readonly retries: { readonly connect: number; readonly delayMs: number }
  /** What the config file wants for a model instead of these, by full name; those with something of their own. */
  readonly models: ReadonlyMap<string, ModelLimits>
  /** Undefined is without limit. */
  readonly limits: {
    readonly inFlight: number | undefined
    readonly contextLength: number | undefined
    /** Whether inference may stream. */
    readonly streaming: boolean
  }
  readonly access: Access
  /** Whether metrics have a label of the client's name. */
  readonly clientLabel: boolean
  readonly tls: Tls | undefined
  /** Where traces go; undefined where there are none. */
  readonly traces: Traces | undefined
  /** What OLLASCOPE_CONFIG wants of latencies, ordered by model, metric and quantile; none without a file. */
  readonly targets: readonly ModelTarget[]
  /** How much OLLASCOPE_CONFIG says. */
  readonly configured: { readonly models: number; readonly tiers: number }
}

/** One line for each mistake, `VARIABLE=value: what is wrong; what is right`; no line holds a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = Object.freeze([...problems])
  }
}

/**
 * The environment as one Config. An empty variable counts as not set; `readFile` is asked for a secret's `X_FILE`, OLLASCOPE_CONFIG,
 * OLLASCOPE_TOKENS_FILE and the files of TLS.
 * Throws a ConfigError with every mistake there is, also for a setting that is unknown or without effect.
 */
export function loadConfig(env: Env, readFile: ReadFile): Config {
  const reader = createReader(env, readFile)
  const { read, sound, refuse } = reader
  const upstream = read(settings.upstream)
  const listen = read(settings.listen)
  const adminListen = read(settings.adminListen)
  const adminToken = read(settings.adminToken)
  const adminInsecure = read(settings.adminInsecure)
  const hostHeader = read(settings.upstreamHostHeader)
  const configPath = read(settings.config)
  const file = configPath === undefined ? { value: NO_FILE } : readConfigFile(configPath, readFile)
  if ('problems' in file) for (const why of file.problems) refuse(settings.config, why)
  const { models, tiers, tokens } = 'value' in file ? file.value : NO_FILE
  const access = readAccess(reader, readFile, { host: listen.host, fileTokens: tokens })
  const clientLabel = read(settings.clientLabel)
  const config: Config = {
    upstream,
    listen,
    adminListen,
    adminToken,
    log: { level: read(settings.logLevel), format: read(settings.logFormat) },
    upstreamHostHeader: hostHeader === 'auto' ? (isLoopback(listen.host) ? 'client' : 'upstream') : hostHeader,
    drainTimeoutMs: read(settings.drainTimeout),
    collect: readCollect(reader, env),
    gpuExpected: read(settings.gpuExpected),
    readyRequiresGpu: read(settings.readyRequiresGpu),
    stateDir: read(settings.stateDir),
    cpuModels: [...models].filter(([, model]) => model.processor === 'cpu').map(([name]) => name),
    modelLimit: read(settings.modelLimit),
    stallAfterMs: read(settings.stallAfter),
    ollamaModel: read(settings.ollamaModel),
    targets: modelTargets(models),
    timeouts: {
      connectMs: read(settings.connectTimeout),
      firstByteMs: read(settings.firstByteTimeout),
      idleMs: read(settings.idleTimeout),
      requestMs: read(settings.requestTimeout),
    },
    retries: { connect: read(settings.connectRetries), delayMs: read(settings.retryDelay) },
    models: modelLimits(models),
    limits: {
      inFlight: read(settings.inFlight),
      contextLength: read(settings.contextLength),
      streaming: read(settings.streaming),
    },
    access,
    clientLabel: clientLabel === 'auto' ? access.tokens !== undefined : clientLabel === 'true',
    tls: readTlsSettings(reader, readFile),
    traces: readTraces(reader),
    configured: { models: models.size, tiers: tiers.length },
  }

  // What takes several settings is judged only where each of them is sound: one mistake, one line.
  if (sound(settings.upstream, settings.listen) && isLoopback(upstream.host) && collide(listen, upstream)) {
    refuse(settings.upstream, 'the proxy itself listens there, so a request would go round for ever')
  }
  if (sound(settings.listen, settings.adminListen) && collide(listen, adminListen)) {
    refuse(settings.adminListen, 'the proxy listens there (OLLASCOPE_LISTEN); write another port')
  }
  const exposed = !isLoopback(adminListen.host) && adminToken === undefined && !adminInsecure
  if (exposed && sound(settings.adminListen, settings.adminToken, settings.adminInsecure)) {
    refuse(
      settings.adminListen,
      'not on loopback, so whoever reaches it could read everything; set OLLASCOPE_ADMIN_TOKEN or ' +
        'OLLASCOPE_ADMIN_TOKEN_FILE, or OLLASCOPE_ADMIN_INSECURE=true if that is meant',
    )
  }
  if (clientLabel === 'true' && 'value' in file && access.tokensFile === undefined && access.tokens === undefined) {
    refuse(
      settings.clientLabel,
      'no client has a name without tokens; set OLLASCOPE_TOKENS_FILE, or tokens in OLLASCOPE_CONFIG',
    )
  }

  const problems = [...reader.problems, ...environmentProblems(env)]
  if (problems.length > 0) throw new ConfigError(problems)
  return deepFreeze(config)
}

const NO_FILE: FileConfig = { models: new Map(), tiers: [], tokens: [] }

function deepFreeze<T extends object>(value: T): T {
  const parts: unknown[] = value instanceof Map ? [...value.values()] : Object.values(value)
  for (const part of parts) {
    if (typeof part === 'object' && part !== null) deepFreeze(part)
  }
  return Object.freeze(value)
}
