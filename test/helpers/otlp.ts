import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'

type Value = string | number | boolean | readonly Value[]
type Attributes = Readonly<Record<string, Value>>

/** A span as it was on the wire. Times are nanoseconds since 1970. */
interface WireSpan {
  readonly traceId: string
  readonly spanId: string
  /** '' of a root. */
  readonly parentId: string
  readonly name: string
  /** 1 internal, 2 server. */
  readonly kind: number
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Attributes
  /** 0 unset, 2 error. */
  readonly status: number
  readonly resource: Attributes
}

interface Delivery {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Without its coding. */
  readonly body: Buffer
}

export interface Collector {
  readonly port: number
  readonly url: string
  readonly deliveries: readonly Delivery[]
  readonly spans: () => WireSpan[]
  readonly close: () => Promise<void>
}

/** Where traces go: takes what comes and reads it, by the protocol's own definition and not by the exporter's code. */
export async function serveCollector(
  answer: (res: ServerResponse, index: number) => void = (res) => res.end(),
  port = 0,
): Promise<Collector> {
  const deliveries: Delivery[] = []
  const server = createServer((req, res) => {
    void bytesOf(req).then((bytes) => {
      const body = req.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
      deliveries.push({ method: req.method ?? '', path: req.url ?? '', headers: req.headers, body })
      answer(res, deliveries.length - 1)
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const bound = (server.address() as AddressInfo).port
  return {
    port: bound,
    url: `http://127.0.0.1:${bound}`,
    deliveries,
    spans: () => deliveries.flatMap(({ body }) => readSpans(body)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function bytesOf(req: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of req) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

/** All spans of an ExportTraceServiceRequest. https://github.com/open-telemetry/opentelemetry-proto */
function readSpans(bytes: Buffer): WireSpan[] {
  return messages(bytes, 1).flatMap((resourceSpans) => {
    const resource = attributesOf(messages(resourceSpans, 1)[0] ?? Buffer.alloc(0), 1)
    const spans = messages(resourceSpans, 2).flatMap((scopeSpans) => messages(scopeSpans, 2))
    return spans.map((span) => readSpan(span, resource))
  })
}

function readSpan(bytes: Buffer, resource: Attributes): WireSpan {
  const of = (number: number) => messages(bytes, number)[0] ?? Buffer.alloc(0)
  return {
    traceId: of(1).toString('hex'),
    spanId: of(2).toString('hex'),
    parentId: of(4).toString('hex'),
    name: of(5).toString(),
    kind: numbers(bytes, 6)[0] ?? 0,
    start: of(7).readBigUInt64LE(),
    end: of(8).readBigUInt64LE(),
    attributes: attributesOf(bytes, 9),
    status: numbers(of(15), 3)[0] ?? 0,
    resource,
  }
}

function attributesOf(bytes: Buffer, number: number): Attributes {
  const pairs = messages(bytes, number).map((pair) => {
    const [key = Buffer.alloc(0)] = messages(pair, 1)
    return [key.toString(), valueOf(messages(pair, 2)[0] ?? Buffer.alloc(0))] as const
  })
  return Object.fromEntries(pairs)
}

function valueOf(bytes: Buffer): Value {
  const [first] = fields(bytes)
  switch (first?.number) {
    case 1:
      return String(first.value)
    case 2:
      return first.value === 1
    case 3:
      return Number(first.value)
    case 4:
      return (first.value as Buffer).readDoubleLE()
    case 5:
      return messages(first.value as Buffer, 1).map(valueOf)
    default:
      throw new Error(`no value: ${bytes.toString('hex')}`)
  }
}

interface Field {
  readonly number: number
  readonly value: number | Buffer
}

const messages = (bytes: Buffer, number: number) =>
  fields(bytes).flatMap((field) => (field.number === number && field.value instanceof Buffer ? [field.value] : []))
const numbers = (bytes: Buffer, number: number) =>
  fields(bytes).flatMap((field) => (field.number === number && typeof field.value === 'number' ? [field.value] : []))

/** The fields of a message: varints as numbers, all else as bytes. https://protobuf.dev/programming-guides/encoding/ */
function fields(bytes: Buffer): Field[] {
  const found: Field[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes.readUInt8(at++)
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
  }
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw new Error('a field is cut off')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = varint()
    const [number, type] = [Math.floor(tag / 8), tag % 8]
    if (type === 0) found.push({ number, value: varint() })
    else if (type === 1) found.push({ number, value: take(8) })
    else if (type === 2) found.push({ number, value: take(varint()) })
    else if (type === 5) found.push({ number, value: take(4) })
    else throw new Error(`no wire type: ${type}`)
  }
  return found
}
