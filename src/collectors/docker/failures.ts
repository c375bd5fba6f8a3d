import { Absent, CollectError } from '../collector.ts'

/** What a failed request means, for a person. `where` is a socket or a host with its port. */
export function explain(error: unknown, where: string, aborted: boolean): Absent | CollectError {
  if (error instanceof Absent || error instanceof CollectError) return error
  const cause = { cause: error }
  if (aborted) return new CollectError('timeout', `Docker at ${where} did not answer in time.`, cause)
  const { code, statusCode, message } = partsOf(error)
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new Absent(`There is no socket at ${where}: start Docker, or mount its socket there.`, cause)
    case 'EACCES':
    case 'EPERM':
      return new CollectError('permission', `${where} may not be opened: ${PERMISSION}`, cause)
    case 'ECONNREFUSED':
      return new CollectError('refused', `Nobody listens at ${where}: start Docker.`, cause)
    default:
  }
  if (statusCode === 401 || statusCode === 403) return new CollectError('forbidden', `${where} ${FORBIDDEN}`, cause)
  return statusCode === undefined
    ? new CollectError('unreachable', `Docker at ${where} cannot be asked: ${message}`, cause)
    : new CollectError('unreadable', `Docker at ${where} refused a question: ${message}`, cause)
}

const PERMISSION = 'add the user of this process to the group of the socket (docker), or use a socket proxy.'
const FORBIDDEN =
  'forbids this: a socket proxy must allow containers and events (CONTAINERS=1 and EVENTS=1), reading only.'

/** No such container, or one that is about to go. */
export function isGone(error: unknown): boolean {
  return [404, 409].includes(partsOf(error).statusCode ?? 0)
}

interface Parts {
  readonly code: unknown
  readonly statusCode: number | undefined
  readonly message: string
}

const MAX_MESSAGE = 300

function partsOf(error: unknown): Parts {
  if (!(error instanceof Error)) return { code: undefined, statusCode: undefined, message: String(error) }
  const statusCode = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : undefined
  const message = error.message.trim().slice(0, MAX_MESSAGE)
  return { code: 'code' in error ? error.code : undefined, statusCode, message }
}
