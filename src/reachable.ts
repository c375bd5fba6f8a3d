import type { Address } from './config/parsers.ts'

/** Where somebody on this machine finds who listens on an address: who is on every interface is on loopback too. */
export function reachable({ host, port }: Address): Address {
  return { host: host === '' || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port }
}
