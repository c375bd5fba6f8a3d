import { describe, expect, it } from 'vitest'
import { JsonScanner, MAX_STRING_BYTES } from '../../../src/ollama/json-scanner.ts'
import type { JsonValue } from '../../../src/ollama/json-value.ts'
import { compilePaths } from '../../../src/ollama/paths.ts'
import { retainedBy } from '../../helpers/memory.ts'
import { byteEnds, createRandom, cutAt, randomEnds } from '../../helpers/random.ts'

type Told = readonly [path: string, value: JsonValue]

/** What a scanner says of a text, in every way of cutting it: the same, or the test fails. */
function scan(paths: readonly string[], text: string | Buffer, foldCase = false) {
  const bytes = Buffer.from(text)
  const feeds = [[bytes.length], byteEnds(bytes.length), randomEnds(createRandom(bytes.length), bytes.length)]
  const results = feeds.map((ends) => {
    const told: Told[] = []
    const scanner = new JsonScanner(compilePaths(paths), (path, value) => told.push([path, value]), foldCase)
    for (const piece of cutAt(bytes, ends)) scanner.push(piece)
    return { told, complete: scanner.complete, failed: scanner.failed }
  })
  const [whole, ...cut] = results
  for (const result of cut) expect(result).toEqual(whole)
  return whole ?? expect.fail('no feed')
}

const toldOf = (paths: readonly string[], text: string, foldCase = false) => scan(paths, text, foldCase).told

describe('wanted places', () => {
  it('are found in any order and depth', () => {
    const paths = ['a', 'b.c', 'b.d.e', 'f[].g', 'f[].h[]']
    const text = '{"f":[{"h":[1,2],"g":"x"},{"g":"y"}],"b":{"d":{"e":true},"c":null},"a":-1.5e3}'
    expect(toldOf(paths, text)).toEqual([
      ['f[].h[]', 1],
      ['f[].h[]', 2],
      ['f[].g', 'x'],
      ['f[].g', 'y'],
      ['b.d.e', true],
      ['b.c', null],
      ['a', -1500],
    ])
  })

  it('are not confused with the same keys elsewhere', () => {
    const text = '{"x":{"a":1,"b":{"c":2}},"b":[{"c":3}],"c":4,"y":[{"a":5}],"z":"\\"a\\":6","b.c":7,"a":{"a":8}} '
    expect(toldOf(['a', 'b.c'], text)).toEqual([['a', undefined]])
  })

  it('are told where they hold an object or an array, whose contents are told too', () => {
    expect(toldOf(['a', 'a.b', 'c', 'c[]'], '{"a":{"b":1},"c":[{"a":2},[],3]}')).toEqual([
      ['a', undefined],
      ['a.b', 1],
      ['c', undefined],
      ['c[]', undefined],
      ['c[]', undefined],
      ['c[]', 3],
    ])
  })

  it('are told each time: the caller chooses between duplicates', () => {
    expect(toldOf(['a'], '{"a":1,"a":"2","a":{}}')).toEqual([
      ['a', 1],
      ['a', '2'],
      ['a', undefined],
    ])
  })

  it('are no elements of an array where a key is written like one', () => {
    expect(toldOf(['a[]', 'a[].b'], '{"a":{"[]":{"b":1}}}')).toEqual([])
  })

  it('may be empty', () => {
    expect(toldOf(['a', 'b', 'c', 'd[]'], '{"a":"","b":{},"c":[],"d":[]}')).toEqual([
      ['a', ''],
      ['b', undefined],
      ['c', undefined],
    ])
  })
})

describe('strings', () => {
  it.each([
    ['quotes and backslashes', String.raw`a\"b\\`, 'a"b\\'],
    ['runs of backslashes', String.raw`\\\\\\\"\\\\`, '\\\\\\"\\\\'],
    ['all short escapes', String.raw`\b\f\n\r\t\/`, '\b\f\n\r\t/'],
    ['escaped units', String.raw`\u00e9\ud83d\ude00A`, 'é😀A'],
    ['plain Unicode', 'né 名前 😀', 'né 名前 😀'],
    ['what looks like structure', '{}[],:', '{}[],:'],
  ])('with %s', (_what, raw, text) => {
    expect(toldOf(['a', 'b'], `{"a":"${raw}","x":"${raw}","y":["${raw}"],"b":"${raw}"}`)).toEqual([
      ['a', text],
      ['b', text],
    ])
  })

  it('are as they stand where an escape is broken', () => {
    expect(toldOf(['a', 'b'], String.raw`{"a":"\x","b":1}`)).toEqual([
      ['a', String.raw`\x`],
      ['b', 1],
    ])
  })

  it('are cut at the bound', () => {
    const long = 'x'.repeat(MAX_STRING_BYTES)
    const both = ['a', 'b']
    expect(toldOf(both, `{"a":"${long}","b":1}`)).toEqual([
      ['a', long],
      ['b', 1],
    ])
    expect(toldOf(both, `{"a":"${long}y","b":1}`)).toEqual([
      ['a', long],
      ['b', 1],
    ])
    const escaped = `${'x'.repeat(MAX_STRING_BYTES - 1)}\\"`
    expect(toldOf(both, `{"a":"${escaped}","b":1}`)).toEqual([
      ['a', `${'x'.repeat(MAX_STRING_BYTES - 1)}\\`],
      ['b', 1],
    ])
  })
})

describe('keys', () => {
  it('may hold escapes', () => {
    expect(toldOf(['a"b', 'é'], String.raw`{"\u0061\"b":1,"\u00e9":2,"é":3}`)).toEqual([
      ['a"b', 1],
      ['é', 2],
      ['é', 3],
    ])
  })

  it('are not taken for a wanted one that they begin with', () => {
    const long = 'a'.repeat(200)
    expect(toldOf(['a', long.slice(0, 100)], `{"${long}":1,"aa":2,"":3,"A":4}`)).toEqual([])
  })

  it('are compared without case only where that is asked for', () => {
    const text = '{"MODEL":1,"Model":2,"model":3,"\\u004dodel":4,"Usage":{"Tokens":5}}'
    expect(toldOf(['model'], text)).toEqual([['model', 3]])
    expect(toldOf(['model', 'usage.tokens'], text, true).map(([, value]) => value)).toEqual([1, 2, 3, 4, 5])
  })

  it('of objects that everything inherits are ordinary', () => {
    expect(toldOf(['__proto__', 'constructor'], '{"__proto__":1,"constructor":2,"toString":3}')).toHaveLength(2)
  })
})

describe('the end', () => {
  it.each(['{}', ' {} ', '\r\n\t{ "a" : [ 1 , 2 ] , "b" : { } }\n', '{"a":1}', '{"x":[[[{"y":"}"}]]]}'])(
    'of %j is seen',
    (text) => expect(scan(['a', 'b', 'a[]'], text)).toMatchObject({ complete: true, failed: false }),
  )

  it.each([
    '',
    ' ',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":"',
    '{"a":"\\"}',
    '{"x":"}',
    '{"x":[}',
    '{"a":[1,',
    '{"a":{',
  ])('of %j is not there yet', (text) =>
    expect(scan(['a', 'a.b', 'a[]'], text)).toMatchObject({ complete: false, failed: false }),
  )

  it.each([
    '[]',
    '"a"',
    '1',
    'null',
    'x',
    '}',
    '{}{',
    '{}}',
    '{}x',
    '{a:1}',
    "{'a':1}",
    '{"a" 1}',
    '{"a":}',
    '{"a":,}',
    '{"a":]',
    '{"a":1,}',
    '{,}',
    '{"a":1 2}',
    '{"a":1]',
    '{"a":{"b":1]}',
    '{"a":[1}',
    '{"a":[1 2]}',
    '{"a":tru}',
    '{"a":True}',
    '{"a":01}',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":+1}',
    '{"a":NaN}',
    '{"a":0x10}',
    '{"a":1e}',
    '{"a":-}',
    '{"x":nul}',
  ])('of %j is a failure', (text) => {
    expect(scan(['a', 'a.b', 'a[]'], text)).toMatchObject({ complete: false, failed: true })
  })

  it.each(['{"a":"x', '{"a":"x\\', '{"a":["x', '{"x":"x\\', '{"x":[[["\\', '{"\\', '{"a":12', 'x', '{}', '{"a":[{'])(
    'may come early: after %j and a reset it reads another',
    (text) => {
      const told: Told[] = []
      const scanner = new JsonScanner(compilePaths(['a', '', 'a[].b']), (path, value) => told.push([path, value]))
      scanner.push(Buffer.from(text))
      scanner.reset()
      told.length = 0
      scanner.push(Buffer.from('{"":1,"x":"","a":""}'))
      expect(scanner.complete).toBe(true)
      expect(told).toEqual([['a', '']])
    },
  )

  it('reads only the part of the bytes that it is given', () => {
    const told: Told[] = []
    const scanner = new JsonScanner(compilePaths(['a']), (path, value) => told.push([path, value]))
    const bytes = Buffer.from('"}{"a":"xy"}{"a":"z"}')
    scanner.push(bytes, 2, 9)
    scanner.push(bytes, 9, 12)
    expect(scanner.complete).toBe(true)
    expect(told).toEqual([['a', 'xy']])
  })
})

describe('memory', () => {
  const repeat = (scanner: JsonScanner, piece: string, bytes: number) => {
    const buffer = Buffer.from(piece.repeat(Math.ceil((64 * 1024) / piece.length)))
    for (let sent = 0; sent < bytes; sent += buffer.length) scanner.push(buffer)
  }

  it.each(['{"a":"', '{"x":"', '{"', '{"a":', '{"a":[{"b":"', '{"x":[{"y":"'])(
    'holds none of what follows %s',
    (text) => {
      const scanner = new JsonScanner(compilePaths(['a', 'a[].b']), () => undefined)
      scanner.push(Buffer.from(text))
      expect(retainedBy(() => repeat(scanner, '1', 16 * 1024 * 1024))).toBeLessThan(4)
      expect(scanner.complete).toBe(false)
    },
  )

  it.each([
    ['{"a":', '['],
    ['{"x":', '['],
    ['{"a":', '{"a":'],
    ['{"a":', '[{"b":'],
    ['{"x":', '{"a":'],
  ])('does not grow with the depth of %s%s', (start, open) => {
    let told = 0
    const scanner = new JsonScanner(compilePaths(['a', 'a[].b', 'a.a', 'a[].b[].b']), () => told++)
    scanner.push(Buffer.from(start))
    expect(retainedBy(() => repeat(scanner, open, 1_000_000 * open.length))).toBeLessThan(4)
    expect(scanner.failed).toBe(false)
    expect(told).toBeLessThan(5)
  })
})
