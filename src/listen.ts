import type { Server } from 'node:net'
import type { Address } from './config/parsers.ts'

export type { Address }

/** A failure that the operator can mend: its message is one clear line, without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

/** Starts to listen, and gives the address that it got (port 0 asks for any free one). */
export async function listen(server: Server, { host, port }: Address, setting: string): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new StartError(explain(error, host, port, setting))))
    server.listen({ host, port }, resolve)
  })
  const address = server.address()
  return { host, port: typeof address === 'object' && address !== null ? address.port : port }
}

/** `127.0.0.1:11435`, `[::1]:11435`. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host || '*'}:${port}`
}

function explain(error: NodeJS.ErrnoException, host: string, port: number, setting: string): string {
  const where = `ollascope: cannot listen on ${formatAddress({ host, port })}`
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where}: the port is in use; stop what listens there, or set ${setting} to another`
    case 'EACCES':
      return `${where}: permission denied; ports below 1024 need privileges, set ${setting} to another`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${where}: this machine has no such address; set ${setting} to one it has`
    default:
      return `${where}: ${error.message}`
  }
}
