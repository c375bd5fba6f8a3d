/** One combination that is measured by itself. */
export interface Cell {
  readonly model: string
  readonly promptTokens: number
  readonly outputTokens: number
  readonly concurrency: number
}

export interface Matrix {
  readonly models: readonly string[]
  readonly promptTokens: readonly number[]
  readonly outputTokens: readonly number[]
  readonly concurrency: readonly number[]
}

/** Every combination; a model's stand together, so that it is loaded once. */
export function cellsOf({ models, promptTokens, outputTokens, concurrency }: Matrix): Cell[] {
  return models.flatMap((model) =>
    promptTokens.flatMap((prompt) =>
      outputTokens.flatMap((output) =>
        concurrency.map((many) => ({ model, promptTokens: prompt, outputTokens: output, concurrency: many })),
      ),
    ),
  )
}

const WORDS = 'the river runs past an old mill where three people count boats and write down what they see'.split(' ')
/** English words are a little more than a token each. */
const WORDS_A_TOKEN = 0.8

/** A prompt of about so many tokens. Each differs from its first word on, so that none is answered from a cache. */
export function promptOf(promptTokens: number, number: number): string {
  const words = Array.from({ length: Math.max(1, Math.round(promptTokens * WORDS_A_TOKEN)) }, (_unused, index) =>
    index === 0 ? `${number}.` : (WORDS[(index + number) % WORDS.length] ?? ''),
  )
  return words.join(' ')
}
