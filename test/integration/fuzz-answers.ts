import { createRandom, cutAt, randomEnds, type Random } from '../helpers/random.ts'
import type { Field } from './fuzz-wire.ts'

/** One answer of the upstream. It hangs on the request's fingerprint alone, so that the client knows it too. */
export interface Answer {
  readonly status: number
  /** What of its fields must reach the client, in order. */
  readonly fields: readonly Field[]
  readonly body: Buffer
  readonly trailers: readonly Field[]
  /** The 1xx answers in front of it. */
  readonly interims: readonly number[]
  /** It leaves as soon as the head of the request is there. */
  readonly early: boolean
  /** It takes a while, so that what was asked behind it is answered first. */
  readonly late: boolean
  /** Its connection ends with it. */
  readonly closes: boolean
  /** All of it, as it goes over the wire, one piece after the other. */
  readonly pieces: readonly Buffer[]
}

export const SEEN = 'X-Seen'

const EXTRAS: readonly [readonly Field[], ...(readonly Field[])[]] = [
  [],
  [['X-High', '\xe9\xff']],
  [
    ['Set-Cookie', 'a=1'],
    ['x_y', ''],
    ['set-cookie', 'b=2'],
  ],
]

export function answerFor(fingerprint: string, method: string): Answer {
  const random = createRandom(Number.parseInt(fingerprint.slice(0, 8), 16))
  const interims = random.chance(0.15) ? [random.pick([100, 102, 103])] : []
  const shape = random.pick(['length', 'length', 'length', 'chunked', 'chunked', 'to the end', 'old', 'none'] as const)
  const status = shape === 'none' ? random.pick([204, 304] as const) : random.pick([200, 200, 200, 201, 400, 404, 413])
  const closes = shape === 'to the end' || shape === 'old' || random.chance(0.1)
  const early = random.chance(0.3)
  const late = !early && random.chance(0.15)
  const text = `{"seen":"${fingerprint}","filler":"${'x'.repeat(fillerLength(random))}"}\n`
  const bodyless = method === 'HEAD' || shape === 'none'
  const trailers: Field[] = shape === 'chunked' && !bodyless && random.chance(0.3) ? [['X-Sum', fingerprint]] : []
  const fields: Field[] = [[SEEN, fingerprint], ...random.pick(EXTRAS)]
  const lines = [`HTTP/${shape === 'old' ? '1.0' : '1.1'} ${status} Fuzz`]
  if (closes) lines.push('Connection: close')
  if (shape === 'length') fields.push(['Content-Length', String(text.length)])
  lines.push(...fields.map((field) => field.join(': ')))
  if (shape === 'chunked') lines.push('Transfer-Encoding: chunked')
  const head = `${lines.join('\r\n')}\r\n\r\n`
  const body = Buffer.from(bodyless ? '' : text)
  const framed = shape === 'chunked' && !bodyless ? inChunks(random, body, trailers) : body
  const start = Buffer.from(interims.map(interimHead).join('') + head, 'latin1')
  const pieces = random.chance(0.2) ? [start, framed] : [Buffer.concat([start, framed])]
  return { status, fields, body, trailers, interims, early, late, closes, pieces }
}

function fillerLength(random: Random): number {
  return random.chance(0.05) ? random.below(100_000) : random.below(300)
}

function interimHead(status: number): string {
  const link = status === 103 ? 'Link: </style.css>; rel=preload\r\n' : ''
  return `HTTP/1.1 ${status} Interim\r\n${link}\r\n`
}

function inChunks(random: Random, body: Buffer, trailers: readonly Field[]): Buffer {
  const extension = random.chance(0.2) ? ';a=b' : ''
  const pieces = cutAt(body, randomEnds(random, body.length)).flatMap((piece) => [
    Buffer.from(`${piece.length.toString(16)}${extension}\r\n`),
    piece,
    Buffer.from('\r\n'),
  ])
  const lines = trailers.map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([...pieces, Buffer.from(`0\r\n${lines.join('')}\r\n`)])
}
