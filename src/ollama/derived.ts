import type { Exchange } from './exchange.ts'
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

/** A load takes longer than this, and the scheduling of a loaded model shorter: 0.001 to 0.21 s recorded, loads from 0.66 s. */
const LOAD_SECONDS = 0.5

/** Whether the server's own number says that a model was loaded for this request. */
export function tellsLoad({ loadSeconds = 0 }: Usage): boolean {
  return loadSeconds >= LOAD_SECONDS
}

/**
 * Prompt tokens that were computed for certain, and the seconds that took. Ollama's count holds cached tokens, its
 * duration does not: only where the server tells how many were cached, or where this request loaded the model and
 * nothing could be cached, do the two belong together.
 */
export function knownPrefill({ usage, coldStart }: Exchange): { tokens: number; seconds: number } | undefined {
  const { inputTokens, cachedInputTokens, promptEvalSeconds: seconds } = usage
  if (inputTokens === undefined || seconds === undefined || seconds === 0) return undefined
  if (cachedInputTokens !== undefined) {
    return cachedInputTokens < inputTokens ? { tokens: inputTokens - cachedInputTokens, seconds } : undefined
  }
  return coldStart && tellsLoad(usage) ? { tokens: inputTokens, seconds } : undefined
}

/**
 * The context length, in tokens, with which a request ran; `undefined` where that is not sure.
 * @param listed what `/api/ps` last said of its model, which a request that loads the model again may have overtaken
 */
export function contextLengthOf({ request, usage }: Exchange, listed: number | undefined): number | undefined {
  const { numCtx } = request
  const loaded = usage.loadSeconds === undefined || tellsLoad(usage)
  if (numCtx === undefined) return listed
  if (listed === undefined) return numCtx // or what the model can, where that is less: then nothing is full too early
  if (!loaded) return listed
  // It asked for less than is listed: it got it. For more: it got that, or what the model can.
  return numCtx <= listed ? numCtx : undefined
}

/** JSON of real prompts has up to 5 bytes a token, 12 where every character is escaped. */
const MANY_BYTES = 16

/**
 * The prompt met the context limit and was cut, which Ollama tells nobody. The old one then counts a full context; the
 * new one keeps a half or more of it, so there it shows only by a request with far more bytes than tokens.
 * @param contextLength tokens with which the model ran
 */
export function suspectsTruncation({ usage, request, requestBytes }: Exchange, contextLength: number): boolean {
  const { inputTokens = 0, outputTokens } = usage
  if (outputTokens === undefined) return false // an embedding: the tokens of many inputs, each with a context of its own
  if (inputTokens >= contextLength) return true
  return !request.hasImages && inputTokens >= contextLength / 2 && requestBytes > MANY_BYTES * inputTokens
}
