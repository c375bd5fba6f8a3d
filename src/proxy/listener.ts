import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { MAX_HEADER_BYTES } from './open-upstream.ts'

/** A certificate and its key, in PEM; with a client CA, clients need a certificate of it. */
export interface TlsMaterial {
  readonly cert: string
  readonly key: string
  readonly clientCa: string | undefined
}

export interface Listener {
  readonly server: Server
  /** New connections get this certificate. Throws where it is not sound, and then nothing has changed. */
  readonly setTls: (material: TlsMaterial) => void
}

/** How long a connection may take to send a request's head. */
const HEADERS_TIMEOUT_MS = 30_000
/** How often Node looks for one that took longer. */
const HEADERS_CHECK_MS = 1000
/** How long a TLS handshake may take. */
const HANDSHAKE_MS = 10_000
/** Longer than the 60 s that load balancers keep an idle connection, so that they close it and not we. */
const KEEP_ALIVE_MS = 75_000

const SETTINGS = {
  requestTimeout: 0, // an upload may take as long as it moves
  headersTimeout: HEADERS_TIMEOUT_MS,
  connectionsCheckingInterval: HEADERS_CHECK_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
  requireHostHeader: false, // the upstream says what it thinks of that
}
const TLS_SETTINGS = {
  ...SETTINGS,
  ALPNProtocols: ['http/1.1'],
  minVersion: 'TLSv1.2',
  handshakeTimeout: HANDSHAKE_MS,
} as const

/**
 * What clients connect to, with TLS where there is a certificate.
 * @param maxConnections a further one is closed at once
 * @param onRefused a connection ended before it could carry a request
 */
export function createListener(
  tls: TlsMaterial | undefined,
  maxConnections: number | undefined,
  onRefused: (reason: 'tls' | 'limit') => void,
): Listener {
  const secure = tls === undefined ? undefined : createTlsServer({ ...TLS_SETTINGS, ...contextOf(tls) })
  secure?.on('tlsClientError', () => onRefused('tls'))
  const server = secure ?? createServer(SETTINGS)
  if (maxConnections !== undefined) server.maxConnections = maxConnections
  server.on('drop', () => onRefused('limit'))
  return { server, setTls: (material) => secure?.setSecureContext(contextOf(material)) }
}

function contextOf({ cert, key, clientCa }: TlsMaterial) {
  return clientCa === undefined
    ? { cert, key }
    : { cert, key, ca: clientCa, requestCert: true, rejectUnauthorized: true }
}
