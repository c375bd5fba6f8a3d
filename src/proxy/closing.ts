import type { Socket } from 'node:net'

/** The connections that end with what is answered on them: whatever else comes on one is read, and never a request. */
export class Closing {
  readonly #sockets = new Set<Socket>()

  add(socket: Socket): void {
    if (this.#sockets.has(socket)) return
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  has(socket: Socket): boolean {
    return this.#sockets.has(socket)
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
