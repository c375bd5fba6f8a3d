import { AnswerError, askLines, reasonOf, type Target } from '../ollama/ask.ts'
import { promptOf, type Cell } from './plan.ts'
import type { Measured } from './statistics.ts'

/** Statuses of those who gave up on Ollama: a proxy at its limits. */
const TIMED_OUT = new Set([408, 504])

/** Sends the requests of a cell, so many at once as it says; each ends by itself or at the timeout. */
export async function runCell(
  target: Target,
  cell: Cell,
  options: { readonly requests: number; readonly timeoutMs: number; readonly onDone: () => void },
): Promise<Measured[]> {
  const measured: Measured[] = []
  let next = 0
  const worker = async () => {
    while (next < options.requests) {
      const number = next++
      measured.push(await measure(target, cell, number, options.timeoutMs))
      options.onDone()
    }
  }
  await Promise.all(Array.from({ length: Math.min(cell.concurrency, options.requests) }, worker))
  return measured
}

async function measure(target: Target, cell: Cell, number: number, timeoutMs: number): Promise<Measured> {
  const signal = AbortSignal.timeout(timeoutMs)
  const began = performance.now()
  const elapsed = () => (performance.now() - began) / 1000
  const body = {
    model: cell.model,
    prompt: promptOf(cell.promptTokens, number),
    stream: true,
    options: { num_predict: cell.outputTokens, temperature: 0 },
  }
  let firstToken: number | undefined
  try {
    for await (const { response, thinking, done, eval_count, eval_duration } of askLines(
      target,
      '/api/generate',
      body,
      signal,
    )) {
      if (isText(response) || isText(thinking)) firstToken ??= elapsed()
      if (done !== true) continue
      const tokens = typeof eval_count === 'number' ? eval_count : undefined
      const inSeconds = typeof eval_duration === 'number' && eval_duration > 0 ? eval_duration / 1e9 : undefined
      const tokensPerSecond = tokens === undefined || inSeconds === undefined ? undefined : tokens / inSeconds
      return { outcome: 'ok', seconds: elapsed(), firstToken, tokens, tokensPerSecond }
    }
    return { outcome: 'error', seconds: elapsed(), firstToken, error: 'the answer has no end' }
  } catch (error) {
    const isTimeout = signal.aborted || (error instanceof AnswerError && TIMED_OUT.has(error.status))
    const why = isTimeout && signal.aborted ? 'no end within the timeout' : reasonOf(error)
    return { outcome: isTimeout ? 'timeout' : 'error', seconds: elapsed(), firstToken, error: why }
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
