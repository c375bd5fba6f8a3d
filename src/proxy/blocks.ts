const BLOCK_BYTES = 64 * 1024
/** A piece that is as large stays what it is. */
const LARGE_BYTES = 16 * 1024

/** Bytes that are kept. A body may come byte by byte: small pieces are copied together, since each is an object else. */
export class Blocks {
  /** Of all of them. */
  length = 0
  readonly #blocks: Buffer[] = []
  /** The last one, if it has room. */
  #open: Buffer | undefined
  #filled = 0

  push(bytes: Buffer): void {
    this.length += bytes.length
    if (bytes.length >= LARGE_BYTES) {
      this.#close()
      this.#blocks.push(bytes)
      return
    }
    if (this.#open === undefined || this.#filled + bytes.length > BLOCK_BYTES) {
      this.#close()
      this.#open = Buffer.allocUnsafeSlow(BLOCK_BYTES)
    }
    this.#filled += bytes.copy(this.#open, this.#filled)
  }

  /** All of them, in order. */
  all(): readonly Buffer[] {
    return this.#open === undefined ? this.#blocks : [...this.#blocks, this.#open.subarray(0, this.#filled)]
  }

  #close(): void {
    if (this.#open !== undefined) this.#blocks.push(this.#open.subarray(0, this.#filled))
    this.#open = undefined
    this.#filled = 0
  }
}
