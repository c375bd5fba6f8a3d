import { describe, expect, it } from 'vitest'
import { nativeExtractor } from '../../../src/ollama/native-usage.ts'
import { APIS, type Api } from './apis.ts'
import { feed, feedEveryWay, lines, NDJSON } from './feed.ts'
import { GOOD } from './recorded.ts'

const apis = APIS.map((api) => [api.title, api] as const)
const withReason = apis.filter(([, { reasons }]) => reasons !== undefined)
const streams = apis.filter(([, { chunks }]) => chunks > 0)
const plain = apis.filter(([, { chunks }]) => chunks === 0)

const read = ({ head, extractor }: Api, body: string) => feedEveryWay(head, extractor, body)

/** What a good answer says, with other numbers. */
function good(api: Api, usage: Readonly<Record<string, number>> = api.usage) {
  const reason = api.reasons === undefined ? undefined : 'stop'
  const { chunks, hasContent } = api
  return { reason, finished: true, errorText: undefined, hasContent, chunks, usage, verdict: reason ?? 'success' }
}

describe('a good answer', () => {
  it.each(apis)('%s', (_title, api) => expect(read(api, api.answer())).toEqual(good(api)))
})

const NO_COUNTS = [
  '"7"',
  '""',
  '"NaN"',
  '-1',
  '-7e0',
  '1.5',
  '1e308',
  '-1e308',
  '1e400',
  '-1e400',
  '9007199254740993',
].concat(['null', 'true', 'false', '[]', '[7]', '{}', '{"a":7}', '[[[7]]]', '7e-1', '1e17'])

describe('what is JSON and no count', () => {
  it.each(apis)('%s', (_title, api) => {
    for (const count of NO_COUNTS) expect(read(api, api.answer({ count })), count).toEqual(good(api, {}))
  })
})

const NUMBERS = { '0': 0, '7': 7, '7.0': 7, '70e-1': 7, '0.7E+1': 7, '9007199254740991': 2 ** 53 - 1 }

describe('a count in any spelling', () => {
  it.each(apis)('%s', (_title, api) => {
    for (const [count, number] of Object.entries(NUMBERS)) {
      const usage = Object.fromEntries(Object.keys(api.usage).map((name) => [name, number]))
      expect(read(api, api.answer({ count })), count).toEqual(good(api, usage))
    }
  })
})

const NO_JSON = [
  'NaN',
  'Infinity',
  '-Infinity',
  '-NaN',
  '07',
  '+7',
  '.7',
  '7.',
  '7e',
  '0x7',
  '7n',
  '1_000',
  '--7',
].concat(['undefined', 'True', 'NULL', "'7'", '', '7 7', '[7', '7]', '"7', '7,', '"a":7', `7${'0'.repeat(90)}x`])

describe('what is no JSON takes its record with it', () => {
  it.each(apis.filter(([title]) => title !== 'old embed'))('%s', (_title, api) => {
    const { finished, verdict } = api.without
    for (const count of NO_JSON) {
      const said = read(api, api.answer({ count }))
      expect(said, count).toMatchObject({ finished, verdict, usage: {}, errorText: undefined, chunks: api.chunks })
      expect(Object.values(said.usage), count).toEqual([])
    }
  })
})

describe('durations', () => {
  const answer = (value: string) =>
    lines(
      `{"done":true,"total_duration":${value},"load_duration":${value},"prompt_eval_duration":${value},"eval_duration":${value}}`,
    )

  it.each(['"7"', '-1', '1e308', '1e400', 'null', 'true', '[7]', '{}', '3.2e17'])('cannot be %s', (value) => {
    const said = feedEveryWay(NDJSON, nativeExtractor, answer(value))
    expect(said).toMatchObject({ finished: true, verdict: 'success' })
    expect(said.usage).toEqual({})
  })

  it.each([
    ['0', 0],
    ['1.5', 1.5e-9],
    ['9007199254740993', 9007199.254740992],
    ['3e17', 3e8],
  ])('can be %s', (value, seconds) => {
    const { usage } = feedEveryWay(NDJSON, nativeExtractor, answer(value))
    const { totalSeconds, loadSeconds, promptEvalSeconds, evalSeconds } = usage
    expect([totalSeconds, loadSeconds, promptEvalSeconds, evalSeconds]).toEqual(Array(4).fill(seconds))
  })
})

describe('a reason that is none', () => {
  it.each(withReason)('%s: no text', (_title, api) => {
    for (const reason of ['7', 'null', 'true', '[]', '["stop"]', '{}', '{"a":"stop"}']) {
      const said = read(api, api.answer({ reason }))
      // A whole answer of these says by its reason that it is whole.
      const tells = api.chunks > 0 || api.title === 'native'
      const verdict = tells ? 'success' : 'truncated truncated'
      expect(said, reason).toEqual({ ...good(api), reason: undefined, finished: tells, verdict })
    }
  })

  it.each(withReason)('%s: a word that nobody knows', (_title, api) => {
    for (const word of ['banana', 'STOP', 'constructor', '__proto__', 'toString', 'x'.repeat(5000)]) {
      const said = read(api, api.answer({ reason: JSON.stringify(word) }))
      expect(said, word).toEqual({ ...good(api), reason: word.slice(0, 2048), verdict: 'success' })
    }
  })

  it.each(withReason)('%s: half a surrogate pair', (_title, api) => {
    const said = read(api, api.answer({ reason: String.raw`"a\ud800b\udc00"` }))
    expect(said).toEqual({ ...good(api), reason: 'a\ufffdb\ufffd', verdict: 'success' })
  })

  it.each(withReason)('%s: the length limit', (_title, api) => {
    const said = read(api, api.answer({ reason: JSON.stringify(api.reasons?.[1]) }))
    expect(said).toEqual({ ...good(api), reason: 'length', verdict: 'length' })
  })
})

const UNKNOWN = [
  '"model":["a"]',
  '"model":{"done":true}',
  '"model":7',
  '"x":{"done":true,"done_reason":"length","eval_count":9,"usage":{"prompt_tokens":9,"input_tokens":9},"type":"error"}',
  String.raw`"x":"\ud800\udc00\ud800 \" \\ \n {}[],:\u0000"`,
  '"é\ud800":"\udfff"',
  '"":""',
  `"x":${'['.repeat(10_000)}${']'.repeat(10_000)}`,
  `"x":${'{"error":'.repeat(10_000)}7${'}'.repeat(10_000)}`,
  '"error":null',
  '"error_text":"x","Error":"x","errors":["x"]',
  '"delta":null,"usage.input_tokens":9,"usage":null',
]

describe('members that nobody knows', () => {
  it.each(apis)('%s', (_title, api) => {
    for (const extra of UNKNOWN) {
      const body = Buffer.from(api.answer({ extra }))
      const pieces = body.length > 50_000 ? [body.subarray(0, 9999), body.subarray(9999)] : undefined
      const said = pieces === undefined ? read(api, body.toString()) : feed(api.head, api.extractor, pieces)
      expect(said, extra.slice(0, 40)).toEqual(good(api))
    }
  })

  it.each(apis)('%s: nested and never closed', (_title, api) => {
    const said = feed(api.head, api.extractor, [Buffer.from(api.answer({ extra: `"x":${'[{"a":'.repeat(10_000)}7` }))])
    expect(said).toMatchObject({ usage: {}, ...api.without })
  })
})

describe('keys that stand twice', () => {
  it.each(apis)('%s: the last counts', (_title, api) => {
    const twice = (first: string, last: string) =>
      api.answer({ count: 'COUNT' }).replaceAll(/"(\w+)":COUNT/g, `"$1":${first},"$1":${last}`)
    expect(read(api, twice('9', '7'))).toEqual(good(api))
    expect(read(api, twice('{"a":9}', '7'))).toEqual(good(api))
    expect(read(api, twice('9', '"7"'))).toEqual(good(api, {}))
    expect(read(api, twice('9', 'null'))).toEqual(good(api, {}))
  })

  it('native: done twice', () => {
    const last = '"done_reason":"stop","eval_count":7}'
    const said = feedEveryWay(NDJSON, nativeExtractor, lines(`{"done":true,"done":false,${last}`))
    expect(said).toMatchObject({ finished: false, reason: undefined, usage: {}, verdict: 'truncated truncated' })
    expect(feedEveryWay(NDJSON, nativeExtractor, lines(`{"done":false,"done":true,${last}`)).verdict).toBe('stop')
  })
})

/** What stands as an error, and the text that it has: `undefined` where it is none. */
const ERRORS: readonly (readonly [value: string, text: string | undefined])[] = [
  ['"boom"', 'boom'],
  ['{"message":"boom"}', 'boom'],
  ['{"code":500,"type":"x","param":null,"message":"boom"}', 'boom'],
  [String.raw`"{\"error\":{\"code\":400,\"message\":\"boom\"}}"`, '{"error":{"code":400,"message":"boom"}}'],
  ['""', ''],
  ['{"message":""}', ''],
  [String.raw`"\ud800"`, '\ufffd'],
  ['null', undefined],
  ['false', undefined],
  ['7', undefined],
]
const ERRORS_WITHOUT_TEXT = ['{}', '[]', '["boom"]', '[{"message":"boom"}]', '{"message":{"message":"boom"}}'].concat([
  '{"message":null}',
  '{"error":{"message":"boom"}}',
  `${'{"a":'.repeat(10_000)}7${'}'.repeat(10_000)}`,
])

describe('an error in an answer with status 200', () => {
  it.each(apis)('%s: alone', (_title, api) => {
    for (const [value, errorText] of ERRORS) {
      const verdict = errorText === undefined ? 'truncated truncated' : 'error stream_error'
      const expected = { reason: undefined, finished: false, hasContent: false, usage: {}, errorText, verdict }
      expect(read(api, api.error(value)), value).toEqual({ ...expected, chunks: api.chunks > 0 ? 1 : 0 })
    }
  })

  it.each(streams)('%s: behind what looks like a good answer', (_title, api) => {
    for (const [value, errorText] of ERRORS) {
      const verdict = errorText === undefined ? good(api).verdict : 'error stream_error'
      const said = read(api, api.answer() + api.error(value))
      expect(said, value).toEqual({ ...good(api), errorText, verdict, chunks: api.chunks + 1 })
    }
  })

  it.each(plain)('%s: beside the rest', (_title, api) => {
    for (const [value, errorText] of ERRORS) {
      const verdict = errorText === undefined ? good(api).verdict : 'error stream_error'
      const said = read(api, api.answer({ extra: `"error":${value}` }))
      expect(said, value).toEqual({ ...good(api), errorText, verdict })
    }
  })

  it.each(apis)('%s: an object without a text', (title, api) => {
    for (const value of ERRORS_WITHOUT_TEXT) {
      const { verdict, usage, finished } = feed(api.head, api.extractor, [Buffer.from(api.error(value))])
      expect({ usage, finished }, value.slice(0, 40)).toEqual({ usage: {}, finished: false })
      if (title.startsWith('native')) expect(GOOD.has(verdict)).toBe(false)
      else expect(verdict).toBe('error stream_error')
    }
  })

  it.each(streams.filter(([title]) => !title.startsWith('native')))(
    '%s: one without a text, then an end',
    (_title, api) => {
      for (const value of ERRORS_WITHOUT_TEXT) {
        const body = Buffer.from(api.error(value) + api.answer())
        const said = feed(api.head, api.extractor, [body])
        expect(said).toEqual({ ...good(api), errorText: '', verdict: 'error stream_error', chunks: api.chunks + 1 })
      }
    },
  )
})

describe('an error status', () => {
  it.each(apis)('%s: only the error is read', (_title, api) => {
    for (const [value, errorText] of ERRORS) {
      const said = feedEveryWay({ ...api.head, status: 500 }, api.extractor, api.answer() + api.error(value))
      const text = api.chunks > 0 ? errorText : undefined // two documents in one are no JSON
      expect(said, value).toEqual({
        ...{ reason: undefined, finished: false, hasContent: false, usage: {}, verdict: 'error other' },
        ...{ errorText: text, chunks: api.chunks > 0 ? api.chunks + 1 : 0 },
      })
    }
  })
})
