import type { Usage } from './facts.ts'

/**
 * Seconds that a generation waited for a free slot of its loaded model: no field has them, so they are what the total
 * leaves. `undefined` where the server told too little (an embedding's total holds its work, which has no field either),
 * or where the parts are more than the whole.
 */
export function slotWaitSeconds(usage: Usage): number | undefined {
  const { totalSeconds, loadSeconds, promptEvalSeconds, evalSeconds } = usage
  if (totalSeconds === undefined || promptEvalSeconds === undefined) return undefined
  // A part that is absent was 0.
  const wait = totalSeconds - (loadSeconds ?? 0) - promptEvalSeconds - (evalSeconds ?? 0)
  return wait >= 0 ? wait : undefined
}

/** Tokens of the context that a request used, prompt and answer; `undefined` where the server told neither. */
export function contextUsed({ inputTokens, outputTokens }: Usage): number | undefined {
  if (inputTokens === undefined && outputTokens === undefined) return undefined
  return (inputTokens ?? 0) + (outputTokens ?? 0)
}

/** Decoded tokens a second on the server's clock, which starts with the first one: a single token is no rate. */
export function decodeRate({ outputTokens, evalSeconds }: Usage): number | undefined {
  if (outputTokens === undefined || outputTokens < 2 || evalSeconds === undefined || evalSeconds === 0) return undefined
  return outputTokens / evalSeconds
}
