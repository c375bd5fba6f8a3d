import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordingHeader } from '../../src/demo/pick.ts'
import { answersEarly, loadRecordings, type Recording } from '../../src/demo/recordings.ts'
import { rawHeader } from '../../src/demo/request-head.ts'
import { createStandIn, type SeenRequest, type StandIn } from '../../src/demo/stand-in.ts'
import { answerBytes } from '../../src/demo/wire.ts'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage, type RawAnswer, type RawMessage } from '../helpers/raw.ts'
import { recordedRequest } from '../helpers/recorded-request.ts'
import { settled } from '../helpers/upstream.ts'

type Field = readonly [name: string, value: string]

const recordings = loadRecordings()
const upload = randomBytes(3 * 1024 * 1024)
const titled = recordings.map((recording) => [`${recording.version}/${recording.name}`, recording] as const)
const whole = titled.filter(([, { response }]) => response.end !== 'client_destroyed' && response.chunks.length > 0)
const left = titled.filter(([, { response }]) => response.end === 'client_destroyed')
const unanswered = titled.filter(([, { response }]) => response.end === 'ECONNRESET' && response.chunks.length === 0)

const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade']

let standIn: StandIn
let standInPort: number
let app: RunningApp
let seen: SeenRequest[] = []
let onLeft: (seen: SeenRequest) => void = () => undefined
let proxied = 0

beforeAll(async () => {
  standIn = createStandIn({
    recordings,
    speed: Infinity,
    // The product's own polls name no recording.
    onRequest: (request) => {
      if (rawHeader(request.request.rawHeaders, recordingHeader) !== undefined) seen.push(request)
    },
    onLeft: (request) => onLeft(request),
  })
  standInPort = (await standIn.listen(0, '127.0.0.1')).port
  app = await startApp(standInPort)
})

afterAll(async () => {
  await app.close()
  await standIn.close()
})

interface Observed {
  readonly upstream: SeenRequest
  readonly answer: RawAnswer
  readonly message: RawMessage
}

async function exchange(port: number, recording: Recording): Promise<Observed> {
  seen = []
  const answer = await openRaw(port, recordedRequest(recording, upload)).ended
  const [upstream] = seen
  if (upstream === undefined || seen.length > 1) throw new Error(`the upstream saw ${seen.length} requests`)
  return { upstream, answer, message: parseMessage(answer.bytes, recording.request.method === 'HEAD') }
}

function fieldsOf(raw: readonly string[]): Field[] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name.toLowerCase(), raw[index + 1] ?? ''] as const] : []))
}

function without(fields: readonly Field[], names: readonly string[]): Field[] {
  return fields.filter(([name]) => !names.includes(name.toLowerCase()))
}

function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
}

describe('what the client and the upstream see is what they would see without the proxy', () => {
  it('has the recordings of two versions', () => {
    expect(recordings).toHaveLength(249)
    expect(whole.length + left.length + unanswered.length).toBe(249)
  })

  it.each(whole)('%s', async (_title, recording) => {
    const direct = await exchange(standInPort, recording)
    const through = await exchange(app.proxyPort, recording)
    proxied += 1

    const { request } = through.upstream
    expect([request.method, request.target, request.httpVersion]).toEqual([
      direct.upstream.request.method,
      direct.upstream.request.target,
      '1.1',
    ])
    const asked = without(fieldsOf(direct.upstream.request.rawHeaders), HOP_BY_HOP)
    const arrived = fieldsOf(request.rawHeaders)
    expect(without(arrived, [...HOP_BY_HOP, 'x-request-id'])).toEqual(asked)
    expect(request.bodyBytes).toBe(direct.upstream.request.bodyBytes)
    expect(request.body.equals(direct.upstream.request.body)).toBe(true)

    const { message } = through
    expect(message.startLine).toBe(direct.message.startLine)
    const notPassed = [...HOP_BY_HOP, 'transfer-encoding']
    expect(without(message.headers, [...notPassed, 'x-request-id'])).toEqual(without(direct.message.headers, notPassed))
    expect(valuesOf(message.headers, 'transfer-encoding')).toEqual(
      valuesOf(direct.message.headers, 'transfer-encoding'),
    )
    expect(message.body.equals(direct.message.body)).toBe(true)
    expect(message.complete).toBe(direct.message.complete)
    expect(through.answer.end).toBe('fin')

    const ids = valuesOf(arrived, 'x-request-id')
    expect(ids).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)])
    expect(valuesOf(message.headers, 'x-request-id')).toEqual(ids)
    const interim = (bytes: Buffer) => bytes.toString('latin1').startsWith('HTTP/1.1 100 Continue\r\n\r\n')
    expect(interim(through.answer.bytes)).toBe(interim(direct.answer.bytes))
  })

  it.each(unanswered)('%s: a reset instead of an answer is told as one', async (_title, recording) => {
    const { answer, message } = await exchange(app.proxyPort, recording)
    proxied += 1
    expect(answersEarly(recording)).toBe(true)
    expect(message.startLine).toBe('HTTP/1.1 502 Bad Gateway')
    expect(answer.end).toBe('fin')
  })

  it.each(left)('%s: the upstream sees the client leave', async (_title, recording) => {
    seen = []
    const gone = new Promise<SeenRequest>((resolve) => (onLeft = resolve))
    const client = openRaw(app.proxyPort, recordedRequest(recording, upload))
    const bytes = answerBytes(recording)
    if (bytes.length > 0) {
      const { body } = parseMessage(bytes)
      await client.until((got) => got.includes('\r\n\r\n') && parseMessage(got).body.equals(body))
    }
    while (seen.length === 0) await nextTurn()
    client.socket.destroy()
    const leftAt = performance.now()
    expect((await gone).recording).toBe(recording)
    expect(performance.now() - leftAt).toBeLessThan(2000)
    proxied += 1
  })

  it('has counted every exchange once', async () => {
    const receipts = await settled(app, proxied)
    const aborted = receipts.filter(({ outcome }) => outcome === 'client_abort')
    expect(aborted).toHaveLength(left.length)
    const cut = titled.filter(([name]) => name.includes('server-'))
    expect(receipts.filter(({ outcome }) => outcome === 'truncated').length).toBeGreaterThanOrEqual(cut.length)
  })
})
