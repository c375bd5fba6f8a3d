import { answerFor, SEEN } from './fuzz-answers.ts'
import { saysClose, type Got } from './fuzz-client.ts'
import { fingerprint, forwardedHead, type Spoken } from './fuzz-oracle.ts'
import type { FuzzCase } from './fuzz-plan.ts'
import { valuesOf, type Field, type WireRequest, type WireResponse } from './fuzz-wire.ts'

/** What is wrong with what a client got, each in a few words. */
export function checkAnswers(one: FuzzCase, spoken: Spoken, got: Got, upstreamHost: string): string[] {
  const { requests, tail, owed } = spoken
  const asked = tail.message === undefined ? requests : [...requests, tail.message]
  const most = requests.length + (tail.kind === 'partial' || tail.kind === 'broken' ? 1 : 0)
  const stayed = one.leaving === 'answered'
  const groups = grouped(got.answers)
  const finals = groups.map(({ answer }) => answer)
  const found: string[] = []
  if (got.end === 'hangs') found.push('the connection hangs')
  if (got.rest?.kind === 'broken') found.push(`no HTTP answer: ${got.rest.why}`)
  if (got.rest?.kind === 'partial' && stayed && (spoken.mustClose || finals.length < owed)) found.push('half an answer')
  if (finals.length > most) found.push(`${finals.length} answers to ${most} requests`)
  const closed = finals.findIndex(saysClose)
  if (closed !== -1 && closed < finals.length - 1) found.push('an answer behind the last one')
  if (stayed && closed === -1 && finals.length < owed)
    found.push(`${finals.length} answers to ${owed} requests that need one`)
  for (const [index, { answer, interims }] of groups.entries()) {
    const request = asked[index]
    const problem = isOwn(answer) ? ownProblem(answer) : relayedProblem(answer, request, upstreamHost)
    const inFront = interimProblem(interims, answer, index, request, upstreamHost)
    for (const what of [problem, inFront]) if (what !== undefined) found.push(`answer ${index}: ${what}`)
    if (isOwn(answer) && index < one.unharmed) found.push(`answer ${index}: ${answer.status} to a valid request`)
  }
  return found
}

function isOwn({ fields }: WireResponse): boolean {
  return valuesOf(fields, 'x-seen').length === 0
}

/** An error of the proxy's own: complete, and of the kinds that a client may cause. */
function ownProblem({ status, body, fields, framing }: WireResponse): string | undefined {
  if (![400, 403, 408, 413, 421, 431, 501, 505].includes(status))
    return `a status of ${status}: ${body.toString('latin1', 0, 200)}`
  if (framing !== 'none' && !body.includes('ollascope: '))
    return `an error that says nothing: ${body.toString('latin1', 0, 200)}`
  return valuesOf(fields, 'x-request-id').length === 1 ? undefined : 'no request id'
}

/** The upstream's answer to this request, and to no other. */
function relayedProblem(got: WireResponse, request: WireRequest | undefined, upstreamHost: string): string | undefined {
  if (request === undefined) return 'it answers no request'
  const print = fingerprint(forwardedHead(request, upstreamHost))
  const expected = answerFor(print, request.method)
  if (valuesOf(got.fields, SEEN.toLowerCase())[0] !== print) return 'it answers another request'
  if (got.status !== expected.status) return `a status of ${got.status}, not ${expected.status}`
  if (JSON.stringify(endToEnd(got)) !== JSON.stringify(expected.fields)) return 'other fields'
  if (!got.body.equals(expected.body)) return 'another body'
  const trailers = request.version === '1.1' ? expected.trailers : []
  if (JSON.stringify(got.trailers) !== JSON.stringify(trailers)) return 'other trailers'
  return valuesOf(got.fields, 'x-request-id').length === 1 ? undefined : 'no request id'
}

const OF_THE_CONNECTION = ['connection', 'keep-alive', 'transfer-encoding', 'x-request-id']

function endToEnd({ fields }: WireResponse): Field[] {
  return fields.filter(([name]) => !OF_THE_CONNECTION.includes(name.toLowerCase()))
}

/**
 * What is wrong with the 1xx answers in front of an answer. Behind others on its connection they may be left out: what
 * is not its turn yet cannot be sent at once.
 */
function interimProblem(
  interims: readonly number[],
  answer: WireResponse,
  index: number,
  request: WireRequest | undefined,
  upstreamHost: string,
): string | undefined {
  if (interims.length === 0 && (isOwn(answer) || index > 0)) return undefined
  if (request === undefined) return undefined
  const { interims: sent } = answerFor(fingerprint(forwardedHead(request, upstreamHost)), request.method)
  const expected = request.version === '1.1' ? sent : []
  return interims.join() === expected.join()
    ? undefined
    : `[${interims.join()}] in front of it, not [${expected.join()}]`
}

/** The final answers, each with the 1xx ones in front of it. */
function grouped(answers: readonly WireResponse[]): { answer: WireResponse; interims: number[] }[] {
  let interims: number[] = []
  return answers.flatMap((answer) => {
    interims.push(answer.status)
    if (answer.status < 200) return []
    const group = { answer, interims: interims.slice(0, -1) }
    interims = []
    return [group]
  })
}
