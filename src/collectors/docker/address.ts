import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Absent, CollectError } from '../collector.ts'

/** Where a daemon listens: the paths of Unix sockets that it may have, or a TCP port. */
export type Address = { readonly sockets: readonly string[] } | { readonly host: string; readonly port: number }

const DEFAULT_PORT = '2375'
const HOW = 'it must be unix:///path/of/the.sock or tcp://host:port'

/**
 * Reads what a DOCKER_HOST may hold; '' stands for the usual sockets of Docker and Podman.
 * @param home the user's folder, with Docker Desktop's socket.
 * @param runtimeDir XDG_RUNTIME_DIR, with the socket of a Podman without root.
 */
export function parseAddress(host: string, home: string, runtimeDir: string | undefined): Address {
  if (host === '') return { sockets: usualSockets(home, runtimeDir) }
  if (host.startsWith('unix://')) return { sockets: [socketPath(host.slice('unix://'.length))] }
  const url = URL.parse(host.includes('://') ? host : `tcp://${host}`)
  // An address can hold a password, so none is repeated in a message.
  if (url === null) throw new CollectError('unsupported', `The address of Docker cannot be read: ${HOW}.`)
  const scheme = url.protocol.slice(0, -1)
  if (scheme !== 'tcp' && scheme !== 'http') {
    throw new CollectError(
      'unsupported',
      `${scheme}:// is not supported for Docker: ${HOW}. Put a socket proxy beside the daemon.`,
    )
  }
  if (url.hostname === '' || url.username !== '' || !['', '/'].includes(url.pathname + url.search)) {
    throw new CollectError('unsupported', `The address of Docker is more or less than a host and a port: ${HOW}.`)
  }
  // Of a URL with http:// the port 80 is left out by the parser.
  const port = url.port === '' && scheme === 'http' ? '80' : url.port || DEFAULT_PORT
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}

function socketPath(path: string): string {
  if (path.startsWith('/')) return path
  throw new CollectError('unsupported', `The socket of Docker has no absolute path: ${HOW}.`)
}

/** Where Docker, Docker Desktop and Podman have their sockets. */
function usualSockets(home: string, runtimeDir: string | undefined): string[] {
  const own = runtimeDir === undefined || runtimeDir === '' ? [] : [join(runtimeDir, 'podman/podman.sock')]
  const desktop = home === '' ? [] : [join(home, '.docker/run/docker.sock')]
  return ['/var/run/docker.sock', ...desktop, '/run/podman/podman.sock', ...own]
}

/**
 * The first of these sockets that may be used; where there is none, the first that is there at all. Rejects with Absent
 * where none is.
 */
export async function pickSocket(paths: readonly string[]): Promise<string> {
  const states = await Promise.all(paths.map(socketState))
  const found = paths[states.indexOf('usable')] ?? paths[states.indexOf('closed')]
  if (found !== undefined) return found
  // Docker makes a folder where it shall mount a socket that is not there.
  const folder = paths[states.indexOf('other')]
  const what = folder === undefined ? `There is no socket at ${paths.join(', ')}` : `${folder} is no socket`
  throw new Absent(`${what}: start Docker, or mount its socket there, or give the address of a socket proxy.`)
}

type SocketState = 'usable' | 'closed' | 'other' | 'missing'

async function socketState(path: string): Promise<SocketState> {
  try {
    if (!(await stat(path)).isSocket()) return 'other'
    await access(path, constants.R_OK | constants.W_OK)
    return 'usable'
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EACCES' ? 'closed' : 'missing'
  }
}
