import type { ProxyError } from './errors.ts'

/** What is known of a request before its body, for whoever decides on it. */
export interface AskedHead {
  readonly method: string
  /** As it stands in the request line. */
  readonly target: string
  /** Name, value, name, value. */
  readonly rawHeaders: readonly string[]
  /** The address at the other end of the connection. */
  readonly peer: string | undefined
}

/** Whose token a request came with, and why it is denied, if it is. */
export interface Admission {
  readonly client: string | undefined
  readonly denial?: ProxyError
}
