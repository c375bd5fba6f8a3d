import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { loadRecordings, type Recording } from '../../src/demo/recordings.ts'
import { rawHeader } from '../../src/demo/request-head.ts'
import type { LogLine } from '../helpers/app.ts'
import { describeWith } from '../helpers/needs.ts'
import { startServe, type Served } from '../helpers/process.ts'
import { openRaw, parseMessage, type RawClient, type RawMessage } from '../helpers/raw.ts'
import { recordedRequest } from '../helpers/recorded-request.ts'
import { createGate, recordingNamed, serveStandIn, type Gate, type RunningStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'
import { startNginx, type Nginx } from './nginx/start-nginx.ts'

const MIB = 1024 * 1024
const STREAM = 'generate-stream-warm'
const upload = randomBytes(3 * MIB)

/** Ways from a client to Ollama, each through nginx and the proxy. */
type Way = 'streaming' | 'buffering' | 'plain' | 'behind'
const WAYS: readonly (readonly [title: string, way: Way])[] = [
  ['nginx without buffers before the proxy', 'streaming'],
  ['nginx with its buffers before the proxy', 'buffering'],
  ['nginx with HTTP/1.0 before the proxy', 'plain'],
  ['nginx behind the proxy', 'behind'],
]
const PROMPT = WAYS.filter(([, way]) => way === 'streaming' || way === 'behind')

/** What ends by itself, in a whole answer. */
const played = loadRecordings().filter(
  ({ response, name }) => response.end === 'fin' && !name.startsWith('server-') && response.chunks.length > 0,
)

let standIn: RunningStandIn
/** Which answers wait, and where. */
let gate: Gate['gate'] = notAtAll
/** The proxy behind nginx. */
let inner: Served
/** The proxy before nginx. */
let outer: Served
let nginx: Nginx
const cleanUps: (() => Promise<void>)[] = []

/** How many requests went which way. */
const asked = { streaming: 0, buffering: 0, plain: 0, behind: 0 }

/** Sends a request on a connection of its own. */
function ask(way: Way, bytes: Buffer | string): RawClient {
  asked[way] += 1
  return openRaw(way === 'behind' ? outer.proxyPort : nginx.ports[way], bytes)
}

const servedBy = (way: Way) => (way === 'behind' ? outer : inner)

describeWith(['nginx'], 'with nginx', () => {
  beforeAll(async () => {
    const env = { OLLASCOPE_ALLOWED_HOSTS: '*', OLLASCOPE_ALLOWED_ORIGINS: '*' } // it is Ollama who refuses
    const onEnd = (cleanUp: () => Promise<void>) => void cleanUps.unshift(cleanUp)
    standIn = await serveStandIn({ speed: Infinity, gate: (...at) => gate(...at) })
    onEnd(standIn.close)
    inner = await startServe(standIn.port, { env, onEnd })
    nginx = await startNginx({ proxy: inner.proxyPort, ollama: standIn.port }, onEnd)
    outer = await startServe(nginx.ports.behind, { env, onEnd })
  })
  afterAll(async () => {
    for (const cleanUp of cleanUps) await cleanUp()
  })

  afterEach(() => {
    gate = notAtAll
  })

  test.each(WAYS)('%s: every recorded exchange comes through byte for byte', async (_title, way) => {
    for (const recording of played) {
      const name = `${recording.version}/${recording.name}`
      const direct = await answerOf(openRaw(standIn.port, recordedRequest(recording, upload)), recording)
      const [sent] = standIn.seen.slice(-1)
      const through = await answerOf(ask(way, recordedRequest(recording, upload)), recording)
      const [arrived] = standIn.seen.slice(-1)

      expect(arrived, name).not.toBe(sent)
      expect(arrived?.request.method, name).toBe(sent?.request.method)
      expect(arrived?.request.bodyBytes, name).toBe(sent?.request.bodyBytes)
      expect(sent && arrived?.request.body.equals(sent.request.body), name).toBe(true)
      expect(through.startLine, name).toBe(direct.startLine)
      expect(typeOf(through), name).toBe(typeOf(direct))
      expect(through.body.equals(direct.body), name).toBe(true)
      expect(through.complete, name).toBe(true)
    }
  })

  test.each(PROMPT)('%s: a stream arrives piece by piece', async (_title, way) => {
    const recording = recordingNamed(STREAM)
    const stops = [1, 3, 4].map((index) => ({ index, open: hold(recording, index) }))
    const client = ask(way, recordedRequest(recording, upload))
    for (const { index, open } of stops) {
      // Ollama waits: what came before must be here, and nothing more can be.
      const wanted = bodyOf(recording, index)
      const bytes = await client.until((got) => got.includes('\r\n\r\n') && parseMessage(got).body.equals(wanted))
      expect(parseMessage(bytes).complete).toBe(false)
      open()
    }
    const message = parseMessage((await client.ended).bytes)
    expect(message.body.equals(bodyOf(recording))).toBe(true)
    expect(message.complete).toBe(true)
  })

  test.each(WAYS)('%s: a client that leaves closes the whole chain', async (_title, way) => {
    const recording = recordingNamed(STREAM)
    const served = servedBy(way)
    const open = hold(recording, way === 'plain' || way === 'buffering' ? 0 : 3)
    const before = { left: standIn.left.length, seen: standIn.seen.length }
    const receipt = await nextReceipt(served)
    const client = ask(way, recordedRequest(recording, upload))
    await waitFor('the request', () => standIn.seen.length > before.seen)
    if (way === 'streaming' || way === 'behind') await client.until((bytes) => bytes.includes('"done":false'))
    client.socket.destroy()
    await waitFor('Ollama to see it', () => standIn.left.length > before.left)
    expect(await receipt()).toMatchObject({ endpoint: '/api/generate', outcome: 'client_abort' })
    open()
  })

  test.each(WAYS)('%s: a death in mid-stream reaches the client as a cut', async (_title, way) => {
    for (const name of ['server-killed-mid-stream', 'server-stopped-mid-stream']) {
      const receipt = await nextReceipt(servedBy(way))
      const client = ask(way, recordedRequest(recordingNamed(name), upload))
      const message = parseMessage((await client.ended).bytes)
      expect(message.startLine).toBe('HTTP/1.1 200 OK')
      expect(message.complete).toBe(false)
      expect(bodyOf(recordingNamed(name)).subarray(0, message.body.length).equals(message.body)).toBe(true)
      expect(await receipt()).toMatchObject({ status: 200, outcome: 'truncated' })
    }
  })

  test.each(WAYS)('%s: 64 MiB go up', async (_title, way) => {
    const block = randomBytes(MIB)
    const head = [
      'POST /api/blobs/sha256:0 HTTP/1.1',
      'Host: localhost',
      'X-Demo-Recording: blob-upload',
      'Connection: close',
      `Content-Length: ${64 * MIB}`,
    ]
    const receipt = await nextReceipt(servedBy(way))
    const client = ask(way, `${head.join('\r\n')}\r\n\r\n`)
    for (let blocks = 0; blocks < 64; blocks++) await write(client, block)
    expect(parseMessage((await client.ended).bytes).startLine).toBe('HTTP/1.1 201 Created')
    const [arrived] = standIn.seen.slice(-1)
    expect(arrived?.request.bodyBytes).toBe(64 * MIB)
    const kept = arrived?.request.body ?? Buffer.alloc(0)
    expect(kept.length).toBeGreaterThanOrEqual(MIB)
    for (let at = 0; at < kept.length; at += MIB) expect(kept.subarray(at, at + MIB).equals(block)).toBe(true)
    expect(await receipt()).toMatchObject({ status: 201, request_bytes: 64 * MIB })
  })

  test('the ids that nginx gives are those of the receipts, and every count agrees', async () => {
    const receipts = await allReceipts(inner)
    const logged = await waitFor('nginx to log all', () => {
      const lines = nginx.exchanges().map((line) => line.split(' '))
      return lines.length >= receipts.length && lines
    })
    // One that nginx answered itself would have no receipt, one that it repeated would have two.
    expect(idsOf(receipts)).toEqual(logged.map(([, id]) => id).sort())
    const statuses = new Map(logged.map(([, id, status]) => [id, Number(status)]))
    expect(receipts.filter(({ request_id, status }) => statuses.get(String(request_id)) !== status)).toEqual([])
    const count = (port: number) => logged.filter(([at]) => at === String(port)).length
    const { streaming, buffering, plain } = nginx.ports
    const counts = { streaming: count(streaming), buffering: count(buffering), plain: count(plain) }
    const behind = await allReceipts(outer)
    expect({ ...counts, behind: behind.length }).toEqual(asked)

    // Ollama was asked once for each, whichever way it came.
    const arrived = standIn.seen.flatMap(({ request }) => rawHeader(request.rawHeaders, 'x-request-id') ?? [])
    expect(arrived.sort()).toEqual(idsOf([...receipts, ...behind]))
    expect(inner.stderr() + outer.stderr()).toBe('')
  })
})

function notAtAll(): Promise<void> {
  return Promise.resolve()
}

/** Holds the answers that play this recording at a chunk, until it is called. */
function hold(recording: Recording, index: number): () => void {
  const held = createGate(index)
  const before = gate
  gate = async (one, at) => {
    await before(one, at)
    if (one === recording) await held.gate(one, at)
  }
  return held.open
}

async function answerOf(client: RawClient, { request }: Recording): Promise<RawMessage> {
  return parseMessage((await client.ended).bytes, request.method === 'HEAD')
}

/** What the first chunks of a recording hold of its body; all of them where no number is given. */
function bodyOf({ response }: Recording, chunks = response.chunks.length): Buffer {
  return parseMessage(Buffer.concat(response.chunks.slice(0, chunks).map(({ bytes }) => bytes))).body
}

function typeOf({ headers }: RawMessage): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1]
}

async function write({ socket }: RawClient, bytes: Buffer): Promise<void> {
  if (!socket.write(bytes)) await once(socket, 'drain')
}

/** Gives, when it is called, the receipt of the one exchange since. Whatever was before it has its receipt by then. */
async function nextReceipt(served: Served): Promise<() => Promise<LogLine | undefined>> {
  const before = (await allReceipts(served)).length
  return async () => (await served.receipts(before + 1))[before]
}

/** Every receipt, when nothing is under way any more; as many as were counted. */
async function allReceipts(served: Served): Promise<LogLine[]> {
  const counted = await waitFor('every exchange to end', async () => {
    const samples = await served.samples()
    return samples.value('ollama_active_requests') === 0 && samples
  })
  const total = counted.sum('ollama_requests_total')
  const receipts = await served.receipts(total)
  expect(receipts).toHaveLength(total)
  return receipts
}

function idsOf(receipts: readonly LogLine[]): string[] {
  return receipts.map(({ request_id }) => String(request_id)).sort()
}
