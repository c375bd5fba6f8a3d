import { loadRecordings, requestBytes, type Recording } from '../../src/demo/recordings.ts'
import { createRandom, cutAt, randomEnds, type Random } from '../helpers/random.ts'
import { ENDING_PLAYS, ENDLESS_PLAYS, PLAY_HEADER } from './storm-upstream.ts'

/** One request, as it goes over the wire. */
export interface Ask {
  readonly id: string
  /** For people: what it asks for. */
  readonly title: string
  readonly method: string
  readonly head: string
  /** Framed. */
  readonly body: Buffer
  /** How much of the answer surely comes; Infinity where its connection ends by itself. */
  readonly answerBytes: number
  /** Nothing follows on its connection. */
  readonly last: boolean
}

export type Goodbye = 'closes' | 'resets' | 'half-closes'

/** One connection. What is no request has no id. */
export interface Visit {
  /** `nobody`: nothing listens where this proxy's upstream should be. */
  readonly upstream: 'storm' | 'nobody'
  /** One after the other, or all at once. */
  readonly asks: readonly Ask[]
  readonly pipelined: boolean
  /** When the client leaves: so much of the last body is sent (0 to 1), or so many bytes of the answer are there. */
  readonly leaves: { readonly sent: number; readonly got: number; readonly how: Goodbye } | undefined
  /** Sent where there are no asks. `refused`: the proxy answers it; `cut`: the client leaves within it. */
  readonly malformed: { readonly text: string; readonly kind: 'refused' | 'cut' } | undefined
}

type NotEmpty<T> = readonly [T, ...T[]]

function notEmpty<T>(list: readonly T[]): NotEmpty<T> {
  const [first, ...rest] = list
  if (first === undefined) throw new Error('nothing to choose from')
  return [first, ...rest]
}

const recordings = loadRecordings()
const endsByItself = ({ response }: Recording) => response.end !== 'client_destroyed'
const ENDING = notEmpty(recordings.filter(endsByItself))
const ENDLESS = notEmpty(recordings.filter((one) => !endsByItself(one)))
/** Streams long enough to be left in the middle. */
const STREAMS = notEmpty(recordings.filter((one) => endsByItself(one) && one.response.chunks.length > 5))

/** What runs a model, by POST. */
export const INFERENCE: NotEmpty<string> = [
  '/api/generate',
  '/api/chat',
  '/api/embed',
  '/api/embeddings',
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/responses',
  '/v1/messages',
  '/v1/embeddings',
  '/v1/audio/transcriptions',
]
const OTHERS: NotEmpty<string> = [
  '/',
  '/api/pull',
  '/api/push',
  '/api/create',
  '/api/show',
  '/api/blobs/sha256:abc',
  '/v1/models/m:1b',
  '/v1/nothing?q=1',
  '/nothing/%zz',
  'http://127.0.0.1/api/chat',
  '*',
]
/** Node's parser takes them; most of them mean nothing here. */
const METHODS: NotEmpty<string> = ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']

const HOST = 'Host: 127.0.0.1'
const POST = `POST /api/chat HTTP/1.1\r\n${HOST}\r\n`
/** What the parser refuses, each in another way. */
const MALFORMED: NotEmpty<string> = [
  'GARBAGE\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
  `GET / HTTP/9.9\r\n${HOST}\r\n\r\n`,
  `FOO / HTTP/1.1\r\n${HOST}\r\n\r\n`,
  `GET /a b HTTP/1.1\r\n${HOST}\r\n\r\n`,
  `GET / HTTP/1.1\r\n${HOST}\r\nX: a\x00b\r\n\r\n`,
  `GET / HTTP/1.1\r\n${HOST}\r\nno colon\r\n\r\n`,
  `GET / HTTP/1.1\r\n${HOST}\r\nX-Long: ${'x'.repeat(70_000)}\r\n\r\n`,
  `${POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  `${POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
  `${POST}Content-Length: -1\r\n\r\n`,
  `CONNECT example.com:443 HTTP/1.1\r\n${HOST}\r\n\r\n`,
  `CONNECT 127.0.0.1:11434 HTTP/1.1\r\n\r\n`,
]

/** The same list of connections, and so of requests, for the same seed. */
export function planStorm(seed: number, visits: number): Visit[] {
  const random = createRandom(seed)
  let asked = 0
  const nextId = () => `storm-${seed}-${asked++}`
  return Array.from({ length: visits }, () => planVisit(random, nextId))
}

function planVisit(random: Random, nextId: () => string): Visit {
  const upstream = random.chance(0.05) ? 'nobody' : 'storm'
  const visit = { upstream, asks: [], pipelined: false, leaves: undefined, malformed: undefined } as const
  if (random.chance(0.06)) return { ...visit, malformed: { text: random.pick(MALFORMED), kind: 'refused' } }
  if (random.chance(0.02)) return { ...visit, malformed: { text: `${POST}Content-Le`, kind: 'cut' } }
  const leaving = random.chance(0.25)
  const count = 1 + random.below(3)
  const asks = Array.from({ length: count }, (_, index) => {
    const isLast = index === count - 1
    return planAsk(random, nextId(), { keepAlive: !isLast, leaving: leaving && isLast })
  })
  // What is pipelined behind an Upgrade Node takes for the other protocol's, and nobody sends it.
  const pipelined = random.chance(0.1) && !asks.some(({ head }) => head.includes('Upgrade: h2c'))
  if (!leaving) return { ...visit, asks, pipelined }
  const how = random.pick(['closes', 'resets', 'half-closes'] as const)
  const sent = random.chance(0.6) ? 1 : random.below(100) / 100
  const wanted = sent < 1 || random.chance(0.4) ? 0 : 1 + random.below(3000)
  return { ...visit, asks, pipelined, leaves: { sent, got: Math.min(wanted, asks.at(-1)?.answerBytes ?? 0), how } }
}

interface Manner {
  readonly keepAlive: boolean
  readonly leaving: boolean
}

function planAsk(random: Random, id: string, manner: Manner): Ask {
  const dice = random.below(100)
  if (dice < 6 && !manner.keepAlive) return frame(random, id, manner, badUpload(random))
  if (dice < 30) return frame(random, id, manner, playOf(random, manner.leaving))
  if (manner.leaving)
    return frame(random, id, manner, playRecording(random.pick(random.chance(0.5) ? ENDLESS : STREAMS)))
  if (dice < 38) return frame(random, id, manner, oddOne(random))
  return frame(random, id, manner, playRecording(random.pick(ENDING)))
}

interface Content {
  readonly title: string
  readonly method: string
  readonly target: string
  readonly headers: readonly string[]
  readonly body?: Buffer | undefined
  /** Bytes that take the place of the framed body. */
  readonly broken?: string
  /** Left out: the answer ends by itself. */
  readonly answerBytes?: number
}

function playRecording(recording: Recording): Content {
  const { name, version, request } = recording
  const length = Math.min(requestBytes(recording), 20_000)
  const body = request.body === undefined ? Buffer.alloc(length, 'b') : Buffer.from(request.body)
  return {
    title: `recording ${version}/${name}`,
    method: request.method,
    target: request.path,
    headers: [`X-Demo-Recording: ${version}/${name}`],
    body: body.length > 0 ? body : undefined,
    ...(endsByItself(recording) ? {} : { answerBytes: Math.min(1, recording.response.chunks.length) }),
  }
}

function playOf(random: Random, leaving: boolean): Content {
  const play = random.pick(notEmpty(leaving ? ENDLESS_PLAYS : ENDING_PLAYS))
  const target = random.chance(0.8) ? random.pick(INFERENCE) : random.pick(OTHERS)
  const stream = random.chance(0.5)
  const form =
    '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--b\r\nContent-Disposition: form-data; ' +
    `name="file"; filename="a.wav"\r\n\r\n${'RIFF'.repeat(500)}\r\n--b--\r\n`
  const isForm = target.endsWith('transcriptions')
  const text = isForm
    ? form
    : JSON.stringify({ model: `m${random.below(5)}`, stream, prompt: 'p'.repeat(random.below(9000)) })
  return {
    title: `${play} at ${target}`,
    method: random.chance(0.9) ? 'POST' : random.pick(METHODS),
    target,
    headers: [
      `${PLAY_HEADER}: ${play}`,
      `Content-Type: ${isForm ? 'multipart/form-data; boundary=b' : 'application/json'}`,
    ],
    body: Buffer.from(text),
    ...(leaving ? { answerBytes: play === 'stream held' ? 1 : 0 } : {}),
  }
}

function oddOne(random: Random): Content {
  const method = random.pick(METHODS)
  const target = random.pick(random.chance(0.5) ? OTHERS : INFERENCE)
  const headers = random.chance(0.2) ? [HOST] : random.chance(0.2) ? ['Upgrade: h2c', 'Connection: Upgrade'] : []
  const body = random.chance(0.3) ? Buffer.from('{"model":"m"}') : undefined
  return { title: `${method} ${target} ${headers.join()}`, method, target, headers, body }
}

/** Whole heads, and bodies that the parser refuses. */
function badUpload(random: Random): Content {
  const broken = random.pick([
    '5\r\nhello\r\nno-hex\r\n',
    `5;${'x'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`,
    '5\r\nhelloo\r\n',
  ])
  const gzip = random.chance(0.1)
  return {
    title: `bad upload ${gzip ? 'coded' : broken.slice(0, 20)}`,
    method: 'POST',
    target: random.pick(INFERENCE),
    // Chunked must be the last coding; the others the proxy refuses itself.
    headers: [`Transfer-Encoding: ${gzip ? 'gzip, chunked' : 'chunked'}`],
    broken: gzip ? '0\r\n\r\n' : broken,
  }
}

function frame(random: Random, id: string, { keepAlive }: Manner, content: Content): Ask {
  const { title, method, target, body = Buffer.alloc(0), broken, answerBytes = Infinity } = content
  const version = random.chance(0.05) && broken === undefined && !keepAlive ? '1.0' : '1.1'
  const chunked = content.body !== undefined && version === '1.1' && random.chance(0.3)
  const lines = [`${method} ${target} HTTP/${version}`, HOST, `X-Request-ID: ${id}`, ...content.headers]
  if (!keepAlive) lines.push('Connection: close')
  if (chunked) lines.push('Transfer-Encoding: chunked')
  else if (content.body !== undefined) lines.push(`Content-Length: ${body.length}`)
  if (content.body !== undefined && random.chance(0.1)) lines.push('Expect: 100-continue')
  const head = `${lines.join('\r\n')}\r\n\r\n`
  const framed = broken !== undefined ? Buffer.from(broken) : chunked ? inChunks(random, body) : body
  return { id, title, method, head, body: framed, answerBytes, last: !keepAlive }
}

function inChunks(random: Random, body: Buffer): Buffer {
  const pieces = cutAt(body, randomEnds(random, body.length)).flatMap((piece) => [
    Buffer.from(`${piece.length.toString(16)}\r\n`),
    piece,
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...pieces, Buffer.from(random.chance(0.2) ? '0\r\nX-Sum: 1\r\n\r\n' : '0\r\n\r\n')])
}
