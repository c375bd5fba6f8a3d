import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { record, serveRaw, type Recorder } from './raw.ts'
import { hasHead } from './upstream.ts'

export interface Relay {
  readonly port: number
  /** The connections that were for nobody, and what came on them. */
  readonly sunk: readonly Recorder[]
  readonly close: () => Promise<void>
}

const NO_MODELS = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"models":[]}'

/**
 * An upstream for tools that play one on Unix sockets and cannot tell the product's polls from what is proxied. A
 * connection goes on, byte for byte, to the socket in the folder that the header `X-Server` of its first request names,
 * to `s1` where it has none. What is for `none` is read and never answered. Polls, which carry no request id, are
 * answered here.
 */
export async function startRelay(folder: string): Promise<Relay> {
  const sunk: Recorder[] = []
  const open = new Set<Socket>()
  const server = await serveRaw((socket) => {
    const connection = record(socket)
    connection.until(hasHead).then(
      (bytes) => {
        const head = bytes.toString('latin1')
        const name = /\r\nx-server: *(\w+)/i.exec(head)?.[1] ?? 's1'
        if (!/\r\nx-request-id:/i.test(head)) answerPolls(connection)
        else if (name === 'none') sunk.push(connection)
        else open.add(passOn(connection, join(folder, name)))
      },
      () => socket.destroy(),
    )
  })
  return {
    port: server.port,
    sunk,
    async close() {
      for (const socket of open) socket.destroy()
      await server.close()
    },
  }
}

function answerPolls({ socket }: Recorder): void {
  socket.end(NO_MODELS)
}

/** Joins a connection with a Unix socket: bytes, half-closes and breaks pass both ways. */
function passOn({ socket, received }: Recorder, path: string): Socket {
  const server = connect({ path, allowHalfOpen: true })
  server.write(received())
  socket.pipe(server)
  server.pipe(socket)
  server.on('error', () => socket.resetAndDestroy())
  socket.on('close', (hadError) => {
    if (hadError) server.destroy()
  })
  return server
}
