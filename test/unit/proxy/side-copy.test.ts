import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { MAX_CODED_BYTES, MAX_DECODED_BYTES, SideCopy } from '../../../src/proxy/side-copy.ts'
import { retainedBy } from '../../helpers/memory.ts'
import { byteEnds, createRandom, cutAt, randomEnds, type Random } from '../../helpers/random.ts'

const CODINGS: [name: string, contentEncoding: string, code: (plain: Buffer) => Buffer][] = [
  ['gzip', 'gzip', (plain) => zlib.gzipSync(plain)],
  ['x-gzip', 'x-gzip', (plain) => zlib.gzipSync(plain)],
  ['deflate', 'deflate', (plain) => zlib.deflateSync(plain)],
  ['raw deflate', 'deflate', (plain) => zlib.deflateRawSync(plain)],
  ['br', 'br', (plain) => zlib.brotliCompressSync(plain)],
  ['zstd', 'zstd', (plain) => zlib.zstdCompressSync(plain)],
]

function copyOf(contentEncoding: string, pieces: readonly Buffer[]): SideCopy {
  const copy = SideCopy.for(contentEncoding) ?? expect.fail(contentEncoding)
  for (const piece of pieces) copy.push(piece)
  return copy
}

const decode = (contentEncoding: string, ...pieces: Buffer[]) => copyOf(contentEncoding, pieces).decode()

/** What coders can make less of, of a length that is not even. */
function textOf(random: Random, length: number): Buffer {
  const words = ['{"model":"llama3.2"', ',"done":true', ' né 名前 😀 ', '\n'] as const
  let text = ''
  while (text.length < length) text += random.chance(0.3) ? `${random.below(1_000_000)}` : random.pick(words)
  return Buffer.from(text)
}

const noise = (random: Random, length: number) => Buffer.from(Array.from({ length }, () => random.below(256)))

describe('SideCopy.for', () => {
  it.each(['gzip', 'X-GZIP', ' Deflate ', 'bR', '\tzstd'])('takes %j', (coding) => {
    expect(SideCopy.for(coding)).toBeInstanceOf(SideCopy)
  })

  it.each([undefined, '', 'identity', 'compress', 'gzip, br', 'gzip,gzip', 'gzip;q=1', 'brotli', 'constructor'])(
    'takes no %j',
    (coding) => expect(SideCopy.for(coding)).toBeUndefined(),
  )
})

describe.each(CODINGS)('a body in %s', (_, coding, code) => {
  it('is decoded, however it was cut', () => {
    for (let seed = 0; seed < 30; seed++) {
      const random = createRandom(seed)
      const plain = random.chance(0.8) ? textOf(random, random.below(40_000)) : noise(random, random.below(20_000))
      const coded = code(plain)
      expect(decode(coding, ...cutAt(coded, randomEnds(random, coded.length)))?.equals(plain)).toBe(true)
    }
    const coded = code(Buffer.from('{"done":true}'))
    expect(decode(coding, ...cutAt(coded, byteEnds(coded.length)))?.toString()).toBe('{"done":true}')
  })

  it('can be empty, or not there at all', () => {
    expect(decode(coding, code(Buffer.alloc(0)))).toHaveLength(0)
    expect(decode(coding, Buffer.alloc(0))).toHaveLength(0)
    expect(decode(coding)).toHaveLength(0)
  })

  it('that was cut off is the beginning of the plain one', () => {
    const plain = textOf(createRandom(1), 3000)
    const coded = code(plain)
    let longest = 0
    for (let length = 0; length < coded.length; length++) {
      const decoded = decode(coding, coded.subarray(0, length)) ?? expect.fail(`at ${length}`)
      expect(plain.subarray(0, decoded.length).equals(decoded)).toBe(true)
      longest = Math.max(longest, decoded.length)
    }
    // A block of zstd is there whole or not at all.
    if (coding !== 'zstd') expect(longest).toBeGreaterThan(plain.length / 2)
  })

  it('that is broken does no harm', () => {
    const plain = textOf(createRandom(2), 2000)
    for (let seed = 0; seed < 300; seed++) {
      const random = createRandom(seed)
      const coded = random.chance(0.9) ? code(plain) : noise(random, 1 + random.below(500))
      for (let left = 1 + random.below(4); left > 0; left--) {
        const at = random.below(random.chance(0.3) ? Math.min(12, coded.length) : coded.length)
        coded[at] = random.below(256)
      }
      expect(decode(coding, coded)?.length ?? 0).toBeLessThanOrEqual(MAX_DECODED_BYTES)
    }
  })

  it('that has something else behind it is decoded, or broken', () => {
    const plain = textOf(createRandom(3), 2000)
    const garbage = [
      Buffer.alloc(8),
      Buffer.from('garbage'),
      Buffer.from([0x1f, 0x8b]),
      Buffer.from([0x1f, 0x8b, 0x08, 0xff]),
    ]
    for (const behind of garbage) {
      const decoded = decode(coding, code(plain), behind)
      if (decoded !== undefined) expect(decoded.equals(plain)).toBe(true)
      if (coding !== 'gzip' && coding !== 'x-gzip') expect(decoded).toBeDefined()
    }
  })

  it('is decoded up to the longest that is kept, and not beyond it', () => {
    const plain = Buffer.alloc(MAX_DECODED_BYTES, 'longest body. ')
    expect(decode(coding, code(plain))?.equals(plain)).toBe(true)
    expect(decode(coding, code(Buffer.concat([plain, Buffer.from('x')])))).toBeUndefined()
  })

  it('that stands for far more is not decoded', () => {
    const bomb = code(Buffer.alloc(10 * 1024 * 1024))
    expect(bomb.length).toBeLessThan(MAX_CODED_BYTES)
    expect(decode(coding, bomb)).toBeUndefined()
  })

  it('is kept up to the longest coded one, and forgotten beyond it', () => {
    const coded = code(noise(createRandom(4), MAX_CODED_BYTES - 100))
    const rest = Buffer.alloc(MAX_CODED_BYTES - coded.length)
    expect(decode(coding, coded, Buffer.alloc(0))).toHaveLength(MAX_CODED_BYTES - 100)
    const copy = copyOf(coding, [coded, rest])
    expect(copy.decode()).toHaveLength(MAX_CODED_BYTES - 100)
    copy.push(Buffer.from('x'))
    expect(copy.decode()).toBeUndefined()
    copy.push(code(Buffer.from('x')))
    expect(copy.decode()).toBeUndefined()
  })
})

describe('a body in several pieces of one coding', () => {
  const [first, second] = [Buffer.from('first '), Buffer.from('second')]

  it('is decoded whole where they are members of gzip', () => {
    expect(decode('gzip', zlib.gzipSync(first), zlib.gzipSync(second))?.toString()).toBe('first second')
    const cut = zlib.gzipSync(second)
    expect(decode('gzip', zlib.gzipSync(first), cut.subarray(0, cut.length - 8))?.toString()).toBe('first second')
  })

  it('is decoded to the end of the first where they are frames of zstd', () => {
    expect(decode('zstd', zlib.zstdCompressSync(first), zlib.zstdCompressSync(second))?.toString()).toBe('first ')
  })
})

describe('a gzip with a wrong checksum', () => {
  it('is broken', () => {
    const coded = zlib.gzipSync('plain')
    coded[coded.length - 8] = (coded[coded.length - 8] ?? 0) ^ 1
    expect(decode('gzip', coded)).toBeUndefined()
  })
})

describe('a window of zstd', () => {
  /** A frame that asks for a window of 2 to the power of this, with one block as it is. */
  const frame = (log: number) =>
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (log - 10) << 3, 0x29, 0x00, 0x00, ...Buffer.from('plain')])

  it('can be as large as HTTP allows, and no larger', () => {
    expect(decode('zstd', frame(10))?.toString()).toBe('plain')
    expect(decode('zstd', frame(23))?.toString()).toBe('plain')
    expect(decode('zstd', frame(24))).toBeUndefined()
    expect(decode('zstd', frame(41))).toBeUndefined()
  })
})

describe('what is kept', () => {
  it('is no more than the bytes, in whatever pieces they came', () => {
    const copies: SideCopy[] = []
    const retained = retainedBy(() => {
      for (let i = 0; i < 20; i++) {
        const copy = SideCopy.for('gzip') ?? expect.fail('no copy')
        for (let j = 0; j < 1000; j++) copy.push(Buffer.alloc(64 * 1024).subarray(0, 1))
        copy.push(Buffer.alloc(5000))
        copies.push(copy)
      }
    })
    expect(retained).toBeLessThan(1)
    expect(copies).toHaveLength(20)
  })

  it('is nothing once it is too long', () => {
    const copies: SideCopy[] = []
    const retained = retainedBy(() => {
      for (let i = 0; i < 100; i++) copies.push(copyOf('br', [Buffer.alloc(MAX_CODED_BYTES), Buffer.alloc(1)]))
    })
    expect(retained).toBeLessThan(2)
    expect(copies).toHaveLength(100)
  })

  it('is not changed by who pushed it', () => {
    const coded = zlib.gzipSync('plain')
    const copy = copyOf('gzip', [coded])
    coded.fill(0)
    expect(copy.decode()?.toString()).toBe('plain')
  })
})
