import { over, type Query } from './query.ts'
import { BAD, COUNTED, decodeRate, ofTarget, quantile, rate, share } from './selectors.ts'

type Compared = (metric: string, ...more: readonly string[]) => string

/** The same of two models. */
function sideBySide(expr: (of: Compared) => string): readonly Query[] {
  return ['a', 'b'].map((which) =>
    over(
      expr((metric, ...more) => ofTarget(metric, `model="$model_${which}"`, ...more)),
      `${which.toUpperCase()} $model_${which}`,
    ),
  )
}

export const COMPARED = {
  requests: sideBySide((of) => `sum(${rate(of('ollama_inference_requests_total'))})`),
  firstToken: sideBySide((of) => quantile(0.95, '', of('ollama_time_to_first_token_seconds_bucket'))),
  duration: sideBySide((of) => quantile(0.95, '', of('ollama_inference_duration_seconds_bucket'))),
  decode: sideBySide((of) =>
    decodeRate('', of('ollama_tokens_total', 'type="output"'), of('ollama_eval_duration_seconds_sum')),
  ),
  errors: sideBySide((of) =>
    share('', rate(of('ollama_inference_requests_total', BAD)), rate(of('ollama_inference_requests_total', COUNTED))),
  ),
  gpuShare: sideBySide((of) => `min(${of('ollama_loaded_model_gpu_ratio')})`),
} as const
