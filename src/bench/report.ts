import type { Processor } from '../ollama/inventory.ts'
import { roundRate, type Verdict } from './speed.ts'
import type { Quantiles, Summary } from './summary.ts'

export interface BenchReport {
  readonly url: string
  readonly model: string
  readonly concurrency: number
  readonly summary: Summary
  /** What `/api/ps` says of the model afterwards. */
  readonly processor: Processor
  readonly gpuRatio: number | undefined
  /** `undefined` where no answer tells a speed. */
  readonly verdict: Verdict | undefined
}

/** For programs: what is not known is null. */
export function reportJson({ url, model, concurrency, summary, processor, gpuRatio, verdict }: BenchReport): object {
  return {
    url,
    model,
    requests: summary.requests,
    concurrency,
    succeeded: summary.succeeded,
    errors: summary.errors,
    tokens_per_second: summary.tokensPerSecond ?? null,
    total_tokens_per_second: summary.totalTokensPerSecond,
    ttft_seconds: summary.ttftSeconds ?? null,
    request_seconds: summary.requestSeconds ?? null,
    load_seconds: summary.loadSeconds ?? null,
    prompt_tokens: summary.promptTokens ?? null,
    output_tokens: summary.outputTokens,
    processor,
    gpu_ratio: gpuRatio ?? null,
    speed: verdict?.level ?? null,
    verdict: verdict?.text ?? null,
  }
}

/** For people. */
export function reportText({ url, model, concurrency, summary, processor, gpuRatio, verdict }: BenchReport): string {
  const rows: readonly (readonly [string, string])[] = [
    ['model', model],
    ['asked', url],
    ['requests', `${summary.succeeded} of ${summary.requests} answered, ${concurrency} at a time`],
    ['tokens/s', rate(summary.tokensPerSecond)],
    ['tokens/s, all', rate(summary.totalTokensPerSecond)],
    ['first token', times(summary.ttftSeconds)],
    ['whole answer', times(summary.requestSeconds)],
    ['load', summary.loadSeconds === undefined ? 'not told' : seconds(summary.loadSeconds)],
    ['tokens', `${summary.promptTokens ?? '?'} in a prompt, ${summary.outputTokens} answered in all`],
    ['runs on', runsOn(processor, gpuRatio)],
    ['verdict', verdict?.text ?? 'no answer tells a speed'],
    ...Object.entries(summary.errors).map(([error, times]) => ['error', `${times} x ${error}`] as const),
  ]
  return rows.map(([name, value]) => `${name.padEnd(14)}${value}\n`).join('')
}

function rate(value: number | undefined): string {
  return value === undefined ? 'not told' : String(roundRate(value))
}

function times(quantiles: Quantiles | undefined): string {
  return quantiles === undefined ? 'none' : `p50 ${seconds(quantiles.p50)}, p95 ${seconds(quantiles.p95)}`
}

function seconds(value: number): string {
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${Math.round(value * 100) / 100} s`
}

function runsOn(processor: Processor, gpuRatio: number | undefined): string {
  return gpuRatio === undefined ? `${processor}: /api/ps does not tell` : `${processor}, ${percent(gpuRatio)} GPU`
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)}%`
}
