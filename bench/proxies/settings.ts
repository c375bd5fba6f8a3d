// Every proxy here is started as the product is: two addresses in the environment.

export interface Address {
  host: string
  port: number
}

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set`)
  return value
}

const target = new URL(required('OLLASCOPE_UPSTREAM'))
const listenUrl = new URL(`http://${required('OLLASCOPE_LISTEN')}`)

export const upstream: Address = { host: target.hostname, port: Number(target.port) }
export const upstreamUrl = `http://${target.host}`
export const listen: Address = { host: listenUrl.hostname, port: Number(listenUrl.port) }
