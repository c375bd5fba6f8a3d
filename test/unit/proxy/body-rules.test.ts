import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { ENDPOINT_LABELS, matchEndpoint } from '../../../src/ollama/endpoints.ts'
import { concern, judgeBody, MAX_HELD_BYTES, type BodyRules } from '../../../src/proxy/body-rules.ts'
import { byteEnds, createRandom, cutAt, randomEnds, type Random } from '../../helpers/random.ts'

const CONTEXT: BodyRules = { contextLength: 4096, streaming: true }
const WHOLE_ANSWERS: BodyRules = { contextLength: undefined, streaming: false }
const BOTH: BodyRules = { contextLength: 4096, streaming: false }
const NONE: BodyRules = { contextLength: undefined, streaming: true }

/** What becomes of a body: '' where it passes. */
function judge(
  rules: BodyRules,
  body: Buffer | string,
  { path = '/api/chat', coding = undefined as string | undefined } = {},
) {
  const bytes = Buffer.from(body)
  const refused = judgeBody(rules, matchEndpoint(path), coding, bytes.length === 0 ? [] : [bytes], true)
  if (refused === undefined) return ''
  expect(refused.verdict).toEqual({ outcome: 'caller_error', errorType: 'bad_request' })
  expect(refused.status).toBe(400)
  return refused.message.replace(/^ollascope: /, '')
}

const TOO_LONG = 'options.num_ctx may be 4096 at most; ask for less'
const STREAMS = 'streaming is switched off here; send "stream": false'
const UNREADABLE = 'the body is no JSON object that can be checked against the limits set here; send plain JSON'

describe('rules concern', () => {
  const RUNNING = [
    '/api/chat',
    '/api/embed',
    '/api/embeddings',
    '/api/generate',
    '/v1/chat/completions',
    '/v1/completions',
    '/v1/embeddings',
    '/v1/messages',
    '/v1/responses',
  ]
  const concerned = (rules: BodyRules, method: string) =>
    ENDPOINT_LABELS.filter((label) => concern(rules, matchEndpoint(label), method)).sort()

  it.each([
    ['a context length', CONTEXT],
    ['streaming', WHOLE_ANSWERS],
    ['both', BOTH],
  ])('what runs a model, by the method that runs it: %s', (_, rules) => {
    expect(concerned(rules, 'POST')).toEqual(RUNNING)
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'post', '']) {
      expect(concerned(rules, method)).toEqual([])
    }
  })

  it('nothing where there are none', () => expect(concerned(NONE, 'POST')).toEqual([]))
})

describe('the context length', () => {
  it.each([
    '{}',
    ' \t\r\n{ } \n',
    '{"model":"m","stream":true}',
    '{"options":{}}',
    '{"options":null}',
    '{"options":[{"num_ctx":9999}]}', // the upstream refuses it
    '{"options":"num_ctx: 9999"}',
    '{"options":{"num_ctx":4096}}',
    '{"options":{"num_ctx":4096.0}}',
    '{"options":{"num_ctx":4.096e3}}',
    '{"options":{"num_ctx":0}}',
    '{"options":{"num_ctx":-1}}',
    '{"options":{"num_ctx":null}}',
    '{"options":{"num_ctx":1,"num_ctx":2}}',
    '{"options":{"num_predict":9999,"num_ctx ":9999,"xnum_ctx":9999,"num_ctx.x":9999}}',
    '{"num_ctx":9999,"options.num_ctx":9999,"parameters":{"num_ctx":9999}}',
    '{"x":{"options":{"num_ctx":9999}}}',
    '{"options":{"options":{"num_ctx":9999},"x":{"num_ctx":9999},"y":[{"num_ctx":9999}]}}',
    '{"messages":[{"content":"\\"options\\":{\\"num_ctx\\":9999}"}],"prompt":"{\\"options\\":{\\"num_ctx\\":9999}}"}',
    '{"[]":{"num_ctx":9999},"options":{"[]":9999}}',
    '{"__proto__":{"num_ctx":9999},"options":{"__proto__":{"num_ctx":9999}}}',
  ])('lets %s pass', (body) => expect(judge(CONTEXT, body)).toBe(''))

  it.each([
    '{"options":{"num_ctx":4097}}',
    '{"options":{"num_ctx":4096.001}}',
    '{"options":{"num_ctx":1e99}}',
    '{"options":{"num_ctx":1e400}}',
    '{"options":{"num_ctx":"4"}}',
    '{"options":{"num_ctx":"4097"}}',
    '{"options":{"num_ctx":"NaN"}}',
    '{"options":{"num_ctx":true}}',
    '{"options":{"num_ctx":[4]}}',
    '{"options":{"num_ctx":{"num_ctx":4}}}',
    `{"options":{"num_ctx":${'1'.repeat(400)}}}`,
    `{"options":{"num_ctx":0.${'0'.repeat(400)}}}`, // longer than is read
    '{"options":{"num_ctx":4097,"num_ctx":1}}',
    '{"options":{"num_ctx":1,"num_ctx":4097}}',
    '{"options":{"num_ctx":4097},"options":{}}',
    '{"options":{},"options":{"num_ctx":4097}}',
    '{"options":{"num_ctx":4097},"options":null}',
    '{"OPTIONS":{"num_ctx":4097}}',
    '{"Options":{"NUM_CTX":4097},"options":{"num_ctx":1}}',
    '{"opt\\u0069ons":{"num_ctx":4097}}',
    '{"options":{"\\u006e\\u0075\\u006d\\u005f\\u0063\\u0074\\u0078":4097}}',
    '{"\\u004fPTIONS":{"num\\u005Fctx":4097}}',
    '{"option\u017f":{"num_ctx":4097}}', // the long s, to Go the same letter
    '{"option\\u017f":{"num_ctx":4097}}',
    ' {"a":[{"b":["]","}"]}],"options":\n{"x":{},"num_ctx" :\t4097 } } ',
  ])('refuses %s', (body) => expect(judge(CONTEXT, body)).toBe(TOO_LONG))

  it.each(['/api/generate', '/api/embed', '/v1/chat/completions', '/v1/messages'])('is asked of %s too', (path) => {
    expect(judge(CONTEXT, '{"stream":false,"options":{"num_ctx":4097}}', { path })).toBe(TOO_LONG)
  })

  it('is not asked where there is no limit', () =>
    expect(judge(WHOLE_ANSWERS, '{"stream":false,"options":{"num_ctx":"x"}}')).toBe(''))
})

describe('streaming', () => {
  const NATIVE = ['/api/chat', '/api/generate']
  const OPENAI = ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages']
  const NEVER = ['/api/embed', '/api/embeddings', '/v1/embeddings']

  it.each<[body: string, native: boolean, openai: boolean]>([
    // Whether it would stream there.
    ['{"model":"m"}', true, false],
    ['{"stream":true}', true, true],
    ['{"stream":false}', false, false],
    ['{"stream":null}', true, false],
    ['{"stream":false,"stream":null}', true, false],
    ['{"stream":null,"stream":false}', false, false],
    ['{"stream":true,"stream":false}', true, true],
    ['{"stream":false,"stream":true}', true, true],
    ['{"STREAM":true,"stream":false}', true, true],
    ['{"stream":false,"Stream":true}', true, true],
    ['{"\\u0073tream":true}', true, true],
    ['{"\u017ftream":true}', true, true],
    ['{"stream":"false"}', true, false],
    ['{"stream":0}', true, false],
    ['{"stream":[true]}', true, false],
    ['{"options":{"stream":false}}', true, false],
    ['{"options":{"stream":true},"stream":false}', false, false],
    ['{"messages":[{"stream":true}],"prompt":"\\"stream\\":true","stream":false}', false, false],
  ])('%s', (body, native, openai) => {
    for (const path of NATIVE)
      expect([path, judge(WHOLE_ANSWERS, body, { path })]).toEqual([path, native ? STREAMS : ''])
    for (const path of OPENAI)
      expect([path, judge(WHOLE_ANSWERS, body, { path })]).toEqual([path, openai ? STREAMS : ''])
    for (const path of NEVER) expect([path, judge(WHOLE_ANSWERS, body, { path })]).toEqual([path, ''])
    expect(judge(CONTEXT, body)).toBe('')
  })

  it('comes behind the context length', () => {
    expect(judge(BOTH, '{"stream":true,"options":{"num_ctx":4097}}')).toBe(TOO_LONG)
    expect(judge(BOTH, '{"stream":true,"options":{"num_ctx":1}}')).toBe(STREAMS)
    expect(judge(BOTH, '{"stream":false,"options":{"num_ctx":1}}')).toBe('')
  })
})

describe('a body that cannot be read', () => {
  it.each([
    ' ',
    'null',
    'true',
    '"{}"',
    '[]',
    '[{}]',
    '{',
    '{"a":1',
    '{"a":1}}',
    '{"a":1}{"options":{"num_ctx":9999}}',
    '{"a":1} x',
    '{"a":1}\u0000',
    '\ufeff{"a":1}',
    '{a:1}',
    "{'a':1}",
    '{"a":1,}',
    '{"a" 1}',
    '{"a":nan}',
    '{"options":{"num_ctx":NaN}}',
    '{"options":{"num_ctx":Infinity}}',
    '{"options":{"num_ctx":0x10}}',
    '{"options":{"num_ctx":+1}}',
    '{"options":{"num_ctx":.5}}',
    '{"options":{"num_ctx":1_000}}',
    '{"options":{"num_ctx":1}',
    '{"options":{"num_ctx":1]}',
    '/**/{}',
    'model=m&stream=false',
    '\x1f\x8b',
  ])('%j is refused', (body) => {
    expect(judge(CONTEXT, body)).toBe(UNREADABLE)
    expect(judge(WHOLE_ANSWERS, body)).toBe(UNREADABLE)
  })

  it('is none where it is empty: the upstream has its own words for that', () => {
    expect(judge(BOTH, '')).toBe('')
    expect(judge(BOTH, '', { coding: 'gzip' })).toBe('')
  })

  it('is one that is too long', () => {
    const refused = judgeBody(BOTH, matchEndpoint('/api/chat'), undefined, [Buffer.from('{"stream":false}')], false)
    expect(refused).toMatchObject({
      status: 413,
      message: `ollascope: the body is larger than the ${MAX_HELD_BYTES / 1024 ** 2} MiB that can be checked against OLLASCOPE_MAX_CONTEXT_LENGTH and OLLASCOPE_STREAMING`,
      verdict: { outcome: 'caller_error', errorType: 'bad_request' },
    })
  })
})

describe('a body that is coded', () => {
  const GOOD = Buffer.from('{"stream":false,"options":{"num_ctx":4096}}')
  const BAD = Buffer.from('{"stream":false,"options":{"num_ctx":4097}}')

  it.each<[coding: string | undefined, code: (plain: Buffer) => Buffer]>([
    ['gzip', (plain) => gzipSync(plain)],
    ['GZip', (plain) => gzipSync(plain)],
    ['zstd', (plain) => zstdCompressSync(plain)],
    ['identity', (plain) => plain],
    ['', (plain) => plain],
    [undefined, (plain) => plain],
  ])('by %s is read', (coding, code) => {
    expect(judge(BOTH, code(GOOD), { coding })).toBe('')
    expect(judge(BOTH, code(BAD), { coding })).toBe(TOO_LONG)
    expect(judge(BOTH, code(Buffer.from('{"stream":true}')), { coding })).toBe(STREAMS)
    expect(judge(BOTH, code(Buffer.concat([GOOD, BAD])), { coding })).toBe(UNREADABLE)
  })

  it.each<[coding: string, body: Buffer]>([
    ['deflate', deflateSync(GOOD)],
    ['deflate', deflateRawSync(GOOD)],
    ['br', brotliCompressSync(GOOD)],
    ['x-gzip', gzipSync(GOOD)],
    ['gzip, gzip', gzipSync(gzipSync(GOOD))],
    ['gzip, identity', gzipSync(GOOD)],
    ['gzip', gzipSync(gzipSync(GOOD))],
    ['compress', GOOD],
    ['none', GOOD],
    // Whoever does not believe the label reads the plain text.
    ['gzip', GOOD],
    ['gzip', BAD],
    ['zstd', GOOD],
    ['deflate', GOOD],
    ['br', GOOD],
    ['zstd', gzipSync(GOOD)],
    ['gzip', zstdCompressSync(GOOD)],
    ['identity', gzipSync(GOOD)],
    // Cut off, or in two parts.
    ['gzip', gzipSync(GOOD).subarray(0, 20)],
    ['zstd', zstdCompressSync(GOOD).subarray(0, 20)],
    ['gzip', Buffer.concat([gzipSync(GOOD), gzipSync(BAD)])],
    ['zstd', Buffer.concat([zstdCompressSync(BAD.subarray(0, 16)), zstdCompressSync(BAD.subarray(16))])],
    // More than is decoded.
    ['gzip', gzipSync(Buffer.concat([GOOD, Buffer.alloc(1024 * 1024, ' ')]))],
    ['zstd', zstdCompressSync(Buffer.concat([GOOD, Buffer.alloc(1024 * 1024, ' ')]))],
  ])('by %s is refused where nobody knows who reads what: %#', (coding, body) => {
    expect(judge(BOTH, body, { coding })).toBe(UNREADABLE)
  })
})

describe('whatever a body is', () => {
  type Value = number | string | boolean | null | readonly Member[]
  type Member = readonly [key: string, value: Value]

  const OTHERS = ['model', 'option', 'é', '"', '\\', '']
  const KEYS = [
    ...OTHERS,
    ...['options', 'options', 'Options', 'OPTION\u017f', 'num_ctx', 'Num_Ctx', 'stream', 'stream', '\u017fTREAM'],
  ]
  const NUMBERS = [0, 1, 4096, 4097, 1e30, -5, 0.5]
  const fold = (key: string) => key.toLowerCase().replaceAll('ſ', 's')

  const pick = <T>(random: Random, from: readonly T[]) => from[random.below(from.length)] as T

  function members(random: Random, depth: number): Member[] {
    return Array.from({ length: random.below(5) }, () => [pick(random, KEYS), value(random, depth)] as const)
  }

  function value(random: Random, depth: number): Value {
    if (depth > 0 && random.chance(0.5)) return members(random, depth - 1)
    return random.chance(0.6)
      ? pick(random, NUMBERS)
      : pick(random, ['num_ctx', '{"num_ctx":9999}', true, false, false, null])
  }

  function escaped(random: Random, text: string): string {
    const letters = Array.from(text, (letter) =>
      random.chance(0.2)
        ? `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
        : JSON.stringify(letter).slice(1, -1),
    )
    return `"${letters.join('')}"`
  }

  function written(random: Random, one: Value): string {
    const space = () => pick(random, ['', '', ' ', '\n\t'])
    if (typeof one === 'string') return escaped(random, one)
    if (typeof one !== 'object' || one === null) return JSON.stringify(one)
    const parts = one.map(
      ([key, inner]) => `${space()}${escaped(random, key)}${space()}:${space()}${written(random, inner)}${space()}`,
    )
    return `{${parts.join(',')}${space()}}`
  }

  const isObject = (one: Value): one is readonly Member[] => typeof one === 'object' && one !== null
  const under = (one: Value, name: string): Value[] =>
    isObject(one) ? one.filter(([key]) => fold(key) === name).map(([, inner]) => inner) : []

  it('no num_ctx and no stream is missed, and no other key is taken for one', () => {
    const random = createRandom(4096)
    const seen = new Map<string, number>()
    for (let i = 0; i < 3000; i++) {
      const body = members(random, 3)
      const bytes = Buffer.from(written(random, body))
      const contexts = under(body, 'options').flatMap((options) => under(options, 'num_ctx'))
      const tooLong = contexts.some((one) => one !== null && !(typeof one === 'number' && one <= 4096))
      const streams = under(body, 'stream')
      const wouldStream = streams.includes(true) || streams.at(-1) !== false
      const expected = tooLong ? TOO_LONG : wouldStream ? STREAMS : ''
      for (const ends of [[bytes.length], byteEnds(bytes.length), randomEnds(random, bytes.length)]) {
        const refused = judgeBody(BOTH, matchEndpoint('/api/generate'), undefined, cutAt(bytes, ends), true)
        expect([bytes.toString(), refused?.message ?? '']).toEqual([
          bytes.toString(),
          expected === '' ? '' : `ollascope: ${expected}`,
        ])
      }
      seen.set(expected, (seen.get(expected) ?? 0) + 1)
    }
    expect(Math.min(...seen.values())).toBeGreaterThan(50)
    expect(seen.size).toBe(3)
  })
})
