import type { ResponseFacts } from './facts.ts'

export const OUTCOMES = [
  'stop',
  'length',
  'load',
  'unload',
  'tool_calls',
  'success',
  'caller_error',
  'denied',
  'client_abort',
  'rejected',
  'timeout',
  'truncated',
  'error',
] as const
export type Outcome = (typeof OUTCOMES)[number]

/** Those that are the server's fault, and count against it. */
export const FAULTS: readonly Outcome[] = ['rejected', 'timeout', 'truncated', 'error']

export const ERROR_TYPES = [
  'model_not_found',
  'bad_request',
  'not_found',
  'unsupported',
  'unauthorized',
  'forbidden',
  'rate_limited',
  'client_abort',
  'queue_full',
  'overloaded',
  'connect_timeout',
  'upstream_timeout',
  'idle_timeout',
  'upload_timeout',
  'truncated',
  'connect',
  'dns',
  'upstream_reset',
  'out_of_memory',
  'runner_crash',
  'load_failed',
  'stream_error',
  'proxy_internal',
  'other',
] as const
export type ErrorType = (typeof ERROR_TYPES)[number]

/** How an exchange ended. `errorType` is there for every outcome that is not good. */
export interface Verdict {
  readonly outcome: Outcome
  readonly errorType?: ErrorType
}

/** What the proxy knows of an exchange when it is over. */
export interface Ending {
  /** What the proxy itself decided: its own refusal, or a failure of the upstream before any response. */
  readonly verdict?: Verdict | undefined
  /** The client closed its connection before the response was through. */
  readonly clientLeft: boolean
  /** The response was cut off: its framing has no end. */
  readonly cut: boolean
  /** The upstream's status, or 0 where there was none. */
  readonly status: number
  /** A complete answer of this kind says in its body that it is finished. */
  readonly saysFinished: boolean
}

const CLIENT_ABORT: Verdict = { outcome: 'client_abort', errorType: 'client_abort' }
const TRUNCATED: Verdict = { outcome: 'truncated', errorType: 'truncated' }
const BAD_REQUEST: Verdict = { outcome: 'caller_error', errorType: 'bad_request' }
const UNSUPPORTED: Verdict = { outcome: 'caller_error', errorType: 'unsupported' }
const QUEUE_FULL: Verdict = { outcome: 'rejected', errorType: 'queue_full' }
const OUT_OF_MEMORY: Verdict = { outcome: 'error', errorType: 'out_of_memory' }
const RUNNER_CRASH: Verdict = { outcome: 'error', errorType: 'runner_crash' }
const LOAD_FAILED: Verdict = { outcome: 'error', errorType: 'load_failed' }

/** The texts by which Ollama's failures are known, whatever their status; the first that is found decides. */
const ERROR_TEXTS: readonly (readonly [text: string, Verdict])[] = [
  ['server busy, please try again.', QUEUE_FULL],
  ['out of memory', OUT_OF_MEMORY],
  ['out-of-memory during startup', OUT_OF_MEMORY],
  ['cudaMalloc failed', OUT_OF_MEMORY],
  ['failed to allocate', OUT_OF_MEMORY],
  ['not enough memory', OUT_OF_MEMORY],
  ['insufficient memory', OUT_OF_MEMORY],
  ['requires more system memory', OUT_OF_MEMORY],
  ['ErrorOutOfDeviceMemory', OUT_OF_MEMORY],
  ['model failed to load', LOAD_FAILED],
  ['runner process has terminated', LOAD_FAILED],
  ['llama-server process has terminated', LOAD_FAILED],
  ['timed out waiting for', LOAD_FAILED],
  ['an error was encountered while running the model', RUNNER_CRASH],
  ['no longer running', RUNNER_CRASH],
  ['runner has unexpectedly stopped', RUNNER_CRASH],
  ['does not support embeddings', UNSUPPORTED],
  ['must be of type', BAD_REQUEST],
  ['invalid format:', BAD_REQUEST],
  ['exceeds the context length', BAD_REQUEST],
  ['exceeds the available context size', BAD_REQUEST],
]

const MODEL_NOT_FOUND = /\bmodel ['"].*['"] not found/

/** How a whole exchange ended: one outcome, and at most one error type. */
export function decideVerdict(ending: Ending, facts: ResponseFacts): Verdict {
  if (ending.verdict !== undefined) return ending.verdict
  // A client that hangs up on the last word has its answer; one that hangs up before has given up.
  if (ending.clientLeft && (!facts.finished || ending.status >= 400)) return CLIENT_ABORT
  if (ending.cut && !ending.clientLeft) return TRUNCATED
  if (ending.status >= 400) return errorVerdict(ending.status, facts.errorText)
  if (facts.errorText !== undefined) {
    return errorTextVerdict(facts.errorText) ?? { outcome: 'error', errorType: 'stream_error' }
  }
  if (ending.saysFinished && !facts.finished && ending.status < 300) return TRUNCATED
  return goodVerdict(facts)
}

function goodVerdict(facts: ResponseFacts): Verdict {
  switch (facts.reason) {
    case 'stop':
    case 'length':
    case 'load':
    case 'unload':
    case 'tool_calls':
      return { outcome: facts.reason }
    default:
      return { outcome: 'success' }
  }
}

function errorTextVerdict(text: string): Verdict | undefined {
  return ERROR_TEXTS.find(([part]) => text.includes(part))?.[1]
}

function errorVerdict(status: number, text: string | undefined): Verdict {
  if (status === 404) {
    const missing = text !== undefined && MODEL_NOT_FOUND.test(text)
    return { outcome: 'caller_error', errorType: missing ? 'model_not_found' : 'not_found' }
  }
  const byText = text === undefined ? undefined : errorTextVerdict(text)
  if (byText !== undefined) return byText
  if (status === 499) return CLIENT_ABORT
  if (status === 429) return QUEUE_FULL
  if (status === 501) return UNSUPPORTED
  return status < 500 ? BAD_REQUEST : { outcome: 'error', errorType: 'other' }
}
