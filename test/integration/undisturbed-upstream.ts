import { createServer, type Server, type Socket } from 'node:net'
import { openBlackhole } from '../helpers/blackhole.ts'
import { record, type Recorder } from '../helpers/raw.ts'
import { answer, chunk, parseRequests } from '../helpers/upstream.ts'

const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
const LAST = '{"response":"","done":true,"done_reason":"stop"}\n'
const FAILURE =
  'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 29\r\nConnection: close\r\n\r\n{"error":"cudaMalloc failed"}'
const MIB = 1024 * 1024

/** The line that every steady stream gets at a tick. */
export function lineOf(tick: number): string {
  return `${JSON.stringify({ response: `tick ${tick};`, done: false })}\n`
}

/** How a request asks for one of these: `?fault=`. What is not listed is never answered. */
const FAULTS: Readonly<Record<string, (socket: Socket) => void>> = {
  closes: (socket) => socket.end(),
  resets: (socket) => socket.resetAndDestroy(),
  garbage: (socket) => socket.end('SSH-2.0-x\r\n\r\n'),
  stalls: (socket) => socket.write(STREAM_HEAD + chunk('{"response":"x","done":false}\n')),
  cuts: (socket) => socket.end(STREAM_HEAD + chunk('{"response":"x","done":false}\n')),
  'bad-chunk': (socket) => socket.write(`${STREAM_HEAD}no-hex\r\nabc\r\n`),
  fails: (socket) => socket.end(FAILURE),
  pours: pour,
}

function pour(socket: Socket): void {
  const block = Buffer.alloc(MIB, 'y')
  let left = 512
  const more = () => {
    while (socket.writable && left-- > 0 && socket.write(block));
  }
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${left * MIB}\r\n\r\n`)
  socket.on('drain', more)
  more()
}

export interface SteadyUpstream {
  readonly port: number
  /** The connections with a steady stream. */
  readonly streams: readonly Recorder[]
  /** Sends the next line to every steady stream. @returns its number */
  readonly tick: () => number
  /** Ends every steady stream well. */
  readonly finish: () => void
  /** Refuses new connections while the work lasts; those there are go on. */
  readonly whileRefusing: <T>(work: () => Promise<T>) => Promise<T>
  /** Leaves new connections without any answer while the work lasts. */
  readonly whileBlackhole: <T>(work: () => Promise<T>) => Promise<T>
  readonly close: () => void
}

/** An upstream on bare sockets: steady streams that go on when the test says so, and faults for those who ask for them. */
export async function serveSteady(): Promise<SteadyUpstream> {
  const sockets = new Set<Socket>()
  const streams: Recorder[] = []
  let ticks = 0
  const play = (connection: Recorder, target: string) => {
    const { socket } = connection
    const fault = new URL(target, 'http://x').searchParams.get('fault')
    if (fault !== null) FAULTS[fault]?.(socket)
    else if (target === '/api/generate') {
      socket.write(STREAM_HEAD)
      streams.push(connection)
    } else socket.write(answer('{}'))
  }
  const accept = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    const connection = record(socket)
    let played = 0
    socket.on('data', () => {
      for (const { target } of parseRequests(connection.received()).slice(played++, played)) play(connection, target)
    })
  }
  const listen = async (on: number): Promise<Server> => {
    const listener = createServer({ noDelay: true, allowHalfOpen: true }, accept)
    await new Promise<void>((resolve) => listener.listen(on, '127.0.0.1', resolve))
    return listener
  }
  let server = await listen(0)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const whileRefusing = async <T>(work: () => Promise<T>): Promise<T> => {
    server.close()
    const result = await work()
    server = await listen(port)
    return result
  }
  return {
    port,
    streams,
    tick() {
      const tick = ++ticks
      for (const { socket } of streams) socket.write(chunk(lineOf(tick)))
      return tick
    },
    finish() {
      for (const { socket } of streams) socket.write(`${chunk(LAST)}0\r\n\r\n`)
    },
    whileRefusing,
    whileBlackhole: (work) =>
      whileRefusing(async () => {
        const blackhole = await openBlackhole(port)
        const result = await work()
        if (!blackhole.swallows()) throw new Error('it was no blackhole')
        await blackhole.close()
        return result
      }),
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
