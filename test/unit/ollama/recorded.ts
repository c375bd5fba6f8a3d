import { matchEndpoint } from '../../../src/ollama/endpoints.ts'
import type { ResponseFacts } from '../../../src/ollama/facts.ts'
import { createFacts } from '../../../src/ollama/facts.ts'
import { decideVerdict, type Verdict } from '../../../src/ollama/outcome.ts'
import { ResponseObserver, type ResponseHead } from '../../../src/ollama/response-observer.ts'
import type { Recording } from '../../../src/demo/recordings.ts'
import { parseMessage } from '../../helpers/raw.ts'
import { cutAt } from '../../helpers/random.ts'

/** The answer of a recording, its transfer coding taken off. */
export interface RecordedAnswer {
  readonly head: ResponseHead
  readonly body: Buffer
  /** The framing says that it is whole. */
  readonly complete: boolean
  /** Where the recorder's reads ended, as offsets in the body. */
  readonly readEnds: readonly number[]
}

const HEAD_END = Buffer.from('\r\n\r\n')

/** `undefined` where there was none. */
export function answerOf({ request, response }: Recording): RecordedAnswer | undefined {
  const raw = Buffer.concat(response.chunks.map(({ bytes }) => bytes))
  if (raw.length === 0) return undefined
  const bodyless = request.method === 'HEAD'
  const { startLine, headers, body, complete } = parseMessage(raw, bodyless)
  const header = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1]
  let bodyStart = raw.indexOf(HEAD_END) + 4
  if (raw.toString('latin1', 0, 12).startsWith('HTTP/1.1 1')) bodyStart = raw.indexOf(HEAD_END, bodyStart) + 4
  const readEnds: number[] = []
  let read = 0
  for (const { bytes } of response.chunks) {
    read += bytes.length
    const end = read <= bodyStart ? 0 : parseMessage(raw.subarray(0, read), bodyless).body.length
    if (end > (readEnds.at(-1) ?? 0)) readEnds.push(end)
  }
  return {
    head: {
      status: Number(startLine.split(' ')[1]),
      contentType: header('content-type'),
      contentEncoding: header('content-encoding'),
    },
    body,
    complete,
    readEnds,
  }
}

export interface Observed {
  readonly facts: ResponseFacts
  readonly verdict: Verdict
}

export interface Circumstances {
  readonly cut: boolean
  readonly clientLeft: boolean
}

export function circumstancesOf(recording: Recording, complete: boolean): Circumstances {
  const clientLeft = recording.response.end === 'client_destroyed'
  return { clientLeft, cut: !complete && !clientLeft }
}

/** What is said of an answer whose body arrives in these pieces; the clock is the count of its bytes. */
export function observe(
  recording: Recording,
  answer: RecordedAnswer | undefined,
  ends: readonly number[],
  circumstances: Circumstances,
): Observed {
  if (answer === undefined) {
    const facts = createFacts()
    return { facts, verdict: decideVerdict({ ...circumstances, status: 499, saysFinished: false }, facts) }
  }
  const { method, path } = recording.request
  const endpoint = matchEndpoint(path)
  const observer = new ResponseObserver(answer.head, method === endpoint.method ? endpoint.extractor : undefined)
  const pieces = cutAt(answer.body, ends)
  for (const [index, piece] of pieces.entries()) observer.push(piece, ends[index] ?? 0)
  observer.end()
  const { facts, saysFinished } = observer
  return { facts, verdict: decideVerdict({ ...circumstances, status: answer.head.status, saysFinished }, facts) }
}

export const GOOD = new Set(['stop', 'length', 'load', 'unload', 'tool_calls', 'success'])
