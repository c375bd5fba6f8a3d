import { describe, expect, it } from 'vitest'
import { embedExtractor, oldEmbeddingExtractor, openaiEmbeddingExtractor } from '../../../src/ollama/embedding-usage.ts'
import { extract } from './extract.ts'
import { feedEveryWay, PLAIN } from './feed.ts'

// Recorded: embed, embeddings, v1-embeddings and embed-unsupported of 0.33, all but the first numbers of the vectors left out.
const embed =
  '{"model":"all-minilm:l6","embeddings":[[-0.06288156,0.054923642,-5.8499843e-33]],"total_duration":280900953,"load_duration":268752954,"prompt_eval_count":3}'
const old = '{"embedding":[0.051537130028009415,0.007169841788709164]}'
const openai =
  '{"object":"list","data":[{"object":"embedding","embedding":[-0.06287097,0.054901306],"index":0},{"object":"embedding","embedding":[-0.05001805,-0.0077138836],"index":1}],"model":"all-minilm:l6","usage":{"prompt_tokens":6,"total_tokens":6}}'
const unsupported = '{"error":"This server does not support embeddings. Start it with `--embeddings`"}'

const APIS = [
  ['embed', embedExtractor, embed, { inputTokens: 3, totalSeconds: 0.280900953, loadSeconds: 0.268752954 }],
  ['old', oldEmbeddingExtractor, old, {}],
  ['openai', openaiEmbeddingExtractor, openai, { inputTokens: 6 }],
] as const
const NOTHING = { finished: false, errorText: undefined, usage: {}, verdict: 'truncated truncated' }

describe.each(APIS)('%s', (_title, extractor, whole, usage) => {
  const read = (body: string) => feedEveryWay(PLAIN, extractor, body)
  const said = read(whole)

  it('reads a recorded answer', () => {
    expect(said).toEqual({
      ...{ reason: undefined, finished: true, errorText: undefined, hasContent: false, chunks: 0 },
      ...{ usage, verdict: 'success' },
    })
  })

  it('is no answer without its vectors', () => {
    const bare = whole.replaceAll(/"(embeddings?|data)":/g, '"x$1":')
    expect(read(bare)).toMatchObject({ finished: false, usage, verdict: 'truncated truncated' })
    for (const value of ['null', '7', '"AACAPw=="', 'false']) {
      expect(read(`{"embeddings":${value},"embedding":${value},"data":${value}}`), value).toMatchObject(NOTHING)
    }
    const none = read('{"embeddings":[],"embedding":[],"data":[]}')
    expect(none).toMatchObject({ finished: true, usage: {}, verdict: 'success' })
  })

  it('is no answer unless it is whole', () => {
    for (const body of ['', '{}', whole.slice(0, -1), `${whole},`, `[${whole}]`])
      expect(read(body)).toMatchObject(NOTHING)
  })

  it.each([
    [unsupported, 'This server does not support embeddings. Start it with `--embeddings`', 'caller_error unsupported'],
    ['{"error":{"message":"boom","type":"api_error","param":null,"code":null}}', 'boom', 'error stream_error'],
    [String.raw`{"error":"{\"error\":{\"message\":\"boom\"}}"}`, '{"error":{"message":"boom"}}', 'error stream_error'],
    ['{"error":{"code":500}}', '', 'error stream_error'],
    ['{"error":""}', '', 'error stream_error'],
    ['{"error":null}', undefined, 'truncated truncated'],
  ])('reads an error: %s', (error, errorText, verdict) => {
    expect(read(error)).toMatchObject({ finished: false, errorText, usage: {}, verdict })
    const beside = read(whole.replace('{', `${error.slice(0, -1)},`))
    expect(beside).toMatchObject({ finished: true, errorText, usage })
    expect(beside.verdict).toBe(errorText === undefined ? 'success' : verdict)
  })

  it('says its end by being whole, and by no marker', () => {
    expect(extractor).toMatchObject({ saysFinished: true, doneMarker: false })
  })
})

describe('the numbers', () => {
  it('of the last of two keys count', () => {
    expect(feedEveryWay(PLAIN, embedExtractor, `{"prompt_eval_count":9,${embed.slice(1)}`).usage.inputTokens).toBe(3)
    const twice = openai.replace('"prompt_tokens":6', '"prompt_tokens":9,"prompt_tokens":6')
    expect(feedEveryWay(PLAIN, openaiEmbeddingExtractor, twice).usage).toEqual({ inputTokens: 6 })
  })

  it('of an inner object are none', () => {
    const inner = { x: { prompt_eval_count: 9, usage: { prompt_tokens: 9 } }, embeddings: [{ prompt_eval_count: 9 }] }
    expect(extract(embedExtractor, [inner], false)).toMatchObject({ finished: true, usage: {} })
    const outer = { prompt_tokens: 9, data: [{ usage: { prompt_tokens: 9 } }], usage: [{ prompt_tokens: 9 }] }
    expect(extract(openaiEmbeddingExtractor, [outer], false)).toMatchObject({ finished: true, usage: {} })
  })

  it.each([-1, 1.5, '7', null, true, {}, [7], 2 ** 53])('are not %j', (value) => {
    const answer = { embeddings: [], prompt_eval_count: value, data: [], usage: { prompt_tokens: value } }
    for (const extractor of [embedExtractor, openaiEmbeddingExtractor]) {
      const { usage, finished } = extract(extractor, [answer], false)
      expect(finished).toBe(true)
      expect(usage).toEqual({})
    }
  })
})
