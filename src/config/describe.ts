import type { Access } from './access.ts'
import type { Collect } from './collect.ts'
import { MASK, printable, shown } from './parsers.ts'
import { fileVariable, given, settings } from './settings.ts'
import type { Env, Setting } from './settings.ts'

export interface SettingInUse {
  readonly variable: string
  /** As given, or the default; '' where there is none, `********` for a secret. */
  readonly value: string
  readonly source: 'default' | 'environment' | 'file'
}

/** The part of a Config that does not follow from one variable alone. */
interface Resolved {
  readonly upstreamHostHeader: string
  readonly access: Pick<Access, 'allowedHosts' | 'allowedOrigins'>
  readonly clientLabel: boolean
  readonly collect: Pick<Collect, 'dockerHost'>
}

/** What `loadConfig(env)` made `config` of, setting by setting, secrets masked. */
export function describeConfig(config: Resolved, env: Env): readonly SettingInUse[] {
  const resolved: Readonly<Record<string, string>> = {
    [settings.upstreamHostHeader.variable]: config.upstreamHostHeader,
    [settings.allowedHosts.variable]: String(config.access.allowedHosts),
    [settings.allowedOrigins.variable]: String(config.access.allowedOrigins),
    [settings.clientLabel.variable]: String(config.clientLabel),
  }
  const { dockerHost } = config.collect
  return Object.values<Setting<unknown>>(settings).map((row): SettingInUse => {
    const { variable } = row
    const isDockers = row === settings.dockerHost && dockerHost !== ''
    const [inUse = isDockers ? { variable: 'DOCKER_HOST', text: dockerHost } : undefined] = given(env, row)
    if (inUse?.variable === fileVariable(variable)) return { variable, value: MASK, source: 'file' }
    const text = inUse?.text ?? row.default
    const aside =
      inUse !== undefined && inUse.variable !== variable ? inUse.variable : text === 'auto' && resolved[variable]
    // The file was read: what stands here is its path, not a secret in the wrong place.
    const value = variable.endsWith('_FILE') ? printable(text) : text === '' ? '' : shown(variable, text)
    const source = inUse === undefined ? 'default' : 'environment'
    return { variable, value: aside ? `${value} (${aside})` : value, source }
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
