import { expect } from 'vitest'
import type { Extractor } from '../../../src/ollama/extractor.ts'
import type { ResponseFacts } from '../../../src/ollama/facts.ts'
import { decideVerdict, type Verdict } from '../../../src/ollama/outcome.ts'
import { ResponseObserver, type ResponseHead } from '../../../src/ollama/response-observer.ts'
import { byteEnds, createRandom, cutAt, randomEnds } from '../../helpers/random.ts'
import { GOOD } from './recorded.ts'

export const NDJSON: ResponseHead = { status: 200, contentType: 'application/x-ndjson', contentEncoding: undefined }
export const SSE: ResponseHead = { ...NDJSON, contentType: 'text/event-stream' }
export const PLAIN: ResponseHead = { ...NDJSON, contentType: 'application/json; charset=utf-8' }

/** What was made of an answer, its times left out. */
export interface Said extends Pick<
  ResponseFacts,
  'reason' | 'finished' | 'errorText' | 'hasContent' | 'chunks' | 'usage'
> {
  /** Outcome and error type of an answer that came whole, to a client that stayed. */
  readonly verdict: string
}

/** What is said of an answer that arrives in these pieces. Numbers that cannot be, and a success without an end, fail. */
export function feed(head: ResponseHead, extractor: Extractor, pieces: Iterable<Buffer>): Said {
  const observer = new ResponseObserver(head, extractor)
  let at = 0
  for (const piece of pieces) observer.push(piece, at++)
  observer.end()
  const { facts, saysFinished } = observer
  const { reason, finished, errorText, hasContent, chunks, usage } = facts
  for (const value of Object.values(usage) as unknown[]) {
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value) && value >= 0)) continue
    expect.fail(`no number of tokens or seconds: ${JSON.stringify(usage)}`)
  }
  if (reason !== undefined && typeof reason !== 'string') expect.fail('the reason is no text')
  const verdictOf = (clientLeft: boolean, cut: boolean): Verdict =>
    decideVerdict({ clientLeft, cut, status: head.status, saysFinished }, facts)
  for (const verdict of [verdictOf(false, false), verdictOf(true, false), verdictOf(false, true)]) {
    if (GOOD.has(verdict.outcome) && !finished) expect.fail(`${verdict.outcome} without an end`)
  }
  if (GOOD.has(verdictOf(false, true).outcome)) expect.fail('an answer that was cut off is no success')
  const { outcome, errorType } = verdictOf(false, false)
  const verdict = errorType === undefined ? outcome : `${outcome} ${errorType}`
  return { reason, finished, errorText, hasContent, chunks, usage, verdict }
}

/** The same in every way of cutting the answer, or the test fails: whole, byte by byte, in random pieces. */
export function feedEveryWay(head: ResponseHead, extractor: Extractor, body: string | Buffer): Said {
  const bytes = Buffer.from(body)
  const whole = feed(head, extractor, [bytes])
  const feeds = [byteEnds(bytes.length), randomEnds(createRandom(1), bytes.length)]
  if (bytes.length < 1000)
    feeds.push(randomEnds(createRandom(2), bytes.length), randomEnds(createRandom(3), bytes.length))
  for (const ends of feeds) expect(feed(head, extractor, cutAt(bytes, ends))).toEqual(whole)
  return whole
}

/** A server-sent event for each text. */
export function events(...data: readonly string[]): string {
  return data.map((text) => `data: ${text}\n\n`).join('')
}

export function lines(...records: readonly string[]): string {
  return records.map((record) => `${record}\n`).join('')
}
