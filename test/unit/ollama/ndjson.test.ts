import { describe, expect, it } from 'vitest'
import { MAX_LINE_BYTES } from '../../../src/ollama/lines.ts'
import { createNdjsonReader } from '../../../src/ollama/ndjson.ts'
import { byteEnds, createRandom, cutAt, randomEnds } from '../../helpers/random.ts'
import { collectRecords } from './records.ts'

describe('createNdjsonReader', () => {
  it.each([
    ['{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']],
    ['{"a":1}\r\n\r\n\n{"b":2}', ['{"a":1}', '{"b":2}']],
    ['data: [DONE]\n[DONE]\n', ['data: [DONE]', '[DONE]']],
    ['', []],
  ])('reads %j', (text, expected) => {
    const bytes = Buffer.from(text)
    for (let seed = 0; seed < 20; seed++) {
      const ends = seed === 0 ? byteEnds(bytes.length) : randomEnds(createRandom(seed), bytes.length)
      expect(collectRecords(createNdjsonReader, cutAt(bytes, ends))).toEqual(expected)
    }
  })

  it('gives a long line as one record in pieces', () => {
    const bytes = Buffer.from(`a\n${'x'.repeat(2 * MAX_LINE_BYTES)}\nb\n`)
    const records = collectRecords(createNdjsonReader, cutAt(bytes, randomEnds(createRandom(2), bytes.length)))
    expect(records.map((record) => record.length)).toEqual([1, 2 * MAX_LINE_BYTES, 1])
  })
})
