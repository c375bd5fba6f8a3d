import { modelTargets, readConfigFile } from './config/file.ts'
import type { FileConfig } from './config/file.ts'
import { collide, isLoopback, isSecretName, MASK, printable, shown } from './config/parsers.ts'
import type { Address, Parsed, Upstream } from './config/parsers.ts'
import {
  allSettings,
  fileVariable,
  given,
  namesOf,
  pendingSettings,
  settings,
  settingsTable,
} from './config/settings.ts'
import type { Env, Given, Setting } from './config/settings.ts'
import { suggest } from './config/suggest.ts'
import type { ModelTarget } from './config/targets.ts'
import { notYet, unreadable } from './config/wording.ts'

export { settingsTable }
export type { Env }

/** Returns a file's text, or throws as `fs.readFileSync` does. */
export type ReadFile = (path: string) => string

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
  readonly collectIntervalMs: number
  /** How many model names get series of their own. */
  readonly modelLimit: number
  /** Without a chunk for so long, a stream counts as stalled. */
  readonly stallAfterMs: number
  readonly ollamaModel: string | undefined
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

export interface SettingInUse {
  readonly variable: string
  /** As given, or the default; '' where there is none, `********` for a secret. */
  readonly value: string
  readonly source: 'default' | 'environment' | 'file'
}

/**
 * The environment as one Config. An empty variable counts as not set; `readFile` is asked for a secret's `X_FILE` and for OLLASCOPE_CONFIG.
 * Throws a ConfigError with every mistake there is, also for a setting that is unknown or not supported yet.
 */
export function loadConfig(env: Env, readFile: ReadFile): Config {
  const { read, sound, problems } = createReader(env, readFile)
  const upstream = read(settings.upstream)
  const listen = read(settings.listen)
  const adminListen = read(settings.adminListen)
  const adminToken = read(settings.adminToken)
  const adminInsecure = read(settings.adminInsecure)
  const hostHeader = read(settings.upstreamHostHeader)
  const configPath = read(settings.config)
  const file = configPath === undefined ? { value: NO_FILE } : readConfigFile(configPath, readFile)
  const { models, tiers } = 'value' in file ? file.value : NO_FILE
  const config: Config = {
    upstream,
    listen,
    adminListen,
    adminToken,
    log: { level: read(settings.logLevel), format: read(settings.logFormat) },
    upstreamHostHeader: hostHeader === 'auto' ? (isLoopback(listen.host) ? 'client' : 'upstream') : hostHeader,
    drainTimeoutMs: read(settings.drainTimeout),
    collectIntervalMs: read(settings.collectInterval),
    modelLimit: read(settings.modelLimit),
    stallAfterMs: read(settings.stallAfter),
    ollamaModel: read(settings.ollamaModel),
    targets: modelTargets(models),
    configured: { models: models.size, tiers: tiers.length },
  }

  // What takes several settings is judged only where each of them is sound: one mistake, one line.
  const refuse = (row: Setting<unknown>, why: string): void => {
    const [inUse = { variable: row.variable, text: row.default }] = given(env, row)
    problems.push(line(inUse, why))
  }
  if ('problems' in file) for (const why of file.problems) refuse(settings.config, why)
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

  problems.push(...twiceProblems(env), ...pendingProblems(env), ...unknownProblems(env))
  if (problems.length > 0) throw new ConfigError(problems)
  return deepFreeze(config)
}

/** What `loadConfig(env)` made `config` of, setting by setting, secrets masked. */
export function describeConfig(config: Config, env: Env): readonly SettingInUse[] {
  return allSettings.flatMap((row): SettingInUse[] => {
    const { variable } = row
    const [inUse] = given(env, row)
    if (inUse === undefined && !('parse' in row)) return []
    if (inUse?.variable === fileVariable(variable)) return [{ variable, value: MASK, source: 'file' }]
    const text = inUse?.text ?? row.default
    const value = text === '' ? '' : shown(variable, text)
    const auto = variable === settings.upstreamHostHeader.variable && text === 'auto'
    const source = inUse === undefined ? 'default' : 'environment'
    return [{ variable, value: auto ? `auto (${config.upstreamHostHeader})` : value, source }]
  })
}

/** `describeConfig`'s rows as aligned columns, a line each, without a newline at the end. */
export function formatConfig(rows: readonly SettingInUse[]): string {
  const cells = rows.map((row) => ({ ...row, value: row.value === '' ? 'none' : row.value }))
  const names = Math.max(0, ...cells.map(({ variable }) => variable.length))
  const values = Math.max(0, ...cells.map(({ value }) => value.length))
  return cells
    .map(({ variable, value, source }) => `${variable.padEnd(names)}  ${value.padEnd(values)}  ${source}`)
    .join('\n')
}

function createReader(env: Env, readFile: ReadFile) {
  const problems: string[] = []
  const failed = new Set<string>()

  /** The setting's value, or its default where there is a problem: whatever it is, it is noted. */
  const read = <T>(setting: Setting<T>): T => {
    const fallback = setting.parse(setting.default)
    if ('problem' in fallback) throw new Error(`${setting.variable}: its own default is ${fallback.problem}`)
    const [inUse] = given(env, setting)
    if (inUse === undefined) return fallback.value
    const isFile = inUse.variable === fileVariable(setting.variable)
    const content = isFile ? readSecret(inUse.text, readFile) : { value: inUse.text }
    const parsed = 'value' in content ? setting.parse(content.value) : content
    if ('value' in parsed) return parsed.value
    failed.add(setting.variable)
    problems.push(line(inUse, isFile && 'value' in content ? `its content is ${parsed.problem}` : parsed.problem))
    return fallback.value
  }
  const sound = (...rows: readonly Setting<unknown>[]): boolean => rows.every((row) => !failed.has(row.variable))
  return { read, sound, problems }
}

const NO_FILE: FileConfig = { models: new Map(), tiers: [] }

const FROM_KUBERNETES = /^OLLASCOPE_(SERVICE_|PORT$|PORT_)/

function line({ variable, text }: Given, why: string): string {
  return `${printable(variable)}=${shown(variable, text)}: ${why}`
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value) as unknown[]) {
    if (typeof part === 'object' && part !== null) deepFreeze(part)
  }
  return Object.freeze(value)
}

/** A secret file's text without its last newlines. */
function readSecret(path: string, readFile: ReadFile): Parsed<string> {
  try {
    const value = readFile(path).replace(/[\r\n]+$/, '')
    return value === '' ? { problem: 'the file is empty' } : { value }
  } catch (error) {
    return { problem: unreadable(error) }
  }
}

/** One setting by two names: an older one may repeat the newer, a file may not stand beside the secret itself. */
function twiceProblems(env: Env): string[] {
  return allSettings.flatMap((row) => {
    const [first, ...others] = given(env, row)
    return others
      .filter(({ variable, text }) => variable === fileVariable(row.variable) || text !== first?.text)
      .map((other) => line(other, `${first?.variable ?? ''} is set too; set only one of them`))
  })
}

function pendingProblems(env: Env): string[] {
  return pendingSettings.flatMap((row) =>
    given(env, row)
      .filter(({ text }) => !(row.defaultHolds && text === row.default))
      .map((one) => line(one, notYet(one.variable === row.variable ? '' : ` (an older name of ${row.variable})`))),
  )
}

/** Settings that nobody knows, in the order of the alphabet: that of the environment means nothing. */
function unknownProblems(env: Env): string[] {
  const known = new Set(allSettings.flatMap(namesOf))
  const unknown = Object.keys(env).filter((variable) => !known.has(variable) && env[variable])
  return unknown.sort().flatMap((variable) => {
    const one = { variable, text: env[variable] ?? '' }
    if (variable.startsWith('OTEL_EXPORTER_OTLP_')) return [line(one, notYet())]
    if (!variable.startsWith('OLLASCOPE_') || FROM_KUBERNETES.test(variable)) return []
    const near = suggest(variable, [...known])
    const why = near === undefined ? 'see ollascope --help for what there is' : `did you mean ${near}?`
    // A misspelt secret is still one, and a name that is not known says nothing of whether its value is a path.
    const secret = isSecretName(variable) || isSecretName(near ?? '')
    return [line(secret ? { variable, text: MASK } : one, `unknown setting; ${why}`)]
  })
}
