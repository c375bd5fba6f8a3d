import { describe, expect, it } from 'vitest'
import { RequestObserver } from '../../../src/ollama/request.ts'
import { byteEnds, createRandom, cutAt, randomEnds } from '../../helpers/random.ts'

const MIB = 1024 * 1024

function feed(pieces: Iterable<Buffer>) {
  const observer = new RequestObserver()
  for (const piece of pieces) observer.push(piece)
  observer.end()
  const { model, stream } = observer.facts()
  return { model: model.kind === 'named' ? `= ${model.name}` : model.kind, stream }
}

function* views(bytes: Buffer, sizeOf: () => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const size = sizeOf()
    yield bytes.subarray(at, at + size)
    at += size
  }
}

/** The same in every way of cutting the body, or the test fails. */
function read(body: string | Buffer) {
  const bytes = Buffer.from(body)
  const whole = feed(bytes.length === 0 ? [] : [bytes])
  const random = createRandom(bytes.length)
  if (bytes.length > MIB) {
    expect(feed(views(bytes, () => 64 * 1024))).toEqual(whole)
    expect(feed(views(bytes, () => (random.chance(0.3) ? 1 : 1 + random.below(100_000))))).toEqual(whole)
  } else {
    const feeds = [byteEnds(bytes.length), randomEnds(random, bytes.length), randomEnds(random, bytes.length)]
    for (const ends of feeds) expect(feed(cutAt(bytes, ends))).toEqual(whole)
  }
  return whole
}

const modelOf = (body: string | Buffer) => read(body).model

describe('a model that is none', () => {
  it.each([
    ...['["a"]', '[]', '{}', '{"name":"a"}', '[[["a"]]]', '7', '-7.5e3', '0', 'true', 'false', '1e400'],
    ...[`"${'m'.repeat(129)}"`, `"${'é'.repeat(129)}"`, `"${'😀'.repeat(65)}"`, `"${'\\u006d'.repeat(129)}"`],
    `"${'m'.repeat(5000)}"`,
    '7'.repeat(1000),
    `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
  ])('%s', (value) => {
    expect(modelOf(`{"stream":true,"model":${value}}`)).toBe('invalid')
    expect(modelOf(`{"model":${value},"prompt":"x"}`)).toBe('invalid')
    // It is no absent one: nothing else is taken for it.
    expect(modelOf(`{"model":${value},"name":"b"}`)).toBe('invalid')
  })

  it.each(['""', 'null'])('but absent: %s', (value) => {
    expect(modelOf(`{"model":${value}}`)).toBe('none')
    expect(modelOf(`{"model":${value},"name":"b"}`)).toBe('= b')
    expect(modelOf(`{"model":${value},"name":${value},"source":"c"}`)).toBe('= c')
  })
})

describe('the longest model', () => {
  it.each(['m', 'é', '名'])('has 128 of %s', (character) => {
    const name = character.repeat(128)
    const escaped = Array.from(name, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
    for (const text of [name, escaped]) expect(modelOf(`{"model":"${text}"}`)).toBe(`= ${name}`)
  })
})

describe('the name of a model', () => {
  it.each([
    [String.raw`a\ud800`, 'a\ufffd'],
    [String.raw`\udc00\ud83d\ude00`, '\ufffd😀'],
    [String.raw`a\u0000\n\"\\\/b`, 'a\0\n"\\/b'],
    [String.raw`a\x`, String.raw`a\x`],
    [String.raw`a\u12`, String.raw`a\u12`],
  ])('with escapes: %s', (text, name) => expect(modelOf(`{"model":"${text}"}`)).toBe(`= ${name}`))

  it.each([
    [[0xff], '\ufffd'],
    [[0xc3], '\ufffd'],
    [[0xc3, 0xa9], 'é'],
    [[0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
    [[0xf0, 0x9f, 0x98, 0x80], '😀'],
    [[0], '\0'],
  ])('with the bytes %j', (bytes, name) => {
    const body = Buffer.concat([Buffer.from('{"model":"a'), Buffer.from(bytes), Buffer.from('"}')])
    expect(modelOf(body)).toBe(`= a${name}`)
  })
})

describe('keys as Go takes them', () => {
  it.each([
    ['{"MODEL":"a"}', '= a'],
    ['{"mOdEl":"a"}', '= a'],
    ['{"\\u004dODEL":"a"}', '= a'],
    ['{"NAME":"a"}', '= a'],
    ['{"SOURCE":"a"}', '= a'],
    ['{"ſource":"a"}', '= a'],
    ['{"ſOURCE":"b","source":"a"}', '= a'],
    ['{"model":"b","MODEL":"a"}', '= a'],
    ['{"MODEL":"b","model":"a"}', '= a'],
    ['{"model":["b"],"model":"a"}', '= a'],
    ['{"model":"b","model":["a"]}', 'invalid'],
    ['{" model":"a","model ":"a","mo\\u0000del":"a","mödel":"a"}', 'none'],
    ['{"":"a","mode":"a","models":"a","modelmodel":"a"}', 'none'],
    [`{"model${' '.repeat(300)}":"a"}`, 'none'],
    [`{"\\u006d\\u006f\\u0064\\u0065\\u006c":"a"}`, '= a'],
    ['{"x":{"model":"b"},"options":{"model":"b"},"messages":[{"model":"b","name":"c"}]}', 'none'],
    ['{"model.name":"a","options.model":"a"}', 'none'],
    ['{"__proto__":{"model":"a"},"constructor":"a"}', 'none'],
  ])('%s', (body, model) => expect(modelOf(body)).toBe(model))

  it.each([
    ['{"STREAM":false}', false],
    ['{"ſtream":true}', true],
    ['{"stream":false,"ſTREAM":true}', true],
    ['{"ſtream":true,"stream":false}', false],
    ['{"ßtream":true,"ﬅream":true}', undefined],
    ['{"stream":"true"}', undefined],
    ['{"stream":"false"}', undefined],
    ['{"stream":0}', undefined],
    ['{"stream":1}', undefined],
    ['{"stream":[true]}', undefined],
    ['{"stream":{"stream":true}}', undefined],
    ['{"stream_options":{"stream":true}}', undefined],
    ['{"stream":TRUE}', undefined],
    ['{"stream":true,"stream":"false"}', undefined],
    ['{"stream":true', undefined],
    ['{"stream":true ', true],
  ])('%s', (body, stream) => expect(read(body).stream).toBe(stream))
})

describe('a body that is no object', () => {
  it.each([
    ...['null', 'true', '7', '"model"', '[]', '[{"model":"a"}]', 'model=a&stream=true', '--x\r\nmodel', '}', ':', ','],
    ...['{', '{"', '{"model', '{"model"', '{"model":', '{"model":"a', '{model:"a"}', "{'model':'a'}", '{"model" "a"}'],
    ...['{"prompt":"x",}', '{"prompt":[1,],}', '{"prompt":nul}', '{"a":1}}', '{"a":1}{"model":"b"}', '{{}}'],
    ...['\ufeff{"model":"a"}', '\0{"model":"a"}', ' ', '\n\n', '['.repeat(10_000), `{"a":${'['.repeat(10_000)}`],
  ])('%j', (body) => expect(read(body)).toEqual({ model: 'invalid', stream: undefined }))

  it('of which nothing came names no model', () => expect(read('')).toEqual({ model: 'none', stream: undefined }))

  it.each([
    '{"model":"a"',
    '{"model":"a",',
    '{"model":"a"]',
    '{"model":"a"}}',
    '{"model":"a"}{"model":"b"}',
    '{"model":"a" x',
  ])('but named one: %s', (body) => expect(modelOf(body)).toBe('= a'))

  it.each([
    Buffer.alloc(1000),
    Buffer.alloc(1000, 0xff),
    Buffer.from([0x1f, 0x8b, 8, 0, 0]),
    Buffer.from('{}', 'utf16le'),
  ])('bytes: %j', (body) => expect(read(body)).toEqual({ model: 'invalid', stream: undefined }))
})

describe('a body of 16 MiB', () => {
  const long = 'y'.repeat(16 * MIB)
  const known = { model: '= a', stream: false }

  it.each([
    ['a prompt before the model', `{"prompt":"${long}","model":"a","stream":false}`, known],
    ['the model before the prompt', `{"model":"a","stream":false,"prompt":"${long}"}`, known],
    ['the model before a prompt that does not end', `{"model":"a","stream":false,"prompt":"${long}`, known],
    ['a prompt of quotes', `{"prompt":"${'\\"model\\":'.repeat(MIB)}","model":"a","stream":false}`, known],
    ['a prompt of backslashes', `{"prompt":"${'\\\\'.repeat(8 * MIB)}","model":"a","stream":false}`, known],
    ['messages', `{"messages":[${'{"model":"b","content":"x"},'.repeat(MIB / 2)}7],"model":"a","stream":false}`, known],
    ['brackets', `{"x":${'['.repeat(MIB)}${']'.repeat(MIB)},"model":"a","stream":false}`, known],
    ['a key', `{"${long}":1,"model":"a","stream":false}`, known],
    ['a key that begins as model', `{"model${long}":1}`, { model: 'none', stream: undefined }],
    ['a number', `{"x":${'7'.repeat(MIB)},"model":"a","stream":false}`, known],
    ['white space', `${' '.repeat(16 * MIB)}{"model":"a","stream":false}`, known],
    ['a model', `{"model":"${long}","stream":false}`, { model: 'invalid', stream: false }],
    ['a model that is a number', `{"model":${'7'.repeat(MIB)},"stream":false}`, { model: 'invalid', stream: false }],
    ['a stream', `{"stream":"${long}","model":"a"}`, { model: '= a', stream: undefined }],
    ['no JSON', long, { model: 'invalid', stream: undefined }],
    ['a prompt that does not end', `{"prompt":"${long}`, { model: 'invalid', stream: undefined }],
  ])('%s', (_what, body, expected) => expect(read(Buffer.from(body, 'latin1'))).toEqual(expected))
})
