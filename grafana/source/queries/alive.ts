import { ofTarget } from './selectors.ts'

/** Values that no panel's measure has. Mappings turn them into words (panels/states.ts). */
export const DEAD = -1
export const IDLE = -2

/** Who exports a family: a process called that, or `serve`, which is both. */
type Owner = 'proxy' | 'collector'

/**
 * One value for each Ollama. Where its exporter should be there and says nothing, that is DEAD, and not left out; what
 * happened in a window before it died says nothing either.
 */
export function orDead(expr: string, owner: Owner): string {
  const up = ofTarget('up', `component=~"${owner}|serve"`)
  return `max by (instance) ((${expr}) and on (instance) ${up} == 1 or on (instance) (0 * ${up} - 1))`
}

/** IDLE where an expression has no value and a gauge that is always there says that nobody is missing. */
export function orIdle(expr: string, witness: string): string {
  return `${expr} or on (instance) (0 * max by (instance) (${ofTarget(witness)}) - 2)`
}

/** What is above 0, else one series "none": so nothing at all means that nobody counts. */
export function orNone(expr: string, label: string, witness: string): string {
  return `${expr} > 0 or on () label_replace(0 * sum(${ofTarget(witness)}), "${label}", "none", "", "")`
}

/** 0 where a counter has no series yet. */
export function orZero(expr: string, witness: string): string {
  return `${expr} or on (instance) (0 * max by (instance) (${ofTarget(witness)}))`
}
