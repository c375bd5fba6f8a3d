import { generate, type Asked } from './generate.ts'
import { makePrompt } from './prompt.ts'
import type { Attempt } from './summary.ts'

export interface Load extends Omit<Asked, 'prompt'> {
  readonly requests: number
  readonly concurrency: number
  readonly promptTokens: number
}

/** Sends all requests, so many at a time. Ends early where the signal aborts. */
export async function runBench(load: Load): Promise<{ attempts: readonly Attempt[]; wallSeconds: number }> {
  const startedMs = performance.now()
  const attempts: Attempt[] = []
  let next = 0
  const work = async () => {
    while (next < load.requests && !load.signal.aborted) {
      next += 1
      const prompt = makePrompt(next, load.promptTokens)
      attempts.push(
        await generate({ ...load, prompt }).then(
          (generation) => ({ generation }),
          (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
        ),
      )
    }
  }
  await Promise.all(Array.from({ length: Math.min(load.concurrency, load.requests) }, work))
  return { attempts, wallSeconds: (performance.now() - startedMs) / 1000 }
}
