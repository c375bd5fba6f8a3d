import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { serveRaw, type RawServer } from '../helpers/raw.ts'
import { chunk } from '../helpers/upstream.ts'

/** The header by which a request of the storm asks for one of the plays below. */
export const PLAY_HEADER = 'X-Storm'

const LINE = '{"response":"one","done":false}\n'
const STREAM =
  'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
const BEGUN = STREAM + chunk(LINE)
const END = '0\r\n\r\n'

function whole(status: string, headers: readonly string[], body: Buffer | string): Buffer {
  const lines = [...headers, `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close']
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status}\r\n${lines.join('\r\n')}\r\n\r\n`), Buffer.from(body)])
}

const JSON_TYPE = 'Content-Type: application/json'
const NDJSON_TYPE = 'Content-Type: application/x-ndjson'
const DONE = '{"response":"x","done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":3}\n'

/** What the upstream says, and how it ends. `never`: only the client ends it. */
type Play = readonly [bytes: Buffer | string, end: 'fin' | 'rst' | 'never']

const ENDING = {
  reset: ['', 'rst'],
  close: ['', 'fin'],
  garbage: ['SSH-2.0-x\r\n\r\n', 'fin'],
  'half a head': ['HTTP/1.1 200 OK\r\nContent-Ty', 'fin'],
  'no status': ['HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n', 'fin'],
  switching: ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', 'fin'],
  coded: ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n\x1f\x8b\r\n0\r\n\r\n', 'fin'],
  'stream cut': [BEGUN, 'fin'],
  'stream reset': [BEGUN, 'rst'],
  'bad chunk': [`${BEGUN}no-hex\r\nabc\r\n`, 'fin'],
  short: [`HTTP/1.1 200 OK\r\n${JSON_TYPE}\r\nContent-Length: 100\r\n\r\n{"response":`, 'fin'],
  'error line': [`${BEGUN}${chunk('{"error":"something"}\n')}${END}`, 'fin'],
  'no last line': [BEGUN + END, 'fin'],
  'broken lines': [`${STREAM}${chunk(`{"response":"x\n\x00{}\n[1,2\n${DONE}`)}${END}`, 'fin'],
  'split lines': [`${STREAM}${Array.from(LINE + DONE, chunk).join('')}${END}`, 'fin'],
  trailers: [`${STREAM.replace('\r\n\r\n', '\r\nTrailer: X-Sum\r\n\r\n')}${chunk(DONE)}0\r\nX-Sum: 1\r\n\r\n`, 'fin'],
  interim: [
    Buffer.concat([
      Buffer.from('HTTP/1.1 103 Early Hints\r\nX-Other: 1\r\n\r\n'),
      whole('200 OK', [JSON_TYPE], '{"text":"hello"}'),
    ]),
    'fin',
  ],
  gzip: [whole('200 OK', [NDJSON_TYPE, 'Content-Encoding: gzip'], gzipSync(LINE + DONE)), 'fin'],
  'broken gzip': [whole('200 OK', [NDJSON_TYPE, 'Content-Encoding: gzip'], 'no gzip at all'), 'fin'],
  'plain text': [whole('200 OK', ['Content-Type: text/plain'], 'hello'), 'fin'],
  early: [whole('413 Payload Too Large', [JSON_TYPE], '{"error":"too large"}'), 'fin'],
  'no length': [`HTTP/1.1 200 OK\r\n${JSON_TYPE}\r\nConnection: close\r\n\r\n{}`, 'fin'],
  'no content': ['HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n', 'fin'],
  canceled: [whole('499 Client Closed', [JSON_TYPE], '{"error":"request canceled"}'), 'fin'],
} as const satisfies Record<string, Play>

const ENDLESS = { 'no answer': ['', 'never'], 'stream held': [BEGUN, 'never'] } as const satisfies Record<string, Play>

/** Plays that end by themselves, and plays that a client has to leave. */
export const ENDING_PLAYS = Object.keys(ENDING)
export const ENDLESS_PLAYS = Object.keys(ENDLESS)

/** More than the buffers between an upstream and a client take. */
const FLOOD_BYTES = 16 * 1024 * 1024
const LARGE = {
  flood: [whole('200 OK', ['Content-Type: application/octet-stream'], Buffer.alloc(FLOOD_BYTES)), 'fin'],
} as const satisfies Record<string, Play>

const PLAYS = new Map<string, Play>(Object.entries({ ...ENDING, ...ENDLESS, ...LARGE }))

/** An upstream on a free port; see `stormBefore`. */
export async function serveStorm(standInPort: number): Promise<RawServer> {
  return serveRaw(stormBefore(standInPort))
}

/**
 * Serves a connection in front of the stand-in: a request that names a play gets that, and its connection ends with it;
 * all others go to the stand-in, and come back, as they are.
 */
export function stormBefore(standInPort: number): (socket: Socket) => void {
  return (socket) => {
    let relay: Socket | undefined
    let played = false
    socket.on('data', (bytes: Buffer) => {
      if (played) return
      const play = PLAYS.get(playNamed(bytes))
      if (play === undefined) {
        relay ??= openRelay(standInPort, socket, () => played)
        relay.write(bytes)
        return
      }
      played = true
      relay?.destroy()
      void perform(socket, play)
    })
    socket.on('end', () => {
      if (played) socket.end()
      else relay?.end()
    })
    socket.on('close', () => relay?.destroy())
  }
}

function playNamed(bytes: Buffer): string {
  const headEnd = bytes.indexOf('\r\n\r\n')
  const head = bytes.toString('latin1', 0, headEnd === -1 ? bytes.length : headEnd + 2)
  return /\r\nX-Storm: ([^\r]*)\r\n/.exec(head)?.[1] ?? ''
}

async function perform(socket: Socket, [bytes, end]: Play): Promise<void> {
  if (bytes.length > 0 && !socket.write(bytes)) await once(socket, 'drain').catch(() => undefined)
  if (end === 'fin') socket.end()
  else if (end === 'rst') socket.resetAndDestroy()
}

function openRelay(port: number, socket: Socket, isOver: () => boolean): Socket {
  const relay = connect({ port, host: '127.0.0.1', noDelay: true })
  relay.on('data', (bytes) => {
    if (!isOver()) socket.write(bytes)
  })
  relay.on('end', () => {
    if (!isOver()) socket.end()
  })
  relay.on('error', () => {
    if (!isOver()) socket.resetAndDestroy()
  })
  return relay
}
