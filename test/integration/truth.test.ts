import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordingHeader } from '../../src/demo/pick.ts'
import { loadRecordings, type Recording } from '../../src/demo/recordings.ts'
import { rawHeader } from '../../src/demo/request-head.ts'
import { createStandIn, type StandIn } from '../../src/demo/stand-in.ts'
import { answerBytes } from '../../src/demo/wire.ts'
import { startApp, type LogLine, type RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { recordedRequest } from '../helpers/recorded-request.ts'
import { endingsOf, generationsOf, type Truth } from '../unit/ollama/truth.ts'

/** Every recording of both versions goes through the running product, once: receipts and metrics say what the table says. */
const recordings = loadRecordings()
const upload = randomBytes(3 * 1024 * 1024)
const generations = { ollama: generationsOf('ollama'), 'ollama-0.33': generationsOf('ollama-0.33') }
const endings = { ollama: endingsOf('ollama'), 'ollama-0.33': endingsOf('ollama-0.33') }
const titled = recordings.map((recording) => [`${recording.version} ${recording.name}`, recording] as const)
const truthOf = ({ version, name }: Recording) => generations[version].get(name)
const tabled = titled.filter(([, recording]) => truthOf(recording) !== undefined)
const others = titled.filter(([, { version, name }]) => endings[version].has(name))

const receipts = new Map<Recording, LogLine>()
let standIn: StandIn
let app: RunningApp
let arrived = 0

beforeAll(async () => {
  standIn = createStandIn({
    recordings,
    speed: Infinity,
    onRequest: ({ request }) => {
      if (rawHeader(request.rawHeaders, recordingHeader) !== undefined) arrived++
    },
  })
  app = await startApp((await standIn.listen(0, '127.0.0.1')).port, { OLLASCOPE_METRICS_MODEL_LIMIT: '1000' })
  for (const recording of recordings) {
    await play(recording)
    const last = (await app.receipts(receipts.size + 1)).at(-1)
    if (last !== undefined) receipts.set(recording, last)
  }
}, 60_000)

afterAll(async () => {
  await app.close()
  await standIn.close()
})

async function play(recording: Recording): Promise<void> {
  const before = arrived
  const client = openRaw(app.proxyPort, recordedRequest(recording, upload))
  if (recording.response.end !== 'client_destroyed') {
    await client.ended
    return
  }
  const bytes = answerBytes(recording)
  if (bytes.length > 0) {
    const { body } = parseMessage(bytes)
    await client.until((got) => got.includes('\r\n\r\n') && parseMessage(got).body.equals(body))
  }
  while (arrived === before) await nextTurn()
  client.socket.destroy()
}

const milliseconds = (nanoseconds: number | undefined) =>
  nanoseconds === undefined ? undefined : Math.round(nanoseconds / 1e3) / 1e3

describe('the receipt of a generation', () => {
  it.each(tabled)('%s', (_title, recording) => {
    const truth = truthOf(recording)
    const receipt = receipts.get(recording)
    expect({
      outcome: receipt?.outcome,
      errorType: receipt?.error_type,
      model: receipt?.model,
      input: receipt?.input_tokens,
      cached: receipt?.cached_input_tokens,
      output: receipt?.output_tokens,
      load: receipt?.load_ms,
      promptEval: receipt?.prompt_eval_ms,
      eval: receipt?.eval_ms,
      chunks: receipt?.chunks,
      hasFirst: receipt?.ttft_ms !== undefined,
    }).toEqual({
      outcome: truth?.outcome,
      errorType: truth?.errorType,
      model: truth?.model,
      input: truth?.inputTokens,
      cached: truth?.cachedInputTokens,
      output: truth?.outputTokens,
      load: milliseconds(truth?.loadNanoseconds),
      promptEval: milliseconds(truth?.promptEvalNanoseconds),
      eval: milliseconds(truth?.evalNanoseconds),
      chunks: truth?.chunks,
      hasFirst: truth?.firstChunk !== undefined,
    })
  })
})

describe('the receipt of any other route', () => {
  it.each(others)('%s', (_title, recording) => {
    const receipt = receipts.get(recording)
    expect([receipt?.outcome, receipt?.error_type]).toEqual(endings[recording.version].get(recording.name))
  })
})

describe('the metrics of all of them', () => {
  const truths = tabled.flatMap(([, recording]) => truthOf(recording) ?? [])
  const total = (read: (truth: Truth) => number | undefined) =>
    truths.reduce((sum, truth) => sum + (read(truth) ?? 0), 0)
  const having = (read: (truth: Truth) => unknown) => truths.filter((truth) => read(truth) !== undefined).length

  it('count each exchange once', async () => {
    const { sum } = await app.samples()
    expect(sum('ollama_requests_total')).toBe(recordings.length)
    expect(sum('ollama_request_duration_seconds_count')).toBe(recordings.length)
    for (const outcome of new Set(truths.map((truth) => truth.outcome))) {
      const there = sum('ollama_inference_requests_total', { outcome })
      const here = [...receipts.entries()].filter(
        ([recording, receipt]) => receipt.outcome === outcome && runsModel(recording),
      )
      expect(there, outcome).toBe(here.length)
    }
  })

  it.each([
    ['input', (truth: Truth) => truth.inputTokens],
    ['output', (truth: Truth) => truth.outputTokens],
    ['cached_input', (truth: Truth) => truth.cachedInputTokens],
  ] as const)('sum up the %s tokens', async (type, read) => {
    expect((await app.samples()).sum('ollama_tokens_total', { type })).toBe(total(read))
  })

  it('count chunks, first tokens and what is between the chunks', async () => {
    const { sum } = await app.samples()
    expect(sum('ollama_stream_chunks_total')).toBe(total(({ chunks }) => chunks))
    expect(sum('ollama_time_to_first_token_seconds_count')).toBe(having(({ firstChunk }) => firstChunk))
    expect(sum('ollama_inter_chunk_seconds_count')).toBe(
      total(({ chunks, firstChunk }) => (firstChunk === undefined ? 0 : chunks - firstChunk - 1)),
    )
  })

  it.each([
    ['load_duration', (truth: Truth) => truth.loadNanoseconds],
    ['prompt_eval_duration', (truth: Truth) => truth.promptEvalNanoseconds],
    ['eval_duration', (truth: Truth) => truth.evalNanoseconds],
  ] as const)('have each %s', async (family, read) => {
    const { sum } = await app.samples()
    expect(sum(`ollama_${family}_seconds_count`)).toBe(having(read))
    expect(sum(`ollama_${family}_seconds_sum`)).toBeCloseTo(total(read) / 1e9, 6)
  })

  it('suspect the two prompts that were cut, and no other', async () => {
    const { sum } = await app.samples()
    const cut = ['chat-truncated-context']
    const suspected = titled.filter(([, { name }]) => cut.includes(name))
    expect(sum('ollama_context_truncations_suspected_total')).toBe(suspected.length)
  })

  it('know a prefill only of requests that loaded their model', async () => {
    const { sum } = await app.samples()
    const loads = truths.filter((truth) => (truth.loadNanoseconds ?? 0) > 500e6)
    expect(sum('ollama_prefill_tokens_total')).toBeLessThanOrEqual(
      loads.reduce((tokens, truth) => tokens + (truth.inputTokens ?? 0), 0),
    )
  })

  it('count the pulls by their outcome', async () => {
    const { sum } = await app.samples()
    const there = (outcome: string) => sum('ollama_model_transfer_duration_seconds_count', { outcome })
    const here = (outcome: string) =>
      [...receipts].filter(
        ([{ request }, receipt]) => /^\/api\/(pull|push|create)$/.test(request.path) && receipt.outcome === outcome,
      ).length
    for (const outcome of ['success', 'error']) expect([outcome, there(outcome)]).toEqual([outcome, here(outcome)])
    expect(here('error')).toBeGreaterThan(4)
  })
})

function runsModel({ request }: Recording): boolean {
  const inference =
    /^\/(api\/(generate|chat|embed|embeddings)|v1\/(chat\/completions|completions|responses|messages|embeddings))$/
  return request.method === 'POST' && inference.test(request.path.replace(/\?.*/, ''))
}
