import type { Parser } from './parsers.ts'

/** A row of the table of settings. */
export interface Setting<T> {
  readonly variable: string
  /** As it would be written; '' where there is none. */
  readonly default: string
  readonly meaning: string
  readonly parse: Parser<T>
  /** Older names that mean the same, each with the way its values were written. */
  readonly aliases: Readonly<Record<string, Parser<T>>>
  /** Never shown; `X_FILE` names a file to read it from. */
  readonly secret: boolean
}

export function setting<T>(variable: string, fallback: string, parser: Parser<T>, meaning: string): Setting<T> {
  return { variable, default: fallback, meaning, parse: parser, aliases: {}, secret: false }
}

/** The same setting, by an older name too. */
export function also<T>(row: Setting<T>, alias: string, parser = row.parse): Setting<T> {
  return { ...row, aliases: { [alias]: parser } }
}
