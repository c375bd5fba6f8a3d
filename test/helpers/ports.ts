import { connect, createServer } from 'node:net'
import { onTestFinished } from 'vitest'

async function listenAnywhere() {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return { port: address.port, close }
}

/** A port that somebody else listens on until the end of the test. */
export async function occupyPort(): Promise<number> {
  const { port, close } = await listenAnywhere()
  onTestFinished(close)
  return port
}

/** A port that nobody listens on. Where the program can choose one itself (port 0), that is better. */
export async function freePort(): Promise<number> {
  const { port, close } = await listenAnywhere()
  await close()
  return port
}

/** Whether somebody listens on this port of 127.0.0.1. */
export function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      resolve(true)
      socket.destroy()
    })
  })
}
