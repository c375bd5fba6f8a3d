import type { Endpoint } from './endpoints.ts'
import type { RequestFacts } from './request.ts'

/** What a request that runs a model is doing, as far as it can be known from outside. */
export const INFERENCE_PHASES = ['queued', 'loading', 'prefill', 'decoding', 'unknown'] as const
export type InferencePhase = (typeof INFERENCE_PHASES)[number]

/** Where an exchange stands: one that runs no model is only `waiting` for its answer, or `streaming` it. */
export type Phase = InferencePhase | 'waiting' | 'streaming'

export interface Standing {
  /** The whole request is with the upstream. */
  readonly asked: boolean
  /** Something of the answer came; Ollama sends nothing before the first token. */
  readonly answered: boolean
  /** Its first token shows at once: a stream without tools, or an answer that is no text. */
  readonly showsFirstToken: boolean
  /** What `/api/ps` says of its model; a model that is still loading is not listed. */
  readonly loaded: boolean | undefined
  /** Another request of the same model came before it and is not over. */
  readonly behindAnother: boolean
}

/**
 * `queued` is behind another request of its model, which with several parallel slots can be a prefill already.
 * `unknown` is an answer that comes as a whole, or whose model nobody knows to be loaded.
 */
export function inferencePhase(standing: Standing): InferencePhase {
  if (standing.answered) return 'decoding'
  if (!standing.asked) return 'unknown'
  if (standing.loaded === false) return 'loading'
  if (standing.behindAnother) return 'queued'
  return standing.loaded === true && standing.showsFirstToken ? 'prefill' : 'unknown'
}

/** Where any exchange stands. */
export function phaseOf(runsModel: boolean, standing: Standing): Phase {
  if (runsModel) return inferencePhase(standing)
  return standing.answered ? 'streaming' : 'waiting'
}

/** Whether nothing holds the first token back: what does not stream comes as a whole, a tool call too. */
export function showsFirstToken({ streamsByDefault }: Endpoint, { stream, hasTools }: RequestFacts): boolean {
  return streamsByDefault === undefined || ((stream ?? streamsByDefault) && !hasTools)
}
