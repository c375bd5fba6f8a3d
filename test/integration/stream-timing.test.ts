import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordingHeader } from '../../src/demo/pick.ts'
import { loadRecordings, type Recording } from '../../src/demo/recordings.ts'
import { createStandIn, type StandIn } from '../../src/demo/stand-in.ts'
import { answerBytes, headerOf, readHead } from '../../src/demo/wire.ts'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage, type RawClient } from '../helpers/raw.ts'

const recordings = loadRecordings()
const streams = recordings.filter(isStream).map((one) => [`${one.version}/${one.name}`, one] as const)

let standIn: StandIn
let app: RunningApp
let current: { recording: Recording; client: RawClient } | undefined
let held = 0

function isStream(recording: Recording): boolean {
  const head = readHead(answerBytes(recording))
  const type = head === undefined ? undefined : headerOf(head, 'content-type')
  const streams = type?.startsWith('application/x-ndjson') === true || type?.startsWith('text/event-stream') === true
  return streams && recording.response.chunks.length > 1 && recording.response.end === 'fin'
}

/** The body up to and including this chunk, its transfer coding taken off. */
function bodyUpTo(recording: Recording, chunks: number): Buffer {
  return parseMessage(Buffer.concat(recording.response.chunks.slice(0, chunks).map(({ bytes }) => bytes))).body
}

/** Holds each chunk back until the client has every byte of those before it. */
async function gate(recording: Recording, index: number): Promise<void> {
  if (current?.recording !== recording || index === 0) return
  const { client } = current
  const before = bodyUpTo(recording, index)
  await client.until((bytes) => bytes.includes('\r\n\r\n') && parseMessage(bytes).body.equals(before))
  held += 1
}

beforeAll(async () => {
  standIn = createStandIn({ recordings, speed: Infinity, gate })
  const { port } = await standIn.listen(0, '127.0.0.1')
  app = await startApp(port)
})

afterAll(async () => {
  await app.close()
  await standIn.close()
})

describe('a stream arrives chunk by chunk', () => {
  it('has streams of both kinds', () => {
    const types = new Set(streams.map(([, one]) => one.request.path))
    expect([...types]).toEqual(expect.arrayContaining(['/api/chat', '/api/generate', '/v1/chat/completions']))
    expect(streams.length).toBeGreaterThan(40)
  })

  it.each(streams)(
    '%s: the next chunk comes only once the client has the last one',
    async (title, recording) => {
      const { request, response } = recording
      const lines = Object.entries({ ...request.headers, [recordingHeader]: title })
      const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
      const client = openRaw(app.proxyPort)
      current = { recording, client }
      held = 0
      client.socket.write(`${request.method} ${request.path} HTTP/1.1\r\n${head}\r\n${request.body ?? ''}`)
      const { bytes } = await client.ended
      expect(parseMessage(bytes).body.equals(bodyUpTo(recording, response.chunks.length))).toBe(true)
      expect(held).toBe(response.chunks.length - 1)
    },
    10_000,
  )
})
