import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { ClientRequest } from 'node:http'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { startApp, type RunningApp } from './app.ts'
import { record, type Recorder } from './raw.ts'
import { hasHead } from './upstream.ts'

/** The requests that this process makes by node:http: the proxy's tries. Polls go by fetch, and are none. */
export interface Tries {
  /** How many were begun. */
  readonly begun: () => number
  /** Waits until so many are over. */
  readonly over: (count: number) => Promise<void>
}

/** Counts tries until the end of the test. */
export function watchTries(): Tries {
  const ends = new EventTarget()
  let begun = 0
  let over = 0
  const onCreated = (message: unknown) => {
    const { request } = message as { request: ClientRequest }
    begun++
    request.on('close', () => {
      over++
      ends.dispatchEvent(new Event('close'))
    })
  }
  subscribe('http.client.request.created', onCreated)
  onTestFinished(() => {
    unsubscribe('http.client.request.created', onCreated)
  })
  return {
    begun: () => begun,
    async over(count) {
      while (over < count) await once(ends, 'close')
    },
  }
}

interface ReservedPort {
  readonly port: number
  /** Begins to listen there. */
  readonly listen: (onConnection: (socket: Socket) => void) => Promise<void>
  readonly close: () => void
}

/** A port on which nobody listens, and which nobody else gets: a connection that was made to it once is kept open. */
async function reservePort(): Promise<ReservedPort> {
  const sockets: Socket[] = []
  const servers: Server[] = []
  const listen = async (port: number, onConnection: (socket: Socket) => void) => {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      sockets.push(socket)
      socket.on('error', () => socket.destroy())
      onConnection(socket)
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }
  const accepted = Promise.withResolvers<undefined>()
  const port = await listen(0, () => accepted.resolve(undefined))
  sockets.push(connect({ port, host: '127.0.0.1' }))
  await accepted.promise
  servers.pop()?.close()
  return {
    port,
    async listen(onConnection) {
      await listen(port, onConnection)
    },
    close() {
      for (const socket of sockets) socket.destroy()
      for (const server of servers) server.close()
    },
  }
}

export interface LateUpstream {
  readonly app: RunningApp
  readonly tries: Tries
  /** Connections that carried a proxied request. */
  readonly connections: readonly Recorder[]
  /** The upstream begins to listen. */
  readonly appear: () => Promise<void>
}

/** The whole product in front of an upstream that is not there until the test says so. */
export async function startLate(
  env: Record<string, string>,
  play: (connection: Recorder) => void,
): Promise<LateUpstream> {
  const reserved = await reservePort()
  const tries = watchTries()
  const app = await startApp(reserved.port, env)
  onTestFinished(async () => {
    await app.close()
    reserved.close()
  })
  const connections: Recorder[] = []
  const accept = (socket: Socket) => {
    const connection = record(socket)
    connection.until(hasHead).then(
      (bytes) => {
        if (!/\r\nx-request-id:/i.test(bytes.toString('latin1'))) {
          socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
          return
        }
        connections.push(connection)
        play(connection)
      },
      () => {
        if (connection.received().length > 0) connections.push(connection) // else a poll that was given up
      },
    )
  }
  return { app, tries, connections, appear: () => reserved.listen(accept) }
}
