import { describe, expect, it } from 'vitest'
import type { Extractor } from '../../../src/ollama/extractor.ts'
import { nativeExtractor } from '../../../src/ollama/native-usage.ts'
import { openaiChatExtractor } from '../../../src/ollama/openai-usage.ts'
import { ResponseObserver, type ResponseHead } from '../../../src/ollama/response-observer.ts'
import { isFields, type Fields } from '../../helpers/json.ts'
import { createRandom, cutAt, randomEnds, type Random } from '../../helpers/random.ts'
import { NDJSON, PLAIN, SSE } from './feed.ts'

/** What is compared. `firstTokenAt` is the number of the byte with which the first token's record ended. */
interface Read {
  readonly reason: unknown
  readonly finished: boolean
  readonly errorText: unknown
  readonly hasContent: boolean
  readonly chunks: number
  readonly firstTokenAt: number | undefined
  readonly usage: Fields
}

// The oracle: slow, obvious, and with JSON.parse.

const isText = (value: unknown) => typeof value === 'string' && value !== ''
const fields = (value: unknown): Fields => (isFields(value) ? value : {})
const list = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : [])
const count = (value: unknown) => (Number.isSafeInteger(value) && Number(value) >= 0 ? value : undefined)
const seconds = (value: unknown) => (typeof value === 'number' && value >= 0 ? value / 1e9 : undefined)

function errorOf({ error }: Fields): unknown {
  return typeof error === 'string' ? error : fields(error).message
}

/** The records of a stream, and where each one ends. */
function split(body: string, separator: string): (readonly [record: string, end: number])[] {
  const records: (readonly [string, number])[] = []
  let at = 0
  for (const part of body.split(separator).slice(0, -1)) {
    at += Buffer.byteLength(part + separator)
    if (part.trim() !== '') records.push([part, at])
  }
  return records
}

function hasNativeContent(record: Fields): boolean {
  const message = fields(record.message)
  const texts = [record.response, record.thinking, message.content, message.thinking]
  return texts.some(isText) || list(message.tool_calls).length > 0
}

function nativeOracle(body: string): Read {
  const records = split(body, '\n').map(([text, end]) => [JSON.parse(text) as Fields, end] as const)
  const last = records.map(([record]) => record).find(({ done }) => done === true)
  return {
    reason: last?.done_reason,
    finished: last !== undefined,
    errorText: records.map(([record]) => errorOf(record)).find((text) => text !== undefined),
    hasContent: records.some(([record]) => hasNativeContent(record)),
    chunks: records.length,
    firstTokenAt: records.find(([record]) => hasNativeContent(record))?.[1],
    usage: {
      inputTokens: count(last?.prompt_eval_count),
      cachedInputTokens: count(last?.prompt_eval_cached_count),
      outputTokens: count(last?.eval_count),
      totalSeconds: seconds(last?.total_duration),
      loadSeconds: seconds(last?.load_duration),
      promptEvalSeconds: seconds(last?.prompt_eval_duration),
      evalSeconds: seconds(last?.eval_duration),
    },
  }
}

function hasChatContent(record: Fields, part: 'delta' | 'message'): boolean {
  return list(record.choices).some((choice) => {
    const { content, reasoning, tool_calls: calls } = fields(fields(choice)[part])
    return isText(content) || isText(reasoning) || list(calls).length > 0
  })
}

function chatUsage(usage: unknown): Fields {
  const { prompt_tokens: input, completion_tokens: output, prompt_tokens_details: details } = fields(usage)
  const cached = fields(details).cached_tokens
  return { inputTokens: count(input), outputTokens: count(output), cachedInputTokens: count(cached) }
}

const reasonsOf = (record: Fields) => list(record.choices).map((choice) => fields(choice).finish_reason)

function chatOracle(body: string): Read {
  const events = split(body, '\n\n')
    .map(([text, end]) => {
      const data = text.split('\n').filter((line) => line.startsWith('data:'))
      return [data.map((line) => line.slice(5).replace(/^ /, '')).join('\n'), end] as const
    })
    .filter(([data]) => data !== '')
  const records = events
    .filter(([data]) => data !== '[DONE]')
    .map(([data, end]) => [JSON.parse(data) as Fields, end] as const)
  const all = records.map(([record]) => record)
  return {
    reason: all.flatMap(reasonsOf).findLast(isText),
    finished: events.some(([data]) => data === '[DONE]'),
    errorText: all.map(errorOf).find((text) => text !== undefined),
    hasContent: all.some((record) => hasChatContent(record, 'delta')),
    chunks: all.length,
    firstTokenAt: records.find(([record]) => hasChatContent(record, 'delta'))?.[1],
    usage: chatUsage(all.findLast(({ choices, usage }) => list(choices).length === 0 && isFields(usage))?.usage),
  }
}

function plainOracle(body: string): Read {
  const answer = JSON.parse(body) as Fields
  const reason = reasonsOf(answer).findLast(isText)
  return {
    ...{ reason, finished: reason !== undefined, errorText: errorOf(answer), chunks: 0, firstTokenAt: undefined },
    ...{ hasContent: hasChatContent(answer, 'message'), usage: chatUsage(answer.usage) },
  }
}

// The answers: what the server may send, with members that nobody knows wherever they may stand.

type Pairs = readonly (readonly [key: string, value: unknown])[]

const WORDS = [
  '',
  'x',
  ' the',
  'é',
  '名前',
  '😀',
  '"',
  '\\',
  '\n',
  '{"done":true}\n',
  'data: [DONE]\n\n',
  '\u2028',
  ']}',
] as const
const DECOYS: readonly [object, ...object[]] = [
  { done: true, done_reason: 'length', eval_count: 9, prompt_eval_count: 9, error: 'decoy' },
  { choices: [{ delta: { content: 'decoy' }, finish_reason: 'decoy' }], usage: { prompt_tokens: 9 }, error: {} },
  { message: { content: 'decoy', tool_calls: [{}] }, response: 'decoy', thinking: 'decoy' },
  { usage: { usage: { completion_tokens: 9 } }, delta: { delta: { content: 'decoy' } } },
]

function text(random: Random): string {
  return Array.from({ length: random.below(4) }, () => random.pick(WORDS)).join('')
}

function unknownValue(random: Random, depth = 0): unknown {
  switch (random.below(depth > 3 ? 4 : 8)) {
    case 0:
      return random.pick([true, false, null])
    case 1:
      return (random.below(2000) - 1000) / random.pick([1, 7, 1e-12])
    case 2:
    case 3:
      return random.chance(0.02) ? text(random).padEnd(5000, 'long') : text(random)
    case 4:
      return Array.from({ length: random.below(4) }, () => unknownValue(random, depth + 1))
    case 5:
      return random.pick(DECOYS)
    default:
      return object(random, [], depth + 1)
  }
}

/** An object of these members in any order, among some that nobody knows. */
function object(random: Random, members: Pairs, depth = 0): object {
  const unknown = Array.from(
    { length: random.below(4) },
    (_, index) =>
      [
        random.pick(['x', 'done ', 'Done', 'usage.x', '[]', 'né']) + String(index),
        unknownValue(random, depth),
      ] as const,
  )
  const left = [...members, ...unknown]
  const order: (readonly [string, unknown])[] = []
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1))
  return Object.fromEntries(order)
}

/** Some of the members: a server leaves out what is 0, or not known. */
const some = (random: Random, members: Pairs) => members.filter(() => random.chance(0.8))
const number = (random: Random) => random.pick([0, 1, random.below(1000), random.below(2 ** 31), 2 ** 53 - 1])
const calls = (random: Random) => Array.from({ length: random.below(3) }, () => object(random, [['function', {}]]))

function nativeStream(random: Random): object[] {
  const chat = random.chance(0.5)
  const piece = (members: Pairs) => {
    const parts = [
      ['content', text(random)],
      ['thinking', text(random)],
      ['tool_calls', calls(random)],
    ] as const
    const content: Pairs = chat
      ? [['message', object(random, some(random, parts))]]
      : [['response', text(random)], ...some(random, [['thinking', text(random)]])]
    return object(random, [...some(random, content), ...members])
  }
  const records = Array.from({ length: random.below(12) }, () => piece(some(random, [['done', false]])))
  const counts = ['prompt_eval_count', 'prompt_eval_cached_count', 'eval_count']
  const durations = ['total_duration', 'load_duration', 'prompt_eval_duration', 'eval_duration']
  const numbers = [...counts, ...durations].map((key) => [key, number(random) % 1e17] as const)
  const reason = ['done_reason', random.pick(['stop', 'length', 'load', 'unload', 'é', ''])] as const
  if (random.chance(0.85)) records.push(piece([['done', true], ...some(random, [reason, ...numbers])]))
  if (random.chance(0.15)) records.push(object(random, [['error', `boom ${text(random)}`]]))
  return records
}

function usageOf(random: Random): object {
  const details = object(random, some(random, [['cached_tokens', number(random)]]))
  const tokens = [
    ['prompt_tokens', number(random)],
    ['completion_tokens', number(random)],
  ] as const
  return object(random, some(random, [...tokens, ['prompt_tokens_details', details]]))
}

function choice(random: Random, part: 'delta' | 'message', reason: unknown): object {
  const parts = [
    ['content', random.pick([text(random), null])],
    ['reasoning', text(random)],
    ['tool_calls', calls(random)],
  ] as const
  return object(random, [
    [part, object(random, some(random, parts))],
    ['finish_reason', reason],
  ])
}

const REASONS = ['stop', 'length', 'tool_calls', 'content_filter', '', null] as const

function chatStream(random: Random): object[] {
  const chunk = (reason: unknown) => {
    const choices = Array.from({ length: 1 + random.below(2) }, () => choice(random, 'delta', reason))
    return object(random, [['choices', choices], ...(random.chance(0.3) ? [['usage', usageOf(random)] as const] : [])])
  }
  const records = Array.from({ length: random.below(12) }, () => chunk(null))
  if (random.chance(0.9)) records.push(chunk(random.pick(REASONS)))
  if (random.chance(0.7))
    records.push(
      object(random, [
        ['choices', []],
        ['usage', usageOf(random)],
      ]),
    )
  if (random.chance(0.1))
    records.push(object(random, [['error', object(random, [['message', `boom ${text(random)}`]])]]))
  return records
}

function event(random: Random, record: object): string {
  // Line ends may stand wherever JSON has white space.
  const json = JSON.stringify(record, null, random.pick([0, 0, 0, 1]))
  const space = random.pick([' ', ''])
  const data = json.split('\n').map((line) => `data:${space === '' && line.startsWith(' ') ? ' ' : space}${line}\n`)
  const before = random.pick(['', '', 'event: x\n', ': ping\n', 'id: 7\nretry: 1\n', ': ping\n\n'])
  return `${before}${data.join('')}\n`
}

function nativeBody(random: Random): string {
  const end = () => random.pick(['\n', '\n', '\n\n', '\r\n', ' \n'])
  return nativeStream(random)
    .map((record) => JSON.stringify(record) + end())
    .join('')
}

function chatBody(random: Random): string {
  const body = chatStream(random)
    .map((record) => event(random, record))
    .join('')
  return body + random.pick(['data: [DONE]\n\n', 'data: [DONE]\n\n', 'data:[DONE]\n\n', '', 'data: [DONE]\n'])
}

function plainBody(random: Random): string {
  const choices = Array.from({ length: random.below(3) }, () => choice(random, 'message', random.pick(REASONS)))
  const error = random.chance(0.1) ? [['error', { message: 'boom' }] as const] : []
  const answer = object(random, [['choices', choices], ...error, ...some(random, [['usage', usageOf(random)]])])
  return JSON.stringify(answer, null, random.pick([0, 2]))
}

function observed(head: ResponseHead, extractor: Extractor, body: Buffer, ends: readonly number[]): Read {
  const observer = new ResponseObserver(head, extractor)
  for (const [index, piece] of cutAt(body, ends).entries()) observer.push(piece, ends[index] ?? 0)
  observer.end()
  const { reason, finished, errorText, hasContent, chunks, firstTokenAtMs: firstTokenAt, usage } = observer.facts
  return { reason, finished, errorText, hasContent, chunks, firstTokenAt, usage: { ...usage } }
}

const KINDS = [
  ['native', NDJSON, nativeExtractor, nativeBody, nativeOracle],
  ['openai chat', SSE, openaiChatExtractor, chatBody, chatOracle],
  ['openai chat, not streaming', PLAIN, openaiChatExtractor, plainBody, plainOracle],
] as const

describe.each(KINDS)('%s', (_title, head, extractor, bodyOf, oracle) => {
  it('the answers are worth it', () => {
    const found = new Set<string>()
    for (let seed = 0; seed < 300; seed++) {
      const { usage, ...read } = oracle(bodyOf(createRandom(seed)))
      for (const [name, value] of Object.entries({ ...read, ...usage })) {
        if (value !== undefined) found.add(typeof value === 'boolean' ? `${name} ${value}` : name)
      }
    }
    const wanted = ['reason', 'finished true', 'finished false', 'errorText', 'hasContent true', 'hasContent false']
    expect([...found]).toEqual(expect.arrayContaining([...wanted, 'inputTokens', 'outputTokens', 'cachedInputTokens']))
  })

  it.each(Array.from({ length: 10 }, (_, batch) => batch))('says what JSON.parse says: batch %i', (batch) => {
    for (let seed = batch * 200; seed < (batch + 1) * 200; seed++) {
      const random = createRandom(seed)
      const text = bodyOf(random)
      const expected = oracle(text)
      const body = Buffer.from(text)
      for (const ends of [[body.length], randomEnds(random, body.length), randomEnds(random, body.length)]) {
        // The token came with the piece in which its record ended.
        const firstTokenAt = ends.find((end) => end >= (expected.firstTokenAt ?? Infinity))
        const read = observed(head, extractor, body, body.length === 0 ? [] : ends)
        expect(read, `seed ${seed}: ${text}`).toEqual({ ...expected, firstTokenAt })
      }
    }
  })
})
