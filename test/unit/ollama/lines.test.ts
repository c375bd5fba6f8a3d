import { describe, expect, it } from 'vitest'
import { LineReader, MAX_LINE_BYTES } from '../../../src/ollama/lines.ts'
import { retainedBy } from '../../helpers/memory.ts'
import { byteEnds, createRandom, cutAt, randomEnds } from '../../helpers/random.ts'

interface Line {
  readonly text: string
  readonly long: boolean
}

function createCollector() {
  const lines: Line[] = []
  let long: Buffer[] = []
  const reader = new LineReader({
    line: (bytes, start, end) => lines.push({ text: bytes.toString('utf8', start, end), long: false }),
    longLine: (bytes, start, end) => long.push(Buffer.from(bytes.subarray(start, end))),
    longLineEnd() {
      lines.push({ text: Buffer.concat(long).toString(), long: true })
      long = []
    },
  })
  return { reader, lines }
}

function readLines(bytes: Buffer, ends: readonly number[]): Line[] {
  const { reader, lines } = createCollector()
  for (const piece of cutAt(bytes, ends)) reader.push(piece)
  reader.end()
  return lines
}

describe('LineReader', () => {
  it.each([
    ['a\nb\n', ['a', 'b']],
    ['a\r\nb\r\n', ['a', 'b']],
    ['a\n\n\r\nb', ['a', '', '', 'b']],
    ['', []],
    ['\n', ['']],
    ['a\rb\r\r\n\r', ['a\rb\r', '']],
    ['né 名前 😀\n😀', ['né 名前 😀', '😀']],
  ])('reads %j', (text, expected) => {
    const bytes = Buffer.from(text)
    const feeds = [bytes.length === 0 ? [] : [bytes.length], byteEnds(bytes.length)]
    for (let seed = 0; seed < 20; seed++) feeds.push(randomEnds(createRandom(seed), bytes.length))
    for (const ends of feeds) expect(readLines(bytes, ends).map((line) => line.text)).toEqual(expected)
  })

  it('gives a line in pieces only where it came in pieces and is too long', () => {
    const longest = 'x'.repeat(MAX_LINE_BYTES)
    const bytes = Buffer.from(`${longest}\n${longest}yy\nz\n`)
    expect(readLines(bytes, [bytes.length]).map(({ long }) => long)).toEqual([false, false, false])
    expect(readLines(bytes, byteEnds(bytes.length)).map(({ long }) => long)).toEqual([false, true, false])
  })

  it('loses nothing of long lines, however they are cut', () => {
    const random = createRandom(1)
    const lengths = [10, MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 5 * MAX_LINE_BYTES, 3]
    const texts = lengths.map((length) => String.fromCharCode(97 + random.below(26)).repeat(length))
    for (let seed = 0; seed < 30; seed++) {
      const bytes = Buffer.from(texts.join('\n') + (seed % 2 === 0 ? '\n' : ''))
      const read = readLines(bytes, randomEnds(createRandom(seed), bytes.length)).map((line) => line.text)
      expect(read.map((text) => text.length)).toEqual(lengths)
      expect(read.join() === texts.join()).toBe(true)
    }
  })

  it('does not change bytes that it gave', () => {
    const given: { bytes: Buffer; start: number; end: number; text: string }[] = []
    const keep = (bytes: Buffer, start: number, end: number) =>
      given.push({ bytes, start, end, text: bytes.toString('latin1', start, end) })
    const reader = new LineReader({ line: keep, longLine: keep, longLineEnd: () => undefined })
    const bytes = Buffer.from(Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join(''))
    for (const piece of cutAt(bytes, randomEnds(createRandom(8), bytes.length))) reader.push(piece)
    for (const { bytes: kept, start, end, text } of given) expect(kept.toString('latin1', start, end)).toBe(text)
  })

  it('holds no more than a line of the longest kind', () => {
    const reader = new LineReader({ line: () => undefined, longLine: () => undefined, longLineEnd: () => undefined })
    const retained = retainedBy(() => {
      for (let i = 0; i < 500; i++) reader.push(Buffer.alloc(32 * 1024, 'x'))
    })
    expect(retained).toBeLessThan(2)
  })
})
