import { describe, expect, it } from 'vitest'
import { loadRecordings, type Recording } from '../../../src/demo/recordings.ts'
import { ERROR_TYPES, OUTCOMES } from '../../../src/ollama/outcome.ts'
import { RequestObserver } from '../../../src/ollama/request.ts'
import { byteEnds, createRandom, cutAt, randomEnds } from '../../helpers/random.ts'
import { answerOf, circumstancesOf, GOOD, observe, type RecordedAnswer } from './recorded.ts'
import { endingsOf, generationsOf } from './truth.ts'

const recordings = loadRecordings()
const all = recordings.map((recording) => [`${recording.version} ${recording.name}`, recording] as const)
const generations = { ollama: generationsOf('ollama'), 'ollama-0.33': generationsOf('ollama-0.33') }
const endings = { ollama: endingsOf('ollama'), 'ollama-0.33': endingsOf('ollama-0.33') }
const tabled = all.filter(([, { version, name }]) => generations[version].has(name))
const others = all.filter(([, { version, name }]) => endings[version].has(name))
const answered = all.flatMap(([title, recording]) => {
  const answer = answerOf(recording)
  return answer === undefined || answer.body.length === 0 ? [] : [[title, recording, answer] as const]
})

const seconds = (ns: number | undefined) => (ns === undefined ? undefined : ns / 1e9)

function whole(recording: Recording) {
  const answer = answerOf(recording)
  return observe(recording, answer, answer?.readEnds ?? [], circumstancesOf(recording, answer?.complete ?? false))
}

describe('the table of the truth', () => {
  it('has every recording', () => {
    const left = all.filter((entry) => !tabled.includes(entry) && !others.includes(entry)).map(([title]) => title)
    expect(left).toEqual(['ollama-0.33 blob-upload-there']) // no answer was recorded
  })

  it('has no line without its recording', () => {
    for (const version of ['ollama', 'ollama-0.33'] as const) {
      const names = new Set(recordings.filter((one) => one.version === version).map(({ name }) => name))
      expect([...generations[version].keys()].filter((name) => !names.has(name))).toEqual([])
    }
    const names = new Set(recordings.map(({ name }) => name))
    expect([...endings.ollama.keys()].filter((name) => !names.has(name))).toEqual([])
  })
})

describe('generations', () => {
  it.each(tabled)('%s', (_title, recording) => {
    const truth = generations[recording.version].get(recording.name)
    const { facts, verdict } = whole(recording)
    expect({
      outcome: verdict.outcome,
      errorType: verdict.errorType,
      inputTokens: facts.usage.inputTokens,
      outputTokens: facts.usage.outputTokens,
      load: facts.usage.loadSeconds,
      promptEval: facts.usage.promptEvalSeconds,
      eval: facts.usage.evalSeconds,
      cached: facts.usage.cachedInputTokens,
      chunks: facts.chunks,
    }).toEqual({
      outcome: truth?.outcome,
      errorType: truth?.errorType,
      inputTokens: truth?.inputTokens,
      outputTokens: truth?.outputTokens,
      load: seconds(truth?.loadNanoseconds),
      promptEval: seconds(truth?.promptEvalNanoseconds),
      eval: seconds(truth?.evalNanoseconds),
      cached: truth?.cachedInputTokens,
      chunks: truth?.chunks,
    })
  })

  it.each(tabled)('%s: what was asked for', (_title, recording) => {
    const truth = generations[recording.version].get(recording.name)
    const body = Buffer.from(recording.request.body ?? '')
    const random = createRandom(11)
    for (const ends of [[body.length], byteEnds(body.length), randomEnds(random, body.length)]) {
      const observer = new RequestObserver()
      for (const piece of cutAt(body, ends)) observer.push(piece)
      observer.end()
      const { model, stream } = observer.facts()
      expect(model.kind === 'named' ? model.name : model.kind).toBe(truth?.model)
      expect(stream).toBe(truth?.stream)
    }
  })
})

describe('other routes', () => {
  it.each(others)('%s', (_title, recording) => {
    const { verdict } = whole(recording)
    expect([verdict.outcome, verdict.errorType]).toEqual(endings[recording.version].get(recording.name))
  })
})

/** Where the record with this number ends in the body. */
function recordEnd({ head, body }: RecordedAnswer, index: number): number {
  const separator = head.contentType?.startsWith('text/event-stream') ? '\n\n' : '\n'
  let end = 0
  for (let i = 0; i <= index; i++) end = body.indexOf(separator, end) + separator.length
  return end
}

describe('in whatever pieces it arrives', () => {
  it.each(answered)('%s', (_title, recording, answer) => {
    const { body, complete, readEnds } = answer
    const circumstances = circumstancesOf(recording, complete)
    const first = generations[recording.version].get(recording.name)?.firstChunk
    const tokenEnd = first === undefined ? undefined : recordEnd(answer, first)
    const read = (ends: readonly number[]) => {
      const { facts, verdict } = observe(recording, answer, ends, circumstances)
      const { firstTokenAtMs, gaps, ...rest } = facts
      const between = first === undefined ? 0 : rest.chunks - first - 1
      expect(gaps?.counts.reduce((sum, count) => sum + count, 0) ?? 0).toBe(between)
      if (generations[recording.version].has(recording.name)) {
        // The token came with the piece in which its record ends.
        const expected = tokenEnd === undefined ? undefined : ends.find((end) => end >= tokenEnd)
        if (firstTokenAtMs !== expected) expect.fail(`${firstTokenAtMs ?? 'none'}, not ${expected ?? 'none'}`)
      }
      return JSON.stringify({ rest, verdict })
    }
    const expected = read([body.length])
    expect(read(readEnds)).toBe(expected)
    if (body.length < 64 * 1024) expect(read(byteEnds(body.length))).toBe(expected)
    for (let seed = 0; seed < 20; seed++) {
      expect(read(randomEnds(createRandom(seed), body.length)), `seed ${seed}`).toBe(expected)
    }
  })
})

describe('corrupted', () => {
  it.each(answered)('%s', (_title, recording, answer) => {
    for (let seed = 0; seed < 24; seed++) {
      const random = createRandom(seed)
      const body = Buffer.from(answer.body)
      for (let flips = 1 + random.below(8); flips > 0; flips--) {
        const at = random.below(body.length)
        body[at] = (body[at] ?? 0) ^ (1 << random.below(8))
      }
      const cut = random.chance(0.5)
      const ends = randomEnds(random, body.length)
      const { facts, verdict } = observe(recording, { ...answer, body }, ends, { clientLeft: false, cut })
      expect(OUTCOMES).toContain(verdict.outcome)
      expect(GOOD.has(verdict.outcome)).toBe(verdict.errorType === undefined)
      if (verdict.errorType !== undefined) expect(ERROR_TYPES).toContain(verdict.errorType)
      for (const value of Object.values(facts.usage) as unknown[]) {
        if (!(typeof value === 'number' && value >= 0 && Number.isFinite(value))) expect.fail(JSON.stringify(facts))
      }
    }
  })
})

/** The lengths to which an answer is cut: all of a short one, some of a long one. */
function lengthsOf(length: number): number[] {
  if (length <= 2048) return Array.from({ length }, (_, index) => index)
  const random = createRandom(length)
  return [...Array.from({ length: 200 }, () => random.below(length)), length - 1, length - 2]
}

/** What may be missing without a loss: nothing of server-sent events, else white space. */
function isWhole({ head, body }: RecordedAnswer, length: number): boolean {
  if (head.contentType?.startsWith('text/event-stream')) return length === body.length
  return body.toString('latin1', length).trim() === ''
}

describe('truncated anywhere', () => {
  it.each(answered)('%s', (_title, recording, answer) => {
    const generation = generations[recording.version].has(recording.name)
    for (const length of lengthsOf(answer.body.length)) {
      const short = { ...answer, body: answer.body.subarray(0, length) }
      const verdictOf = (clientLeft: boolean, cut: boolean) =>
        observe(recording, short, [length], { clientLeft, cut }).verdict
      const { outcome } = verdictOf(false, true)
      if (GOOD.has(outcome)) expect.fail(`${outcome} after ${length} bytes`)
      if (!generation || isWhole(answer, length)) continue
      // Framed as if it were whole: its own end is missing all the same.
      const framed = verdictOf(false, false).outcome
      if (GOOD.has(framed)) expect.fail(`${framed} after ${length} bytes that are framed as whole`)
      const left = verdictOf(true, false).outcome
      if (left !== 'client_abort') expect.fail(`${left} where the client left after ${length} bytes`)
    }
  })
})
