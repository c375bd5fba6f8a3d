// An upstream that has bad days: it restarts, lets nobody in, and closes connections that it had kept.
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { createRandom } from '../../test/helpers/random.ts'
import { serveStandIn } from '../../test/helpers/stand-in.ts'
import { waitFor } from '../../test/helpers/wait.ts'
import { stormBefore } from '../../test/integration/storm-upstream.ts'

export interface Upstream {
  readonly url: string
  /** How often each request came, by its id. */
  readonly asked: Map<string, number>
  /** The last requests of the connections that are open. */
  readonly open: () => string[]
  /** From now on it closes kept connections as requests come, or never does. */
  readonly setWell: (well: boolean) => void
  /** Closes all connections. */
  readonly drop: () => void
  /** Goes away for a moment: connections are reset, new ones refused. */
  readonly restart: () => Promise<void>
  /** Is there for a moment, and takes no connection: nothing says so. */
  readonly blackHole: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Nobody's connection begins here: the port is still free when it comes back. */
const HOST = '127.0.0.2'
const DOWN_MS = 150
const SILENT_MS = 500
/** How many requests on a kept connection find it closed. */
const STALE = 0.1

/** Listens and then sleeps for ever: the kernel takes the first two connections, and answers no other. */
const SLEEPER = `
const { createServer } = require('node:net')
const { parentPort, workerData } = require('node:worker_threads')
createServer().listen({ ...workerData, backlog: 1 }, () => {
  parentPort.postMessage('listening')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})`

const ID = /\r\nX-Request-ID: ([^\r]*)(?=\r\n)/gi
/** Longer than the field; of a head in two parts, so much of the first is looked at again. */
const OVERLAP = 200

/** The storm's upstream, whose ends this one makes worse. The same numbers for the same seed, though not the same moments. */
export async function serveUpstream(seed: number): Promise<Upstream> {
  const standIn = await serveStandIn({ speed: 0 })
  const play = stormBefore(standIn.port)
  const random = createRandom(seed)
  const asked = new Map<string, number>()
  /** With the last request of each. */
  const sockets = new Map<Socket, string>()
  let isWell = false

  const onConnection = (socket: Socket) => {
    sockets.set(socket, '')
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let before = ''
    socket.on('data', (bytes: Buffer) => {
      const text = before + bytes.toString('latin1')
      const heads = [...text.matchAll(ID)]
      const last = heads.at(-1)
      before = text.slice(last === undefined ? -OVERLAP : Math.max(text.length - OVERLAP, last.index + last[0].length))
      for (const [, id = ''] of heads) asked.set(id, (asked.get(id) ?? 0) + 1)
      if (last === undefined) return
      const wasUsed = sockets.get(socket) !== ''
      sockets.set(socket, last[1] ?? '')
      if (wasUsed && !isWell && random.chance(STALE)) socket.resetAndDestroy()
    })
    play(socket)
  }

  let server = await listen(0, onConnection)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const drop = () => {
    for (const socket of sockets.keys()) socket.destroy()
  }
  const shut = async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets.keys()) socket.resetAndDestroy()
    await closed
  }

  return {
    url: `http://${HOST}:${port}`,
    asked,
    open: () => [...sockets.values()],
    setWell(well) {
      isWell = well
    },
    drop,
    async restart() {
      await shut()
      await pause(DOWN_MS)
      server = await listen(port, onConnection)
    },
    async blackHole() {
      await shut()
      const sleeper = new Worker(SLEEPER, { eval: true, workerData: { port, host: HOST } })
      await once(sleeper, 'message')
      await pause(SILENT_MS)
      await sleeper.terminate()
      server = await listen(port, onConnection)
    },
    async close() {
      drop()
      if (server.listening) await shut()
      await standIn.close()
    },
  }
}

function listen(port: number, onConnection: (socket: Socket) => void): Promise<Server> {
  return waitFor('a port to listen on', async () => {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, onConnection)
    return new Promise<Server | undefined>((resolve) => {
      server.once('error', () => resolve(undefined))
      server.listen({ port, host: HOST }, () => resolve(server))
    })
  })
}
