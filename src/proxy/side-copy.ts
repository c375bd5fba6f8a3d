import { brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib'

/** A longer coded body is not kept. */
export const MAX_CODED_BYTES = 64 * 1024
/** A longer plain body is not decoded: a few KiB can stand for gigabytes. */
export const MAX_DECODED_BYTES = 1024 * 1024

/** Throws where the body is broken or too long. */
type Decode = (coded: Buffer) => Buffer

// Each flushes at the end and does not insist on it, so that of a body that was cut off there is what came.
const ZLIB = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MAX_DECODED_BYTES }
const BROTLI = { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength: MAX_DECODED_BYTES }
const ZSTD = {
  finishFlush: constants.ZSTD_e_flush,
  maxOutputLength: MAX_DECODED_BYTES,
  // RFC 9659: 8 MiB at most. Without it a few bytes can ask for a window of 128.
  params: { [constants.ZSTD_d_windowLogMax]: 23 },
}

const gzip: Decode = (coded) => gunzipSync(coded, ZLIB)
const CODINGS = new Map<string, Decode>([
  ['gzip', gzip],
  ['x-gzip', gzip],
  ['deflate', (coded) => (hasZlibHeader(coded) ? inflateSync(coded, ZLIB) : inflateRawSync(coded, ZLIB))],
  ['br', (coded) => brotliDecompressSync(coded, BROTLI)],
  ['zstd', (coded) => zstdDecompressSync(coded, ZSTD)],
])

/** A copy of a body that was coded for the way, kept to be read once when it is through. Memory is bounded. */
export class SideCopy {
  readonly #decode: Decode
  #coded: Buffer | undefined = Buffer.alloc(4096)
  #length = 0

  private constructor(decode: Decode) {
    this.#decode = decode
  }

  /** `undefined` for a coding that cannot be decoded here: none, an unknown one, or more than one. */
  static for(contentEncoding: string | undefined): SideCopy | undefined {
    const decode = CODINGS.get(contentEncoding?.trim().toLowerCase() ?? '')
    return decode === undefined ? undefined : new SideCopy(decode)
  }

  /**
   * Copies the bytes instead of keeping the pieces: a piece can be a slice that holds a far larger buffer, and 64 KiB
   * that come byte by byte would be 65,536 objects.
   */
  push(bytes: Buffer): void {
    if (this.#coded === undefined) return
    const length = this.#length + bytes.length
    if (length > MAX_CODED_BYTES) {
      this.#coded = undefined
      return
    }
    if (length > this.#coded.length) this.#coded = grown(this.#coded, length)
    this.#length += bytes.copy(this.#coded, this.#length)
  }

  /**
   * The plain body, or as much of it as came where it was cut off. `undefined` where it is broken, or where it is longer
   * than this keeps: MAX_CODED_BYTES coded, MAX_DECODED_BYTES plain. Blocks meanwhile: call it once, when the exchange is over.
   */
  decode(): Buffer | undefined {
    if (this.#coded === undefined) return undefined
    try {
      return this.#decode(this.#coded.subarray(0, this.#length))
    } catch {
      return undefined
    }
  }
}

function grown(bytes: Buffer, needed: number): Buffer {
  const larger = Buffer.alloc(Math.min(MAX_CODED_BYTES, Math.max(2 * bytes.length, needed)))
  bytes.copy(larger)
  return larger
}

/** Some senders leave the zlib header of `deflate` out. No encoder begins a raw stream with these four bits. */
function hasZlibHeader(coded: Buffer): boolean {
  return ((coded[0] ?? 0) & 0x0f) === 0x08
}
