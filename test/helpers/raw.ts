import { connect, createServer, type Socket } from 'node:net'

/** What a raw connection gave until it ended. */
export interface RawAnswer {
  readonly bytes: Buffer
  /** `fin`, or the code of the socket error. */
  readonly end: string
}

/** What came in on a bare socket, from the moment when it was asked for. */
export interface Recorder {
  readonly socket: Socket
  /** All bytes so far. */
  readonly received: () => Buffer
  /** Waits until the bytes received satisfy the condition; rejects when the other side ends before. */
  readonly until: (condition: (bytes: Buffer) => boolean) => Promise<Buffer>
  /** Waits for the other side to leave: by closing, half-closing or resetting the connection. */
  readonly left: Promise<string>
  /** Waits for the end of the connection. */
  readonly ended: Promise<RawAnswer>
}

export type RawClient = Recorder

/** Keeps all that comes in on a socket. */
export function record(socket: Socket): Recorder {
  const chunks: Buffer[] = []
  const waiting = new Set<() => void>()
  let end: string | undefined
  const wake = () => {
    for (const look of waiting) look()
  }
  const received = () => Buffer.concat(chunks)
  const leaving = Promise.withResolvers<string>()
  const leave = (how: string) => {
    end ??= how
    leaving.resolve(end)
    wake()
  }
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    wake()
  })
  socket.on('end', () => leave('fin'))
  const ended = new Promise<RawAnswer>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => {
      end = error.code ?? error.message
      leave(end)
    })
    socket.on('close', () => {
      leave('fin')
      resolve({ bytes: received(), end: end ?? 'fin' })
    })
  })
  return {
    socket,
    received,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const bytes = received()
          if (condition(bytes)) resolve(bytes)
          else if (end !== undefined)
            reject(new Error(`the connection ended (${end}) after: ${bytes.toString('latin1')}`))
          else return
          waiting.delete(look)
        }
        waiting.add(look)
        look()
      }),
    left: leaving.promise,
    ended,
  }
}

/** A client on a bare socket: nothing is parsed, nothing is added. */
export function openRaw(port: number, bytes: Buffer | string = ''): RawClient {
  const client = record(connect({ port, host: '127.0.0.1', noDelay: true }))
  if (bytes.length > 0) client.socket.write(bytes)
  return client
}

export interface RawServer {
  readonly port: number
  readonly connections: readonly Socket[]
  readonly close: () => Promise<void>
}

/** An upstream on bare sockets; `onConnection` plays it. Errors of its sockets are expected and ignored. */
export async function serveRaw(onConnection: (socket: Socket) => void): Promise<RawServer> {
  const connections: Socket[] = []
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    connections.push(socket)
    socket.on('error', () => socket.destroy())
    onConnection(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections,
    async close() {
      for (const socket of connections) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface RawMessage {
  readonly startLine: string
  /** Name and value as sent, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** The body, its transfer coding taken off. */
  readonly body: Buffer
  /** The framing says that the body is whole. */
  readonly complete: boolean
}

/** Takes one HTTP/1.1 message apart, strictly: what is not well-formed throws. 1xx heads are skipped. */
export function parseMessage(bytes: Buffer, bodyless = false): RawMessage {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) throw new Error(`no head in: ${bytes.toString('latin1')}`)
  const [startLine = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n')
  const rest = bytes.subarray(headEnd + 4)
  if (/^HTTP\/1\.1 1\d\d /.test(startLine)) return parseMessage(rest, bodyless)
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
  })
  const find = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1]
  const none = bodyless || /^HTTP\/1\.1 (?:204|304) /.test(startLine)
  if (none) return { startLine, headers, body: Buffer.alloc(0), complete: true }
  if (find('transfer-encoding')?.toLowerCase() === 'chunked') return { startLine, headers, ...dechunk(rest) }
  const length = find('content-length')
  if (length === undefined) return { startLine, headers, body: rest, complete: true }
  return { startLine, headers, body: rest.subarray(0, Number(length)), complete: rest.length >= Number(length) }
}

function dechunk(bytes: Buffer): { body: Buffer; complete: boolean } {
  const parts: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return { body: Buffer.concat(parts), complete: false }
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    if (!(size >= 0)) throw new Error(`bad chunk size at ${at}`)
    if (size === 0) return { body: Buffer.concat(parts), complete: bytes.includes('\r\n\r\n', lineEnd) }
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
    if (at > bytes.length) return { body: Buffer.concat(parts), complete: false }
  }
}
