// A stand-in for Ollama on a bare socket: cheap, and it decides itself what is one write.
//   POST /api/chat                       one small JSON answer
//   POST /api/chat?chunks=N              N lines, one write each, as fast as they go
//   POST /api/chat?chunks=N&join=M       the same, M lines a write
//   POST /api/chat?chunks=N&pace=MS      N lines, MS apart
//   GET  anything else                   {"version":"0.33.0"}
// Prints its port. It ends with its parent's standard input.
import net from 'node:net'
import { ANSWER, chunk, LAST_LINE, line } from './lines.ts'

const DATE = 'Date: Sat, 21 Nov 2026 09:53:24 GMT\r\n'
const STREAM_HEAD = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n`,
)
const LINE = Buffer.from(chunk(line(0n)))
const LAST = Buffer.from(chunk(LAST_LINE))
const END = Buffer.from('0\r\n\r\n')

function json(body: string): Buffer {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n${DATE}Content-Length: ${body.length}\r\n\r\n`
  return Buffer.from(head + body)
}
const VERSION = json('{"version":"0.33.0"}')
const CHAT = json(ANSWER)

function burst(socket: net.Socket, chunks: number, join: number): void {
  let left = chunks - 1
  const joined = Buffer.concat(Array.from({ length: join }, () => LINE))
  const go = (): void => {
    while (left > 0) {
      const now = Math.min(left, join)
      left -= now
      if (!socket.write(now === join ? joined : joined.subarray(0, now * LINE.length)))
        return void socket.once('drain', go)
    }
    socket.write(LAST)
    socket.write(END)
  }
  socket.write(STREAM_HEAD)
  go()
}

function paced(socket: net.Socket, chunks: number, pace: number): void {
  let left = chunks
  // Headers leave with the first line, as Ollama's do.
  const timer = setInterval(() => {
    const first = left === chunks ? STREAM_HEAD.toString('latin1') : ''
    left--
    if (left > 0) return void socket.write(first + chunk(line(process.hrtime.bigint())))
    clearInterval(timer)
    socket.write(LAST)
    socket.write(END)
  }, pace)
  socket.once('close', () => {
    clearInterval(timer)
  })
}

function answer(socket: net.Socket, target: string): void {
  if (!target.startsWith('/api/chat')) return void socket.write(VERSION)
  const query = new URLSearchParams(target.split('?')[1])
  const chunks = Number(query.get('chunks') ?? 0)
  const pace = Number(query.get('pace') ?? 0)
  if (chunks === 0) socket.write(CHAT)
  else if (pace === 0) burst(socket, chunks, Number(query.get('join') ?? 1))
  else paced(socket, chunks, pace)
}

/** The length of the body that begins at `from`, framing included, or -1 while it is not all there. */
function bodyLength(received: Buffer, head: string, from: number): number {
  if (/^transfer-encoding: *chunked/im.test(head)) {
    const end = received.indexOf('0\r\n\r\n', from)
    return end === -1 ? -1 : end + 5 - from
  }
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
  return received.length - from < length ? -1 : length
}

const server = net.createServer({ noDelay: true }, (socket) => {
  let received = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (data) => {
    received = received.length === 0 ? data : Buffer.concat([received, data])
    for (;;) {
      const end = received.indexOf('\r\n\r\n')
      if (end === -1) return
      const head = received.toString('latin1', 0, end)
      const length = bodyLength(received, head, end + 4)
      if (length === -1) return
      received = received.subarray(end + 4 + length)
      answer(socket, head.split(' ', 2)[1] ?? '/')
    }
  })
})

server.listen(0, '127.0.0.1', () => {
  console.log((server.address() as net.AddressInfo).port)
})
process.stdin.on('end', () => process.exit(0)).resume()
