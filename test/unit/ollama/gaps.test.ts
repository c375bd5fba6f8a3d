import { expect, it } from 'vitest'
import { addGap, createGaps, GAP_BOUNDS } from '../../../src/ollama/gaps.ts'
import { matchEndpoint } from '../../../src/ollama/endpoints.ts'
import { ResponseObserver } from '../../../src/ollama/response-observer.ts'

const head = { status: 200, contentType: 'application/x-ndjson', contentEncoding: undefined }
const word = Buffer.from('{"response":"x","done":false}\n')

it('a gap that is a bound falls below it, and one beyond all into the last bucket', () => {
  const gaps = createGaps()
  for (const bound of GAP_BOUNDS) addGap(gaps, bound)
  addGap(gaps, 99)
  addGap(gaps, 0)
  expect(gaps.counts).toEqual([2, ...GAP_BOUNDS.slice(1).map(() => 1), 1])
})

it('a gap is from one chunk to the next, behind the first token, whatever the reads were', () => {
  const observer = new ResponseObserver(head, matchEndpoint('/api/generate').extractor)
  observer.push(Buffer.from('{"response":"","done":false}\n'), 0)
  observer.push(word, 1000) // the first token
  observer.push(word.subarray(0, 5), 1050) // half a chunk is none
  observer.push(Buffer.concat([word.subarray(5), word]), 1100)
  observer.push(Buffer.from('{"done":true,"done_reason":"stop"}\n'), 1101)
  observer.end()
  expect(observer.facts.gaps?.sum).toBeCloseTo(0.101)
  const { counts } = observer.facts.gaps ?? createGaps()
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(3)
  expect(counts[GAP_BOUNDS.indexOf(0.1)]).toBe(1)
  expect(counts[0]).toBe(2) // one that came with the last, and one a millisecond behind
})

it('where it is not known when a chunk came there are none', () => {
  const observer = new ResponseObserver(head, matchEndpoint('/api/generate').extractor)
  observer.push(Buffer.concat([word, word, word]), undefined)
  observer.end()
  expect(observer.facts).toMatchObject({ chunks: 3, gaps: undefined, firstTokenAtMs: undefined })
})
