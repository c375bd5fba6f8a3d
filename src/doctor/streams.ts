interface Piece {
  readonly isError: boolean
  readonly bytes: Buffer
}

/** A log, whichever of its two streams a line came by. */
export function logText(bytes: Buffer): string {
  return textOf(piecesOf(bytes))
}

/** What a program wrote, each stream for itself. */
export function splitStreams(bytes: Buffer): { readonly stdout: string; readonly stderr: string } {
  const pieces = piecesOf(bytes)
  return {
    stdout: textOf(pieces.filter(({ isError }) => !isError)),
    stderr: textOf(pieces.filter(({ isError }) => isError)),
  }
}

function textOf(pieces: readonly Piece[]): string {
  return Buffer.concat(pieces.map(({ bytes }) => bytes)).toString()
}

/** As the daemon sends it: where there is no terminal, each piece has eight bytes before it, with stream and length. */
function piecesOf(bytes: Buffer): readonly Piece[] {
  const pieces: Piece[] = []
  let at = 0
  while (at + 8 <= bytes.length && (bytes[at] ?? 9) <= 2 && bytes.readUIntBE(at + 1, 3) === 0) {
    const end = at + 8 + bytes.readUInt32BE(at + 4)
    pieces.push({ isError: bytes[at] === 2, bytes: bytes.subarray(at + 8, end) })
    at = end
  }
  return [...pieces, { isError: false, bytes: bytes.subarray(at) }]
}
