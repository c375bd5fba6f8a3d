import type { LogLine } from '../helpers/app.ts'
import { answerFor } from './fuzz-answers.ts'
import { checkAnswers } from './fuzz-check.ts'
import type { Got } from './fuzz-client.ts'
import { fingerprint, forwardedHead, forwardedTrailers, isForNobody, type Spoken } from './fuzz-oracle.ts'
import type { FuzzCase } from './fuzz-plan.ts'
import type { Sighting, StrictUpstream } from './fuzz-upstream.ts'
import { valuesOf, type WireRequest } from './fuzz-wire.ts'

/** One connection, when it is over. */
export interface Played {
  readonly one: FuzzCase
  readonly spoken: Spoken
  readonly got: Got
}

export interface Finding {
  /** Of the case, where it is known. */
  readonly index: number | undefined
  readonly what: string
  /** What was sent and seen, escaped. */
  readonly bytes: string
}

/** All that is wrong, by index. The order in which things happened plays no part. */
export function judge(played: readonly Played[], upstream: StrictUpstream, log: readonly LogLine[]): Finding[] {
  const receipts = log.filter(({ msg }) => msg === 'request')
  const findings = [
    ...played.flatMap(({ one, spoken, got }) =>
      checkAnswers(one, spoken, got, upstream.host).map((what) => ({ index: one.index, what, bytes: shown(one, got) })),
    ),
    ...upstream.complaints.map(({ what, bytes }) => atUpstream(what, bytes)),
    ...unsent(played, upstream).map(({ bytes }) => atUpstream('it saw what nobody sent', bytes)),
    ...[...receiptsOfSightings(receipts, upstream.sightings), ...receiptsOfAnswers(receipts, played)].map(everywhere),
    ...log
      .filter(({ msg, collector }) => msg !== 'request' && collector === undefined)
      .map((line) => everywhere(`it logged ${JSON.stringify(line)}`)),
  ]
  return findings.sort((a, b) => (a.index ?? Infinity) - (b.index ?? Infinity))
}

/** A finding of the whole run. */
export function everywhere(what: string): Finding {
  return { index: undefined, what, bytes: '' }
}

function atUpstream(what: string, bytes: Buffer): Finding {
  const index = /x-fuzz:\s*(\d+)\./i.exec(bytes.toString('latin1'))?.[1]
  return {
    index: index === undefined ? undefined : Number(index),
    what: `the upstream: ${what}`,
    bytes: `saw "${escape(bytes)}"`,
  }
}

/** What the upstream saw that no client sent as such: each request of a client explains one. */
function unsent(played: readonly Played[], { sightings, host }: StrictUpstream): Sighting[] {
  const sent = new Map<string, { request: WireRequest; whole: boolean; used: boolean }[]>()
  const send = (request: WireRequest, whole: boolean) => {
    if (isForNobody(request)) return
    const head = forwardedHead(request, host)
    sent.set(head, [...(sent.get(head) ?? []), { request, whole, used: false }])
  }
  for (const { spoken } of played) {
    for (const request of spoken.requests) send(request, true)
    if (spoken.tail.message !== undefined) send(spoken.tail.message, false)
  }
  const isExplained = ({ request, whole, head }: Sighting): boolean => {
    const source = sent.get(head)?.find((one) => {
      if (one.used) return false
      if (!whole) return one.request.body.subarray(0, request.body.length).equals(request.body)
      const sameTrailers = JSON.stringify(forwardedTrailers(one.request)) === JSON.stringify(request.trailers)
      return one.whole && sameTrailers && one.request.body.equals(request.body)
    })
    if (source !== undefined) source.used = true
    return source !== undefined
  }
  const wholeFirst = [...sightings].sort((a, b) => Number(b.whole) - Number(a.whole))
  return wholeFirst.filter((sighting) => !isExplained(sighting))
}

const idOf = ({ request_id }: LogLine) => String(request_id)

function receiptsOfSightings(receipts: readonly LogLine[], sightings: readonly Sighting[]): string[] {
  const found: string[] = []
  const byId = Map.groupBy(receipts, idOf)
  for (const [id, seen] of Map.groupBy(sightings, ({ requestId }) => requestId)) {
    const own = byId.get(id) ?? []
    if (own.length < seen.length) found.push(`${id}: seen ${seen.length} times, counted ${own.length} times`)
    const [only] = seen
    const [receipt] = own
    if (only === undefined || receipt === undefined || seen.length + own.length > 2) continue
    const bytes = only.request.body.length
    // An answer that is over before its request ends the counting.
    const isCounted = receipt.request_bytes === bytes || answerFor(fingerprint(only.head), only.request.method).early
    if (only.whole && !isCounted)
      found.push(`${id}: a body of ${bytes} bytes, counted ${String(receipt.request_bytes)}`)
    if (receipt.method !== only.request.method) found.push(`${id}: counted as ${String(receipt.method)}`)
    if (receipt.status === 501) found.push(`${id}: refused, and yet seen`)
  }
  return found
}

function receiptsOfAnswers(receipts: readonly LogLine[], played: readonly Played[]): string[] {
  const byId = Map.groupBy(receipts, idOf)
  const found = receipts
    .filter(({ error_type }) => error_type === 'proxy_internal')
    .map((receipt) => `${idOf(receipt)}: an error inside the proxy`)
  for (const { one, got } of played) {
    for (const { status, fields } of got.answers) {
      const id = valuesOf(fields, 'x-request-id')[0] ?? ''
      const isTold = byId.get(id)?.some((receipt) => receipt.status === status) === true
      if (status >= 200 && !isTold)
        found.push(`case ${one.index} was answered ${status}, and no receipt of ${id} says so`)
    }
  }
  return found
}

function shown(one: FuzzCase, got: Got): string {
  const how = [one.mutations.join(', ') || 'valid', `${one.ends.length} pieces`, one.leaving].join('; ')
  return `(${how})\n  sent "${escape(one.bytes)}"\n  got "${escape(got.bytes)}" (${got.end})`
}

/** Readable, and no longer than it has to be. */
function escape(bytes: Buffer): string {
  const short = bytes
    .toString('latin1')
    .replaceAll(/(?:a\d+:\r\n){20,}/g, '{many lines}')
    .replaceAll(/(.{1,2})\1{30,}/gs, (run, one: string) => `${one}{${run.length} bytes}`)
  const escaped = JSON.stringify(short)
    .slice(1, -1)
    .replaceAll(/[\x7f-\xff]/g, (one) => `\\x${one.charCodeAt(0).toString(16)}`)
  return escaped.length > 3000 ? `${escaped.slice(0, 2000)} ... ${escaped.slice(-900)}` : escaped
}
