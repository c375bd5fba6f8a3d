import { describe, expect, it } from 'vitest'
import {
  boundaryOf,
  MAX_FIELD_BYTES,
  MAX_PART_HEADER_BYTES,
  MAX_PARTS,
  MultipartReader,
} from '../../../src/ollama/multipart.ts'
import { retainedBy } from '../../helpers/memory.ts'
import { byteEnds, createRandom, cutAt, randomEnds, type Random } from '../../helpers/random.ts'

const WANTED = ['model', 'language', 'größe']
type Field = [name: string, value: string]

function readPieces(boundary: string, pieces: readonly Buffer[]): Field[] {
  const fields: Field[] = []
  const reader = new MultipartReader(boundary, (name, value) => fields.push([name, value]), WANTED)
  for (const piece of pieces) reader.push(piece)
  return fields
}

/** Fails where it makes a difference how the body is cut. */
function read(body: string | Buffer, boundary = 'b'): Field[] {
  const bytes = Buffer.from(body)
  const whole = readPieces(boundary, [bytes])
  const feeds = [randomEnds(createRandom(bytes.length), bytes.length), randomEnds(createRandom(7), bytes.length)]
  if (bytes.length < 50_000) feeds.push(byteEnds(bytes.length))
  for (const ends of feeds) expect(readPieces(boundary, cutAt(bytes, ends))).toEqual(whole)
  return whole
}

const disposition = (parameters: string) => `Content-Disposition: form-data; ${parameters}\r\n`
const MODEL = disposition('name="model"')
/** A body with boundary `b` of these parts, each its headers and its data. */
const bodyOf = (...parts: (readonly [headers: string, data: string])[]) =>
  parts.map(([headers, data]) => `--b\r\n${headers}\r\n${data}\r\n`).join('') + '--b--\r\n'

describe('boundaryOf', () => {
  it.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data;BOUNDARY="abc"', 'abc'],
    [' multipart/form-data ; charset=utf-8 ; boundary = abc ; x="a;boundary=no\\""', 'abc'],
    ['multipart/form-data; boundary="a b:c/d=e?(f),+_.\'"', "a b:c/d=e?(f),+_.'"],
    ['multipart/form-data; boundary="a\\bc"; ', 'abc'],
    ['multipart/form-data; ; boundary=a;', 'a'],
    ['multipart/form-data; x="a\u2028"; boundary=a', 'a'],
    [`multipart/form-data; boundary=${'b'.repeat(70)}`, 'b'.repeat(70)],
    ['multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW', '----WebKitFormBoundary7MA4YWxkTrZu0gW'],
  ])('of %s', (type, boundary) => expect(boundaryOf(type)).toBe(boundary))

  it.each([
    undefined,
    '',
    'application/json; boundary=a',
    'multipart/mixed; boundary=a',
    'multipart/form-data-x; boundary=a',
    'multipart/form-data',
    'multipart/form-data boundary=a',
    'multipart/form-data; boundary',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=""',
    'multipart/form-data; boundary="a',
    'multipart/form-data; boundary="a "',
    'multipart/form-data; boundary="a"b',
    'multipart/form-data; boundary=a:b',
    'multipart/form-data; boundary="a\r\nb"',
    'multipart/form-data; boundary="é"',
    'multipart/form-data; boundary=a; boundary=b',
    'multipart/form-data; boundary=a; x',
    `multipart/form-data; boundary=${'b'.repeat(71)}`,
  ])('of %j is none', (type) => expect(boundaryOf(type)).toBeUndefined())

  it.each(['; boundary="\\', ';', '; a', ' ', '; boundary="a\\"'])('of one with %j without end is none', (more) => {
    expect(boundaryOf(`multipart/form-data${more}${more.slice(-1).repeat(16_000)}=`)).toBeUndefined()
  })
})

describe('bodies that Node makes', () => {
  const text = (random: Random, boundary: string) => {
    const likenesses = [
      '\r\n',
      '\n',
      '\r',
      '-',
      '--',
      boundary,
      `\r\n--${boundary}x`,
      `\n--${boundary}\r\n`,
      'x',
      'né名😀',
    ]
    const made = Array.from({ length: random.below(12) }, () => likenesses[random.below(likenesses.length)]).join('')
    // What would be a delimiter is none any more.
    return made.replaceAll(boundary, (found, at: number) => (isDelimiter(made, at, boundary) ? 'x' : found))
  }
  const isDelimiter = (made: string, at: number, boundary: string) =>
    /^$|[\r\n]$/.test(made.slice(0, Math.max(0, at - 2))) && /^([ \t\r\n]|--?|$)/.test(made.slice(at + boundary.length))

  async function make(seed: number, boundary: string) {
    const random = createRandom(seed)
    const form = new FormData()
    for (let left = random.below(12); left > 0; left--) {
      const name = random.pick(['model', 'language', 'größe', 'Model', 'a"b', 'mo\r\ndel', '', 'model"; filename="x'])
      if (random.chance(0.7)) form.append(name, text(random, boundary))
      else
        form.append(name, new File([text(random, boundary).repeat(1 + random.below(50))], random.pick(['a.wav', 'ü"'])))
    }
    const made = new Response(form)
    const type = made.headers.get('content-type') ?? ''
    const bytes = Buffer.from(await made.arrayBuffer())
    const expected = [...form].flatMap(([name, value]): Field[] =>
      typeof value === 'string' && WANTED.includes(name) ? [[name, value.replace(/\r\n|\r|\n/g, '\r\n')]] : [],
    )
    // Node's own boundary is another in each run.
    const body = bytes.toString('latin1').replaceAll(boundaryOf(type) ?? expect.fail(type), boundary)
    return { body: Buffer.from(body, 'latin1'), expected }
  }

  it.each(['b', '-', 'formdata-0123456789', 'ab'.repeat(35)])('are read with the boundary %s', async (boundary) => {
    let fields = 0
    for (let seed = 0; seed < 60; seed++) {
      const { body, expected } = await make(seed, boundary)
      expect(read(body, boundary)).toEqual(expected)
      fields += expected.length
    }
    expect(fields).toBeGreaterThan(50)
  })

  it('are read without harm where bytes of them are changed or missing', async () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = createRandom(seed)
      const { body } = await make(seed, 'b')
      for (let left = random.below(5); left > 0; left--)
        body[random.below(body.length)] = random.pick([13, 10, 45, 98, 0])
      read(body.subarray(random.below(20), body.length - random.below(20)))
    }
  })
})

describe('a field', () => {
  it.each([
    [MODEL],
    ['content-disposition:form-data;name=model\r\n'],
    ['CONTENT-DISPOSITION: Form-Data ; NAME = "model" \r\n'],
    [disposition('x=1; name="\\mo\\del"; y="a;name=\\"no\\""')],
    [disposition('x="filename=no; name=no"; name=model;')],
    [`Content-Type: text/plain; charset=utf-8\r\nX:\r\n${MODEL}X-A: filename="no"\r\n`],
    ['Content-Disposition: form-data;\r\n\tname="model"\r\n'],
    [MODEL + disposition('name="language"')],
  ])('is told with the headers %j', (headers) => {
    expect(read(bodyOf(['', 'a'], [headers, 'llama:7b']))).toEqual([['model', 'llama:7b']])
  })

  it.each([
    [disposition('name="model"; filename="a.wav"')],
    [disposition('FILENAME=""; name="model"')],
    [disposition("filename*=UTF-8''a; name=model")],
    [disposition('filename*0=a; name=model')],
    [disposition('name="Model"')],
    [disposition('xname="model"')],
    [disposition('name="model')],
    [disposition('name="model" x')],
    [disposition('name=mo del')],
    [disposition('name=model; name=language')],
    ['Content-Disposition: attachment; name="model"\r\n'],
    ['Content-Disposition: form-data name="model"\r\n'],
    ['X-Content-Disposition: form-data; name="model"\r\n'],
    [`${MODEL}no header\r\n`],
    [`${MODEL}--b\r\n${disposition('name="other"')}`],
    ['Content-Disposition: form-data; x="\n"; name="model"\r\n'],
    [''],
  ])('is none with the headers %j', (headers) => {
    const after: [string, string] = [disposition('name=language'), 'de']
    expect(read(bodyOf([headers, 'no'], after))).toEqual([['language', 'de']])
  })

  it.each([
    '',
    'a',
    '\r',
    '\n',
    '\r\n',
    '-',
    '--',
    '\r\n--',
    '\r\n\r\n',
    'né 名前 😀',
    '\r\n--bx',
    '--bx',
    'a--b',
    '\r\n--b-x',
    '\n--b',
  ])('has the value %j', (value) =>
    expect(read(bodyOf([MODEL, value], [MODEL, value]))).toEqual([
      ['model', value],
      ['model', value],
    ]),
  )

  it('is told in the order of the body, and again where it comes again', () => {
    const language = disposition('name="language"')
    expect(read(bodyOf([MODEL, 'a'], [language, 'de'], [MODEL, 'b']))).toEqual([
      ['model', 'a'],
      ['language', 'de'],
      ['model', 'b'],
    ])
  })

  it('can have no data at all, not even the line end before it', () => {
    expect(read(`--b\r\n${MODEL}\r\n--b\r\n\r\n--b\r\n${MODEL}\r\na\r\n--b--`)).toEqual([
      ['model', ''],
      ['model', 'a'],
    ])
  })

  it.each(['', '\r', '\r\n', '\r\n-', '\r\n--', '\r\n--b', '\r\n--b-', '\r\n--bb', '\n--b--'])(
    'does not count where nothing but %j ends it',
    (end) => {
      const body = `--b\r\n${MODEL}\r\na`
      expect(read(body + end)).toEqual([])
      expect(read(`${body}\r\n--b--`)).toEqual([['model', 'a']])
    },
  )

  it('is told up to the longest value, and passed over beyond it', () => {
    const longest = 'x'.repeat(MAX_FIELD_BYTES)
    expect(read(bodyOf([MODEL, longest], [MODEL, `${longest}x`], [MODEL, 'a']))).toEqual([
      ['model', longest],
      ['model', 'a'],
    ])
  })

  it('is told up to the longest headers, and passed over beyond them', () => {
    const ends = `\r\n${MODEL}\r\n`.length + 'X: \r\n'.length
    const longest = `X: ${'x'.repeat(MAX_PART_HEADER_BYTES - ends)}\r\n`
    const body = bodyOf([MODEL + longest, 'a'], [`${MODEL}X${longest}`, 'no'], [MODEL + longest.repeat(5), 'no'])
    expect(read(body)).toEqual([['model', 'a']])
    expect(read(body.replace('--b--', bodyOf([MODEL, 'b'])))).toEqual([
      ['model', 'a'],
      ['model', 'b'],
    ])
  })
})

describe('the parts', () => {
  const body = bodyOf([MODEL, 'a'])
  const file = disposition('name="file"; filename="a.wav"')

  it.each(['\r\n', 'preamble\r\n', `b\r\n--bb\r\n--b x\r\nx--b\r\n`, '--b x\n', `--b${' '.repeat(300)}\r\n`])(
    'begin behind %j',
    (preamble) => expect(read(preamble + body)).toEqual([['model', 'a']]),
  )

  it('end with the last delimiter', () => {
    expect(read(body + body)).toEqual([['model', 'a']])
    expect(read(`--b--\r\n${body}`)).toEqual([])
  })

  it('are told apart with blanks behind the boundary', () => {
    expect(read(body.replaceAll('--b\r', '--b \t\r').replace('--b--', '--b\t\r\n\r\n\r\n--b-- \t'))).toEqual([
      ['model', 'a'],
    ])
  })

  it.each(['--b x\r\n', '--b\n', '--b\r\r\n', `--b${' '.repeat(300)}\r\n`])('are over behind %j', (broken) => {
    expect(read(bodyOf([MODEL, 'a'], [file, 'x']).replace('--b--', broken + body))).toEqual([['model', 'a']])
  })

  it('keep the line ends that they began with', () => {
    const lines = bodyOf([MODEL, 'b']).replaceAll('\r\n', '\n')
    expect(read(bodyOf([MODEL, 'a']).replace('--b--\r\n', lines))).toEqual([['model', 'a']])
    expect(read(lines.replace('--b--\n', `--b\r\n${lines}`))).toEqual([['model', 'b']])
  })

  it('have line feeds alone where the first boundary has', () => {
    expect(read(`x\n${bodyOf([file, 'x'], [MODEL, 'a\rb'], [MODEL, '']).replaceAll('\r\n', '\n')}`)).toEqual([
      ['model', 'a\rb'],
      ['model', ''],
    ])
    expect(read(bodyOf([MODEL, 'a']).replace('\r\n\r\n', '\n\n'))).toEqual([])
  })

  it('can be as many as Go takes', () => {
    const parts = Array.from(
      { length: MAX_PARTS },
      (_, index) => [index % 10 === 9 ? MODEL : file, `${index}`] as const,
    )
    const expected = parts.flatMap(([headers, value]) => (headers === MODEL ? [['model', value]] : []))
    expect(expected).toHaveLength(MAX_PARTS / 10)
    expect(read(bodyOf(...parts))).toEqual(expected)
    expect(read(bodyOf(...parts, [MODEL, 'no'], [MODEL, 'no']))).toEqual(expected)
  })

  it('can be anything', () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = createRandom(seed)
      const bytes = random.chance(0.5) ? '\r\n--b \t:;' : `\r\n${MODEL}--b--b`
      const pick = () => (random.chance(0.1) ? random.below(256) : bytes.charCodeAt(random.below(bytes.length)))
      read(Buffer.from([13, 10, 45, 45, 98, 13, 10, ...Array.from({ length: random.below(400) }, pick)]))
    }
  })
})

describe('a large file', () => {
  it('is not held, and the field behind it is read', () => {
    const fields: Field[] = []
    const reader = new MultipartReader('b', (name, value) => fields.push([name, value]), WANTED)
    reader.push(Buffer.from(`--b\r\n${disposition('name="file"; filename="a.wav"')}\r\n`))
    const piece = Buffer.alloc(1024 * 1024, 'noise\r\n--bx \r\n-')
    const retained = retainedBy(() => {
      for (let i = 0; i < 100; i++) reader.push(piece)
    })
    reader.push(Buffer.from(`\r\n--b\r\n${MODEL}\r\na\r\n--b--`))
    expect(retained).toBeLessThan(0.5)
    expect(fields).toEqual([['model', 'a']])
  })

  it('is not held by the few bytes of a piece that wait for more', () => {
    const readers: MultipartReader[] = []
    const retained = retainedBy(() => {
      for (let i = 0; i < 64; i++) {
        const reader = new MultipartReader('b', () => undefined, WANTED)
        const piece = Buffer.alloc(1024 * 1024, 'x')
        piece.write('\r\n--', piece.length - 4)
        reader.push(Buffer.from('--b\r\n\r\n'))
        reader.push(piece)
        readers.push(reader)
      }
    })
    expect(retained).toBeLessThan(4)
    expect(readers).toHaveLength(64)
  })
})
