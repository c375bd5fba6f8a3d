// The load generator, on bare sockets: node load.ts PORT SCENARIO CONNECTIONS COUNT
//   request: COUNT requests over CONNECTIONS keep-alive connections, one after the other on each
//   burst:   one stream of COUNT lines on each connection, as fast as they go
//   flood:   the same, 100 lines a write
//   paced:   the same, 10 ms apart
// Prints one line of JSON. Every body is decoded and its length checked: a proxy that loses a byte fails here.
import net from 'node:net'
import { ANSWER, BODY, LAST_LINE, LINE_BYTES, isStamped, queries, transitMs } from './lines.ts'
import { ResponseReader } from './reader.ts'

export interface LoadResult {
  done: number
  wallMs: number
  firstMs: number[]
  transitMs: number[]
}

const [, , portText, scenario = 'request', connectionsText, countText] = process.argv
const port = Number(portText)
const connections = Number(connectionsText)
const count = Number(countText)

function request(query: string): Buffer {
  return Buffer.from(
    `POST /api/chat${query} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: ollama-python/0.6.0\r\n` +
      `Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  )
}

const stream = scenario !== 'request'
const paced = scenario === 'paced'
const bytes = request(queries(count)[scenario] ?? '')
const expected = stream ? LINE_BYTES * (count - 1) + LAST_LINE.length : ANSWER.length
const result: LoadResult = { done: 0, wallMs: 0, firstMs: [], transitMs: [] }
let left = stream ? connections : count

function connect(): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      resolve(socket)
    })
  })
}

function noteLines(data: Buffer): void {
  const now = process.hrtime.bigint()
  // A line may be split over two reads: then its tail has no stamp, and it is left out.
  let at = data.indexOf('{"model"')
  while (at !== -1 && at + LINE_BYTES <= data.length) {
    if (data[at + LINE_BYTES - 1] === 10 && isStamped(data, at)) result.transitMs.push(transitMs(data, at, now))
    at = data.indexOf('{"model"', at + LINE_BYTES - 1)
  }
}

function drive(socket: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const reader = new ResponseReader()
    let sentAt = 0
    let first = true
    const next = (): void => {
      if (left === 0) {
        socket.destroy()
        resolve()
        return
      }
      left--
      first = true
      reader.reset()
      sentAt = performance.now()
      socket.write(bytes)
    }
    socket.on('error', reject)
    socket.on('close', () => {
      reject(new Error(`closed early, ${reader.bodyBytes} of ${expected} bytes`))
    })
    socket.on('data', (data) => {
      if (first) result.firstMs.push(performance.now() - sentAt)
      first = false
      if (paced) noteLines(data)
      if (!reader.feed(data)) return
      if (reader.status !== 200 || reader.bodyBytes !== expected) {
        reject(new Error(`status ${reader.status}, ${reader.bodyBytes} of ${expected} bytes`))
        return
      }
      result.done++
      next()
    })
    next()
  })
}

const sockets = await Promise.all(Array.from({ length: connections }, connect))
const start = performance.now()
await Promise.all(sockets.map(drive))
result.wallMs = performance.now() - start
console.log(JSON.stringify(result))
