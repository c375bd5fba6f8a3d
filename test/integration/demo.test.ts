import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { recordingHeader } from '../../src/demo/pick.ts'
import { realTimers } from '../../src/demo/player.ts'
import { requestBytes, type Recording } from '../../src/demo/recordings.ts'
import { createStandIn, type SeenRequest } from '../../src/demo/stand-in.ts'
import { answerBytes } from '../../src/demo/wire.ts'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { createLog, recordings, startStandIn, unconnected } from './demo-stand-in.ts'

function recordingOf(name: string): Recording {
  const found = recordings.find((recording) => recording.name === name)
  if (found === undefined) throw new Error(`no recording ${name}`)
  return found
}

function rawBytes({ response }: Recording): Buffer {
  return Buffer.concat(response.chunks.map(({ bytes }) => bytes))
}

/** The recorded request, its headers as recorded, and the name of the recording where the request alone is no key. */
function requestOf(recording: Recording, named: boolean): Buffer {
  const { method, path, headers, body } = recording.request
  const name = named ? [`${recordingHeader}: ${recording.version}/${recording.name}`] : []
  const lines = Object.entries(headers).map(([key, value]) => `${key}: ${value}`)
  const head = [`${method} ${path} HTTP/1.1`, ...lines, ...name, '', ''].join('\r\n')
  return Buffer.concat([
    Buffer.from(head),
    body === undefined ? randomBytes(requestBytes(recording)) : Buffer.from(body),
  ])
}

describe.each(['ollama-0.33', 'ollama'] as const)('every recording of %s', (version) => {
  const own = recordings.filter((recording) => recording.version === version)
  const keyOf = ({ request: { method, path, headers, body } }: Recording) =>
    JSON.stringify([method, path, headers, body])
  const groups = Map.groupBy(own, keyOf)
  const came = createLog<SeenRequest>()
  const left = createLog<SeenRequest>()
  const standIn = createStandIn({ recordings, version, speed: 0, onRequest: came.add, onLeft: left.add })
  let port = 0
  beforeAll(async () => {
    port = (await standIn.listen(0, '127.0.0.1')).port
  })
  afterAll(() => standIn.close())

  it.each(own)('$name: the recorded bytes and the recorded end', async (recording) => {
    const client = openRaw(port, requestOf(recording, (groups.get(keyOf(recording))?.length ?? 0) > 1))
    const expected = rawBytes(recording)
    if (recording.response.end === 'client_destroyed') {
      await came.until((items) => items.some((seen) => seen.recording === recording))
      await client.until((bytes) => bytes.length >= expected.length)
      expect(left.items.map((seen) => seen.recording)).not.toContain(recording)
      client.socket.destroy()
      await left.until((items) => items.some((seen) => seen.recording === recording))
      expect(client.received().equals(expected)).toBe(true)
      return
    }
    const { bytes, end } = await client.ended
    expect(bytes.toString('latin1')).toBe(expected.toString('latin1'))
    // A client that is still sending when the reset comes can be told so by its own write.
    if (recording.response.end === 'fin') expect(end).toBe('fin')
    else expect(['ECONNRESET', 'EPIPE']).toContain(end)
  })

  it('leaves no connection open', () => unconnected(standIn))
})

describe('times', () => {
  it.each([
    [1, 'chat-stream'],
    [4, 'chat-stream'],
    [1, 'me'],
  ])('are the recorded ones at speed %d: %s', async (speed, name) => {
    const recording = recordingOf(name)
    const written: number[] = []
    let now = 0
    const timers = {
      now: () => now,
      wait: (ms: number) => {
        now += ms
        return Promise.resolve()
      },
    }
    const gate = () => {
      written.push(now)
      return Promise.resolve()
    }
    const { port } = await startStandIn({ speed, timers, gate })
    await openRaw(port, requestOf(recording, true)).ended
    const { chunks, durationMs } = recording.response
    const expected = chunks.map(({ atMs }) => atMs / speed)
    expect(written).toHaveLength(expected.length)
    for (const [index, at] of expected.entries()) expect(written[index]).toBeCloseTo(at, 6)
    expect(now).toBeCloseTo(durationMs / speed, 6)
  })

  it('pass for real', async () => {
    const recording = recordingOf('chat-num-predict-1')
    const { port } = await startStandIn({ speed: 1 })
    const began = performance.now()
    await openRaw(port, requestOf(recording, true)).ended
    expect(performance.now() - began).toBeGreaterThan(recording.response.durationMs - 2)
  })

  it('hold a chunk until the gate lets it go', async () => {
    const held = Promise.withResolvers<undefined>()
    const asked = Promise.withResolvers<undefined>()
    const gate = async (_recording: Recording, index: number) => {
      if (index !== 1) return
      asked.resolve(undefined)
      await held.promise
    }
    const recording = recordingOf('chat-stream')
    const first = recording.response.chunks[0]?.bytes.length
    const { port } = await startStandIn({ gate })
    const client = openRaw(port, requestOf(recording, true))
    await asked.promise
    await client.until((bytes) => bytes.length === first)
    held.resolve(undefined)
    expect((await client.ended).bytes.equals(rawBytes(recording))).toBe(true)
  })
})

describe('a client that stays', () => {
  async function get(port: number, agent: Agent, path: string, method = 'GET') {
    const outgoing = request({ port, host: '127.0.0.1', path, method, agent }).end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    const body = (await response.toArray()).join('')
    return { status: response.statusCode, connection: response.headers.connection, body }
  }

  it('has one connection for one request after the other', async () => {
    const connections: number[] = []
    const { port } = await startStandIn({ onRequest: ({ connection }) => connections.push(connection) })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    for (const path of ['/api/version', '/api/tags', '/nope', '/v1/models', '/api/ps']) {
      const { connection, body } = await get(port, agent, path)
      // Ollama says nothing about the connection where it keeps it.
      expect(connection).toBeUndefined()
      expect(body.length).toBeGreaterThan(10)
    }
    expect(await get(port, agent, '/api/tags', 'HEAD')).toMatchObject({ status: 200, body: '' })
    expect(await get(port, agent, '/api/version')).toMatchObject({ body: '{"version":"0.33.0-rc2"}' })
    expect(connections).toEqual([1, 1, 1, 1, 1, 1, 1])
  })

  it('gets its answers in order when it asks ahead', async () => {
    const came = createLog<SeenRequest>()
    const gate = ({ name }: Recording) =>
      name === 'version' ? came.until(({ length }) => length === 3) : Promise.resolve()
    const { port } = await startStandIn({ onRequest: came.add, gate })
    const heads = ['/api/version', '/nope'].map((path) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
    const client = openRaw(port, `${heads.join('')}GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`)
    const { bytes, end } = await client.ended
    expect(bytes.toString()).toMatch(
      /^HTTP\/1\.1 200 [^]*0\.33\.0-rc2"\}HTTP\/1\.1 404 [^]*found[^]*Ollama is running$/,
    )
    expect(bytes.toString().match(/Connection: close/g)).toHaveLength(1)
    expect(end).toBe('fin')
  })

  it('is told once that its connection ends, and nothing after that', async () => {
    const came = createLog<SeenRequest>()
    const left = createLog<SeenRequest>()
    const { port } = await startStandIn({ onRequest: came.add, onLeft: left.add })
    const ask = 'GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'
    const { bytes } = await openRaw(port, ask + ask).ended
    expect(bytes.toString().match(/HTTP\/1\.1 200/g)).toHaveLength(1)
    expect(came.items).toHaveLength(1)
    expect(left.items).toHaveLength(0)
  })

  it('loses its connection where the recording broke off, and was not told before', async () => {
    const { port } = await startStandIn()
    const names = `${recordingHeader}: server-killed-mid-stream`
    const client = openRaw(port, `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${names}\r\n\r\n`)
    const { bytes, end } = await client.ended
    expect(parseMessage(bytes).complete).toBe(false)
    expect(bytes.toString()).not.toContain('Connection: close')
    expect(end).toBe('fin')
  })

  it('is closed for what asks with HTTP/1.0', async () => {
    const { port } = await startStandIn()
    const { bytes } = await openRaw(port, 'GET /api/version HTTP/1.0\r\n\r\n').ended
    expect(bytes.toString()).toContain('Connection: close')
  })
})

describe('a client that uploads', () => {
  const upload = `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n${recordingHeader}: ollama/blob-upload`

  it('is answered before its body where that was recorded, and may go on afterwards', async () => {
    const { port } = await startStandIn()
    const client = openRaw(port, `${upload}-there\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhe`)
    await client.until((bytes) => /^HTTP\/1\.1 200 [^]*\r\n\r\n$/.test(bytes.toString()))
    client.socket.write('llo')
    client.socket.write(`GET /nope HTTP/1.0\r\n\r\n`)
    expect((await client.ended).bytes.toString()).toMatch(/\r\n\r\nHTTP\/1\.1 404 /)
  })

  it('is answered after its body where that was recorded', async () => {
    const held = createLog<SeenRequest>()
    const { port } = await startStandIn({ onRequest: held.add })
    const client = openRaw(port, `${upload}\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhe`)
    await once(client.socket, 'connect')
    expect(held.items).toHaveLength(0)
    client.socket.write('llo')
    expect((await client.ended).bytes.toString()).toMatch(/^HTTP\/1\.1 201 /)
    expect(held.items.map(({ request }) => request.body.toString())).toEqual(['hello'])
  })
})

describe('a client that expects 100', () => {
  const ask = 'POST /api/show HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 21\r\n'
  const body = '{"model":"chat:270m"}'
  const interim = 'HTTP/1.1 100 Continue\r\n\r\n'

  it.each(['show', 'expect-100'])('gets it before it sends the body: %s', async (name) => {
    const { port } = await startStandIn()
    const client = openRaw(port, `${ask}Connection: close\r\n${recordingHeader}: ${name}\r\n\r\n`)
    expect((await client.until((bytes) => bytes.length > 0)).toString()).toBe(interim)
    client.socket.write(body)
    const { bytes } = await client.ended
    expect(bytes.toString()).toBe(`${interim}${answerBytes(recordingOf(name)).toString()}`)
  })

  it('does not get it where it does not expect it', async () => {
    const { port } = await startStandIn()
    const name = `${recordingHeader}: expect-100`
    const client = openRaw(port, `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${name}\r\n\r\n`)
    expect((await client.ended).bytes.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  it('waits for the answer before', async () => {
    const held = Promise.withResolvers<undefined>()
    const { port } = await startStandIn({ gate: ({ name }) => (name === 'version' ? held.promise : Promise.resolve()) })
    const first = 'GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
    const client = openRaw(port, `${first}${ask}Connection: close\r\n\r\n`)
    held.resolve(undefined)
    const bytes = await client.until((received) => received.includes('100 Continue'))
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 200 [^]*rc2"\}HTTP\/1\.1 100 Continue\r\n\r\n$/)
    client.socket.write(body)
    await client.ended
  })
})

describe('a client that expects 100 and does not wait for it', () => {
  it('gets none any more when its body came before its turn', async () => {
    const came = createLog<SeenRequest>()
    const gate = ({ name }: Recording) =>
      name === 'version' ? came.until(({ length }) => length === 2) : Promise.resolve()
    const { port } = await startStandIn({ onRequest: came.add, gate })
    const upload = 'POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{]'
    const client = openRaw(port, `GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${upload}`)
    await client.until((bytes) => bytes.includes('unexpected EOF"}'))
    client.socket.write('GET / HTTP/1.0\r\n\r\n')
    expect((await client.ended).bytes.toString()).not.toContain('100 Continue')
  })
})

describe('a client that leaves', () => {
  it.each(['destroy', 'end'] as const)('ends the waiting at once, by %s', async (how) => {
    let waiting = 0
    const began = Promise.withResolvers<undefined>()
    const gone = Promise.withResolvers<SeenRequest>()
    const timers = {
      ...realTimers,
      wait: async (ms: number, signal: AbortSignal) => {
        waiting += 1
        began.resolve(undefined)
        await realTimers.wait(ms * 1000, signal)
        waiting -= 1
      },
    }
    const { standIn, port } = await startStandIn({ speed: 1, timers, onLeft: gone.resolve })
    const client = openRaw(port, requestOf(recordingOf('slot-busy'), true))
    await began.promise
    client.socket[how]()
    expect((await gone.promise).recording.name).toBe('slot-busy')
    expect(waiting).toBe(0)
    await unconnected(standIn)
  })

  it.each(['destroy', 'end'] as const)('frees what waits for it to read, by %s', async (how) => {
    const big = Buffer.alloc(32 * 1024 * 1024, 'x')
    const chunks = [{ atMs: 0, bytes: Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), big]) }]
    const made = { ...recordingOf('version'), response: { end: 'fin', durationMs: 0, chunks } }
    const gone = Promise.withResolvers<SeenRequest>()
    const { standIn, port } = await startStandIn({ recordings: [made], onLeft: gone.resolve })
    const client = openRaw(port, requestOf(made, false))
    await client.until((bytes) => bytes.length > 0)
    client.socket.pause()
    client.socket[how]()
    expect((await gone.promise).recording.name).toBe('version')
    client.socket.destroy()
    await unconnected(standIn)
  })
})

describe('what is no request', () => {
  it.each([
    ['nonsense', 'hello\r\n\r\n', 400],
    ['an endless head', `GET / HTTP/1.1\r\nA: ${'x'.repeat(70_000)}`, 431],
  ])('is refused: %s', async (_what, text, status) => {
    const { port } = await startStandIn()
    const { bytes, end } = await openRaw(port, text).ended
    expect(bytes.toString()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(end).toBe('fin')
  })
})
