import { expect } from 'vitest'
import type { LogLine, RunningApp } from './app.ts'
import type { Samples } from './samples.ts'

/** What a receipt tells; a field that is left out here must not be there. */
export interface Told {
  readonly endpoint: string
  readonly model: string
  readonly stream: boolean
  readonly outcome: string
  readonly status: number
  readonly error_type?: string
  readonly input_tokens?: number
  readonly output_tokens?: number
}

const fields = ['endpoint', 'model', 'stream', 'outcome', 'status', 'error_type', 'input_tokens', 'output_tokens']

/** The same call at the stand-in and at the proxy before it, and the receipt and counters that the latter left. */
export async function askBoth(app: RunningApp, standInUrl: string, call: (url: string) => Promise<unknown>) {
  const count = app.log.filter(({ msg }) => msg === 'request').length
  const before = await app.samples()
  const direct = await call(standInUrl)
  const proxied = await call(app.proxyUrl)
  const receipt = (await app.receipts(count + 1)).at(-1) ?? {}
  return { direct, proxied, receipt, before, after: await app.samples() }
}

/** A receipt tells this, and of these fields no other. */
export function expectTold(receipt: LogLine, told: Told): void {
  const seen = Object.fromEntries(fields.map((field) => [field, receipt[field]]))
  expect(seen).toEqual({ error_type: undefined, input_tokens: undefined, output_tokens: undefined, ...told })
}

/** Each counter grew by what was told, under the labels that were told, and under no others. */
export function expectCounted(before: Samples, after: Samples, told: Told): void {
  const { endpoint, model, outcome, status, error_type, input_tokens = 0, output_tokens = 0 } = told
  const grown = (name: string, labels: Record<string, string>) => after.sum(name, labels) - before.sum(name, labels)
  const counted = (name: string, labels: Record<string, string>) => [grown(name, labels), grown(name, {})]
  const inference = endpoint.startsWith('/v1/models') ? 0 : 1
  const method = inference === 1 ? 'POST' : 'GET'
  const failed = error_type === undefined ? 0 : 1
  const first = told.stream && status === 200 ? 1 : 0

  expect(counted('ollama_requests_total', { method, endpoint, status: String(status) })).toEqual([1, 1])
  expect(counted('ollama_errors_total', { error_type: error_type ?? '' })).toEqual([failed, failed])
  expect(counted('ollama_inference_requests_total', { model, endpoint, outcome })).toEqual([inference, inference])
  expect({
    input: grown('ollama_tokens_total', { model, endpoint, type: 'input' }),
    output: grown('ollama_tokens_total', { model, endpoint, type: 'output' }),
    all: grown('ollama_tokens_total', {}),
  }).toEqual({ input: input_tokens, output: output_tokens, all: input_tokens + output_tokens })
  expect(counted('ollama_time_to_first_token_seconds_count', { model, endpoint })).toEqual([first, first])
  const unknown = inference === 1 && failed === 0 && input_tokens === 0 ? 1 : 0
  expect(counted('ollama_responses_without_usage_total', { model, endpoint })).toEqual([unknown, unknown])
}
