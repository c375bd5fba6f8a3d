import { Agent, type ClientRequest, type IncomingMessage } from 'node:http'
import { inspect } from 'node:util'

/** More than the list of a thousand containers. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024
const KEEPALIVE_MS = 30_000

/** Node calls it for each request; its types leave it out. */
const addRequest: unknown = Reflect.get(Agent.prototype, 'addRequest')

/**
 * The connections of docker-modem, a new one for each request, with what it leaves open: it follows redirects without
 * listening for their errors, which would end the process; it never calls back where an answer ends in the middle; and
 * it collects answers of any length.
 */
export class GuardedAgent extends Agent {
  constructor() {
    super({ keepAlive: false })
  }

  addRequest(request: ClientRequest, ...rest: readonly unknown[]): void {
    // A host that vanishes says nothing, and an event stream is silent for hours.
    request.setSocketKeepAlive(true, KEEPALIVE_MS)
    request.prependOnceListener('response', (answer: IncomingMessage) => {
      delete answer.headers.location
      answer.on('error', (error) => request.emit('error', error))
      if (!request.path.startsWith('/events')) limit(answer)
    })
    if (typeof addRequest === 'function') Reflect.apply(addRequest, this, [request, ...rest])
  }

  /** docker-modem writes out all that a request has, as deep as it goes, whether somebody reads it or not. */
  [inspect.custom](): string {
    return 'GuardedAgent'
  }
}

function limit(answer: IncomingMessage): void {
  let size = 0
  answer.on('data', (bytes: Buffer) => {
    size += bytes.length
    if (size > MAX_ANSWER_BYTES) answer.destroy(new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`))
  })
}
