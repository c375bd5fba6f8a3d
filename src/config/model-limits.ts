import { duration } from './parsers.ts'
import type { Problem } from './problem.ts'
import { fieldOf } from './targets.ts'

/** How many connect retries there can be. */
export const MAX_CONNECT_RETRIES = 10

/** What holds for a model instead of the settings; what is undefined is left to them. */
export interface ModelLimits {
  readonly firstByteMs?: number | undefined
  readonly idleMs?: number | undefined
  readonly connectRetries?: number | undefined
  readonly retryDelayMs?: number | undefined
}

const parseTimeout = duration('1ms')
const parseDelay = duration()

/** The limits of a model in the config file; what has another shape is left to the schema. */
export function readModelLimits(model: unknown, path: readonly string[]) {
  const problems: Problem[] = []
  const time = (key: string, parse: typeof parseTimeout): number | undefined => {
    const text = fieldOf(model, key)
    if (typeof text !== 'string') return undefined
    const parsed = parse(text)
    if ('value' in parsed) return parsed.value
    problems.push({ path: [...path, key], value: text, why: parsed.problem })
    return undefined
  }
  const retries = fieldOf(model, 'connectRetries')
  const limits: ModelLimits = {
    firstByteMs: time('firstByteTimeout', parseTimeout),
    idleMs: time('idleTimeout', parseTimeout),
    connectRetries: typeof retries === 'number' ? retries : undefined,
    retryDelayMs: time('retryDelay', parseDelay),
  }
  return { limits, problems }
}
