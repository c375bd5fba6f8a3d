import type { Context } from './context.ts'

export type Outcome = 'ok' | 'warn' | 'fail' | 'skip'

/** What a check found: what is so and why, and what to type where something is to be done. */
export type Result =
  | { readonly status: 'ok' | 'skip'; readonly detail: string; readonly fix?: undefined }
  | { readonly status: 'warn' | 'fail'; readonly detail: string; readonly fix: string }

export interface Check {
  /** What `--only` calls it. */
  readonly id: string
  readonly title: string
  /** It waits for an answer of a model. */
  readonly slow?: true
  /** What it throws is a failure too. */
  readonly run: (context: Context) => Promise<Result>
}

export const ok = (detail: string): Result => ({ status: 'ok', detail })
/** What cannot be seen from here, or is not there. */
export const skip = (detail: string): Result => ({ status: 'skip', detail })
/** It works, and somebody should know. */
export const warn = (detail: string, fix: string): Result => ({ status: 'warn', detail, fix })
export const fail = (detail: string, fix: string): Result => ({ status: 'fail', detail, fix })

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
