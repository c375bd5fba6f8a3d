import { CollectError } from '../collector.ts'
import { pickSocket, type Address } from './address.ts'
import { GuardedAgent } from './agent.ts'
import { explain, isGone } from './failures.ts'

/** What is asked of a daemon. All reject with Absent or a CollectError. */
export interface DockerApi {
  /** The list of all containers, also of those that do not run. */
  readonly list: (signal: AbortSignal) => Promise<unknown>
  /** `undefined` where there is no such container any more. */
  readonly inspect: (id: string, signal: AbortSignal) => Promise<unknown>
  /** `undefined` where there is no such container any more. */
  readonly stats: (id: string, signal: AbortSignal) => Promise<unknown>
  /** The stream of events from a Unix time on, with nanoseconds after the point. It never ends by itself. */
  readonly events: (since: string, signal: AbortSignal) => Promise<AsyncIterable<unknown>>
  /** Ends all requests. */
  readonly close: () => void
}

/** What is used of dockerode, whose types have `since` as a number: too few digits for nanoseconds. */
interface Client {
  listContainers(query: object): Promise<unknown>
  getContainer(id: string): { inspect(query: object): Promise<unknown>; stats(query: object): Promise<unknown> }
  getEvents(query: object): Promise<AsyncIterable<unknown>>
}

/** Docker's names, and Podman's for the same. */
const FILTERS = { type: ['container'], event: ['oom', 'die', 'died', 'start', 'destroy', 'remove'] }

/** Asks the daemon at an address; a socket is looked for anew with each question. */
export function createApi(address: () => Address): DockerApi {
  const agent = new GuardedAgent()
  let closed = false

  const ask = async <T>(signal: AbortSignal, question: (client: Client) => Promise<T>): Promise<T> => {
    let where = 'its socket'
    try {
      const target = await resolveTarget(address())
      where = target.socketPath ?? `${target.host}:${target.port}`
      const client = await createClient(target, agent)
      if (closed) throw new Error('it was closed')
      return await question(client)
    } catch (error) {
      throw isGone(error) ? error : explain(error, where, signal.aborted)
    }
  }
  const askOf = async (signal: AbortSignal, question: (client: Client) => Promise<unknown>): Promise<unknown> => {
    try {
      return await ask(signal, question)
    } catch (error) {
      if (isGone(error)) return undefined
      throw error
    }
  }
  return {
    list: (abortSignal) => ask(abortSignal, (client) => client.listContainers({ all: true, abortSignal })),
    inspect: (id, abortSignal) => askOf(abortSignal, (client) => client.getContainer(id).inspect({ abortSignal })),
    stats: (id, abortSignal) =>
      askOf(abortSignal, (client) => client.getContainer(id).stats({ stream: false, 'one-shot': true, abortSignal })),
    events: (since, abortSignal) =>
      ask(abortSignal, (client) => client.getEvents({ since, filters: FILTERS, abortSignal })),
    close() {
      closed = true
      agent.destroy()
    },
  }
}

type Target =
  | { readonly socketPath: string; readonly host?: undefined; readonly port?: undefined }
  | { readonly socketPath?: undefined; readonly host: string; readonly port: number }

async function resolveTarget(address: Address): Promise<Target> {
  return 'sockets' in address ? { socketPath: await pickSocket(address.sockets) } : address
}

/** @throws CollectError where the environment has variables for docker-modem that it fails on. */
async function createClient(target: Target, agent: GuardedAgent): Promise<Client> {
  const { default: Docker } = await import('dockerode')
  // All that docker-modem would take from DOCKER_HOST and its like is named, or it wins.
  const plain = { protocol: 'http', ca: undefined, cert: undefined, key: undefined, timeout: undefined } as const
  const options = {
    ...plain,
    agent,
    socketPath: target.socketPath,
    host: target.host,
    port: target.port,
  }
  try {
    return new Docker(options)
  } catch (error) {
    const variables = 'DOCKER_HOST and DOCKER_CERT_PATH of the environment'
    throw new CollectError('unsupported', `${variables} cannot be read: correct them, or unset them.`, { cause: error })
  }
}
