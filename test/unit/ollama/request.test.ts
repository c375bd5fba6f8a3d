import { describe, expect, it } from 'vitest'
import { RequestObserver } from '../../../src/ollama/request.ts'
import { retainedBy } from '../../helpers/memory.ts'
import { byteEnds, createRandom, cutAt, randomEnds } from '../../helpers/random.ts'

function read(text: string | Buffer) {
  const bytes = Buffer.from(text)
  const feeds = [[bytes.length], byteEnds(bytes.length), randomEnds(createRandom(bytes.length), bytes.length)]
  const [whole, ...cut] = feeds.map((ends) => {
    const observer = new RequestObserver()
    for (const piece of cutAt(bytes, bytes.length === 0 ? [] : ends)) observer.push(piece)
    observer.end()
    return observer.facts()
  })
  for (const facts of cut) expect(facts).toEqual(whole)
  return whole ?? expect.fail('no feed')
}

const longest = 'm'.repeat(128)

describe('a body that is still on its way', () => {
  it('is no broken one: what it has not said yet is not known', () => {
    const observer = new RequestObserver()
    observer.push(Buffer.from('{"messages":[{"role":"user"'))
    expect(observer.facts().model).toEqual({ kind: 'none' })
    observer.push(Buffer.from('}],"model":"a"'))
    expect(observer.facts().model).toEqual({ kind: 'named', name: 'a' })
  })
})

describe('the model', () => {
  it.each([
    ['{"model":"a","prompt":"x"}', 'a'],
    ['{"prompt":"\\"model\\":\\"no\\"","options":{"model":"no"},"messages":[{"model":"no"}],"model":"a"}', 'a'],
    ['{"name":"a"}', 'a'],
    ['{"source":"a","destination":"b"}', 'a'],
    ['{"name":"b","model":"a"}', 'a'],
    ['{"model":"","name":"a"}', 'a'],
    ['{"model":null,"source":"a"}', 'a'],
    ['{"MODEL":"b","Model":"a"}', 'a'],
    ['{"model":"b","model":"a"}', 'a'],
    ['{"model":"\\u0061/\\u00e9:名"}', 'a/é:名'],
    ['{"model":"a", no more JSON', 'a'],
    [`{"model":"${longest}"}`, longest],
  ])('of %s', (text, name) => expect(read(text).model).toEqual({ kind: 'named', name }))

  it.each(['{}', '{"prompt":"x"}', '{"model":""}', '{"model":null}', ''])('of %j is none', (text) =>
    expect(read(text).model).toEqual({ kind: 'none' }),
  )

  it.each([
    '[]',
    '"a"',
    'x',
    '{"prompt":',
    '{"model":1}',
    '{"model":true}',
    '{"model":["a"]}',
    '{"model":{"name":"a"}}',
    `{"model":"${longest}m"}`,
    `{"model":"${'m'.repeat(9000)}"}`,
    '{"model":"a"',
  ])('of %j is invalid, or known already', (text) => {
    const { model } = read(text)
    if (text === '{"model":"a"') expect(model).toEqual({ kind: 'named', name: 'a' })
    else expect(model).toEqual({ kind: 'invalid' })
  })

  it('of compressed bytes is invalid', () => {
    expect(read(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x05, 0x29])).model).toEqual({ kind: 'invalid' })
  })
})

describe('the stream flag', () => {
  it.each([
    ['{"stream":true}', true],
    ['{"stream":false}', false],
    ['{"Stream":false}', false],
    ['{"stream":true,"stream":false}', false],
    ['{"options":{"stream":true}}', undefined],
    ['{"stream":null}', undefined],
    ['{"stream":"true"}', undefined],
    ['{"stream":1}', undefined],
    ['', undefined],
  ])('of %j is %s', (text, stream) => expect(read(text).stream).toBe(stream))
})

describe('a long body', () => {
  it('is not held, and what stands behind it is read', () => {
    const observer = new RequestObserver()
    observer.push(Buffer.from('{"prompt":"'))
    const retained = retainedBy(() => {
      for (let i = 0; i < 250; i++) observer.push(Buffer.alloc(64 * 1024, 'x'))
    })
    observer.push(Buffer.from('","model":"a","stream":false}'))
    expect(retained).toBeLessThan(2)
    expect(observer.facts()).toMatchObject({ model: { kind: 'named', name: 'a' }, stream: false })
  })
})
