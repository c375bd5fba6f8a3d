import { describe, expect, it } from 'vitest'
import { MAX_LINE_BYTES } from '../../../src/ollama/lines.ts'
import { createSseReader } from '../../../src/ollama/sse.ts'
import { byteEnds, createRandom, cutAt, randomEnds } from '../../helpers/random.ts'
import { collectRecords } from './records.ts'

describe('createSseReader', () => {
  it.each([
    ['data: {"a":1}\n\ndata: [DONE]\n\n', ['{"a":1}', '<done>']],
    ['data:{"a":1}\n\ndata:[DONE]\n\n', ['{"a":1}', '<done>']],
    ['data: x\r\n\r\ndata: [DONE]\r\n\r\n', ['x', '<done>']],
    ['data:  two spaces\n\n', [' two spaces']],
    ['event: ping\ndata: x\nid: 7\nretry: 9\n\n', ['x']],
    [': comment\n\n\n\ndata: x\n\n', ['x']],
    ['data: one\ndata: two\ndata:\ndata: three\n\n', ['one\ntwo\n\nthree']],
    ['data:\n\n', ['']],
    ['data: whole\n\ndata: no empty line follows\n', ['whole']],
    ['data: [DONE]', []],
    ['data: [DONE]\n', []],
    ['data: [DONE] \n\n', ['[DONE] ']],
    ['data: [DONE]\ndata: x\n\n', ['[DONE]\nx']],
    ['[DONE]\n\ndatax: y\n\ndat\n\n', []],
    ['', []],
  ])('reads %j', (text, expected) => {
    const bytes = Buffer.from(text)
    for (let seed = 0; seed < 20; seed++) {
      const ends = seed === 0 ? byteEnds(bytes.length) : randomEnds(createRandom(seed), bytes.length)
      expect(collectRecords(createSseReader, cutAt(bytes, ends))).toEqual(expected)
    }
  })

  it('gives long data as one record in pieces, and no other long line', () => {
    const long = 'x'.repeat(2 * MAX_LINE_BYTES)
    const bytes = Buffer.from(`data: a\n\ndata: ${long}\n\n: ${long}\nevent: ${long}\ndata: b\n\ndata:${long}\n\n`)
    const expected = ['a', long, 'b', long]
    for (let seed = 0; seed < 20; seed++) {
      // Long lines are taken for long only where they come in pieces.
      const ends = randomEnds(createRandom(seed), bytes.length)
      const records = collectRecords(createSseReader, cutAt(bytes, ends))
      expect(records.map((record) => record.length)).toEqual(expected.map((record) => record.length))
      expect(records.join() === expected.join()).toBe(true)
    }
  })
})
