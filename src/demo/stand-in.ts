import { createServer, type Socket } from 'node:net'

import { serveConnection, type ConnectionContext } from './connection.ts'
import { createPicker, type PickOptions } from './pick.ts'
import { realTimers, type Tempo } from './player.ts'
import type { Recording } from './recordings.ts'
import { planResponse, type Plan } from './wire.ts'

export type { SeenRequest } from './connection.ts'

export interface StandInOptions
  extends PickOptions, Partial<Pick<Tempo, 'gate' | 'timers'>>, Pick<ConnectionContext, 'onRequest' | 'onLeft'> {
  /** How many times faster than recorded; 0 and Infinity do not wait at all. Left out: 1. */
  readonly speed?: number | undefined
}

export interface StandIn {
  /** Port 0 takes a free one. Rejects with the error of node:net, such as EADDRINUSE. */
  readonly listen: (port: number, host: string) => Promise<{ port: number }>
  /** Ends all connections and stops listening. */
  readonly close: () => Promise<void>
  /** Connections that are open now. */
  readonly connections: () => number
}

/** Plans are the same for every request of a kind; a benchmark asks for one many thousand times. */
function createPlanner(): ConnectionContext['planFor'] {
  const known = new WeakMap<Recording, Map<string, Plan>>()
  return (recording, method, keepAlive) => {
    const plans = known.get(recording) ?? new Map<string, Plan>()
    known.set(recording, plans)
    const kind = `${method === 'HEAD'} ${keepAlive}`
    const plan = plans.get(kind) ?? planResponse(recording, method, keepAlive)
    plans.set(kind, plan)
    return plan
  }
}

/**
 * A stand-in Ollama on raw sockets: it answers with recorded bytes at recorded times.
 *
 * `onRequest` is told of each request when it is chosen for, `onLeft` of each whose client left before the end.
 */
export function createStandIn(options: StandInOptions): StandIn {
  const { speed = 1, timers = realTimers, gate, onRequest, onLeft } = options
  const sockets = new Set<Socket>()
  const context: ConnectionContext = {
    picker: createPicker(options),
    planFor: createPlanner(),
    tempo: { speed: speed > 0 ? speed : Infinity, timers, gate },
    onRequest,
    onLeft,
  }
  let opened = 0

  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    opened += 1
    serveConnection(socket, opened, context)
  })

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          const address = server.address()
          resolve({ port: typeof address === 'object' && address !== null ? address.port : port })
        })
      }),
    close: () =>
      new Promise((resolve) => {
        // Called also where it never listened: then there is nothing to end.
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
    connections: () => sockets.size,
  }
}
