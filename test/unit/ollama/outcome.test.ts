import { describe, expect, it } from 'vitest'
import { createFacts, type ResponseFacts } from '../../../src/ollama/facts.ts'
import { decideVerdict, ERROR_TYPES, OUTCOMES, type Ending } from '../../../src/ollama/outcome.ts'

const whole: Ending = { clientLeft: false, cut: false, status: 200, saysFinished: true }

function verdict(ending: Partial<Ending>, facts: Partial<ResponseFacts> = {}): string {
  const { outcome, errorType } = decideVerdict({ ...whole, ...ending }, { ...createFacts(), ...facts })
  return errorType === undefined ? outcome : `${outcome} ${errorType}`
}

describe('a good end', () => {
  it.each(['stop', 'length', 'load', 'unload', 'tool_calls'])('is %s where the upstream says so', (reason) =>
    expect(verdict({}, { finished: true, reason })).toBe(reason),
  )
  it.each([undefined, '', 'content_filter', 'STOP', 'error', 'client_abort'])(
    'is success for the reason %s',
    (reason) => expect(verdict({}, { finished: true, reason })).toBe('success'),
  )
  it.each([200, 201, 204, 301, 304, 307])('is success for status %i of what says no end', (status) =>
    expect(verdict({ status, saysFinished: false })).toBe('success'),
  )
  it.each([301, 304, 307])('needs no end at status %i', (status) => expect(verdict({ status })).toBe('success'))
})

describe('no proper end', () => {
  it.each([200, 201, 299])('is truncated at status %i', (status) =>
    expect(verdict({ status }, { reason: 'stop' })).toBe('truncated truncated'),
  )
  it.each([200, 500])('where the framing was cut at status %i, whatever was said before', (status) => {
    const said = { finished: true, reason: 'stop' }
    expect(verdict({ cut: true, status, saysFinished: false }, said)).toBe('truncated truncated')
  })
})

describe('a client that leaves', () => {
  it.each([0, 200, 499, 500])('has aborted at status %i', (status) =>
    expect(verdict({ clientLeft: true, status }, { reason: 'stop' })).toBe('client_abort client_abort'),
  )
  it('with the last word has its answer', () => {
    expect(verdict({ clientLeft: true, cut: true }, { finished: true, reason: 'stop' })).toBe('stop')
    expect(verdict({ clientLeft: true, status: 500 }, { finished: true })).toBe('client_abort client_abort')
  })
})

describe('the proxy', () => {
  it('has the last word', () => {
    const own = { outcome: 'timeout', errorType: 'idle_timeout' } as const
    const facts = { finished: true, errorText: 'out of memory' }
    expect(verdict({ verdict: own, clientLeft: true, cut: true, status: 404 }, facts)).toBe('timeout idle_timeout')
  })
})

/** Ollama's own words; each with the status that it comes with, and inside of a stream. */
const TEXTS = [
  ['server busy, please try again.  maximum pending requests exceeded', 503, 'rejected queue_full'],
  ['CUDA error: out of memory', 500, 'error out_of_memory'],
  ['out-of-memory during startup', 500, 'error out_of_memory'],
  ['cudaMalloc failed: x', 500, 'error out_of_memory'],
  ['failed to allocate buffer', 500, 'error out_of_memory'],
  ['not enough memory', 500, 'error out_of_memory'],
  ['insufficient memory', 500, 'error out_of_memory'],
  ['model requires more system memory (9 GiB) than is available', 500, 'error out_of_memory'],
  ['vk::ErrorOutOfDeviceMemory', 500, 'error out_of_memory'],
  ['model failed to load, this may be due to resource limitations', 500, 'error load_failed'],
  ['llama runner process has terminated with exit code -1', 500, 'error load_failed'],
  ['llama-server process has terminated: signal: killed', 500, 'error load_failed'],
  ['timed out waiting for llama runner to start', 500, 'error load_failed'],
  ['an error was encountered while running the model: unexpected EOF', 500, 'error runner_crash'],
  ['llama runner is no longer running: 1', 500, 'error runner_crash'],
  ['model runner has unexpectedly stopped, this may be due to', 500, 'error runner_crash'],
  ['option "num_ctx" must be of type integer', 500, 'caller_error bad_request'],
  ['invalid format: "yaml"', 500, 'caller_error bad_request'],
  ['the input length exceeds the context length', 400, 'caller_error bad_request'],
  ['{"error":{"message":"request (802 tokens) exceeds the available context size"}}', 400, 'caller_error bad_request'],
  ['this model does not support embeddings', 501, 'caller_error unsupported'],
  ['This server does not support embeddings. Start it with `--embeddings`', 501, 'caller_error unsupported'],
  ['model requires more system memory; llama runner process has terminated', 500, 'error out_of_memory'],
] as const

describe('the texts of failures', () => {
  it.each(TEXTS)('%s', (errorText, status, expected) => {
    expect(verdict({ status, saysFinished: false }, { errorText })).toBe(expected)
    expect(verdict({ status: 200 }, { errorText })).toBe(expected)
  })

  it('that nobody knows are an error of the stream, also after its end', () => {
    expect(verdict({}, { errorText: 'pull model manifest: x' })).toBe('error stream_error')
    expect(verdict({}, { errorText: '' })).toBe('error stream_error')
    expect(verdict({}, { errorText: 'x', finished: true, reason: 'stop' })).toBe('error stream_error')
  })
})

describe('an error status', () => {
  it.each([
    [400, 'missing request body', 'caller_error bad_request'],
    [400, '"x" does not support thinking', 'caller_error bad_request'],
    [401, undefined, 'caller_error bad_request'],
    [403, undefined, 'caller_error bad_request'],
    [404, "model 'nope' not found", 'caller_error model_not_found'],
    [404, "model '' not found", 'caller_error model_not_found'],
    [404, 'model "x" not found, try pulling it first', 'caller_error model_not_found'],
    [404, 'page not found', 'caller_error not_found'],
    [404, undefined, 'caller_error not_found'],
    [405, undefined, 'caller_error bad_request'],
    [429, undefined, 'rejected queue_full'],
    [499, 'request canceled', 'client_abort client_abort'],
    [500, undefined, 'error other'],
    [500, 'pull model manifest: x', 'error other'],
    [501, undefined, 'caller_error unsupported'],
    [502, undefined, 'error other'],
    [503, 'account unavailable', 'error other'],
    [599, undefined, 'error other'],
  ])('%i, %s', (status, errorText, expected) => expect(verdict({ status }, { errorText })).toBe(expected))
})

describe('every verdict', () => {
  it('is of the closed sets, and has an error type unless it is good', () => {
    const good = new Set(['stop', 'length', 'load', 'unload', 'tool_calls', 'success'])
    for (let status = 100; status < 600; status++) {
      for (const bits of [0, 1, 2, 3, 4, 5, 6, 7]) {
        const ending = { clientLeft: (bits & 1) !== 0, cut: (bits & 2) !== 0, status, saysFinished: (bits & 4) !== 0 }
        const { outcome, errorType } = decideVerdict(ending, createFacts())
        expect(OUTCOMES).toContain(outcome)
        expect(errorType === undefined).toBe(good.has(outcome))
        if (errorType !== undefined) expect(ERROR_TYPES).toContain(errorType)
      }
    }
  })
})

describe('a client that leaves on the last word', () => {
  const left = { clientLeft: true, cut: false, status: 200, saysFinished: true }

  it('has its answer', () => {
    expect(decideVerdict(left, { ...createFacts(), finished: true, reason: 'stop' })).toEqual({ outcome: 'stop' })
  })

  it('has an error where the answer was one', () => {
    const facts = { ...createFacts(), finished: true, reason: 'stop', errorText: 'boom' }
    expect(decideVerdict(left, facts)).toEqual({ outcome: 'error', errorType: 'stream_error' })
  })
})
