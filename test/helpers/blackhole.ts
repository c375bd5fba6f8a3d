import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { openRaw, type RawClient } from './raw.ts'

export interface Blackhole {
  readonly port: number
  /** Whether a connection that was tried before all others of the test is still neither made nor refused. */
  readonly swallows: () => boolean
  readonly close: () => Promise<void>
}

/** Listens, and is stopped before it can accept anything. */
const LISTENER = `
const { createServer } = require('node:net')
const { parentPort, workerData } = require('node:worker_threads')
const server = createServer()
server.listen({ port: workerData, host: '127.0.0.1', backlog: 1 }, () => {
  parentPort.postMessage(server.address().port)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})`

/** Linux takes one connection more than the backlog into the queue; for the next, it does not answer. */
const QUEUE = 2

/** A port of 127.0.0.1 on which connecting gets no answer at all: somebody listens whose queue is full. */
export async function openBlackhole(port = 0): Promise<Blackhole> {
  const worker = new Worker(LISTENER, { eval: true, workerData: port })
  const [listening] = (await once(worker, 'message')) as [number]
  const clients: RawClient[] = []
  for (let i = 0; i < QUEUE; i++) {
    const client = openRaw(listening)
    clients.push(client)
    await once(client.socket, 'connect')
  }
  const probe = openRaw(listening)
  return {
    port: listening,
    swallows: () => probe.socket.connecting,
    async close() {
      for (const { socket } of [...clients, probe]) socket.destroy()
      await worker.terminate()
    },
  }
}
