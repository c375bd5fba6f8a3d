import { connect } from 'node:net'

/**
 * A client that ends its side of the connection and still listens, which varnishtest's cannot: `half-close.ts PORT
 * REQUEST [TEXT]`. It writes the request (its escapes are JSON's), half-closes when TEXT has come, at once without
 * it, and prints what comes until the other side closes.
 */
const [port = '', request = '', text = ''] = process.argv.slice(2)
const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
let received = ''
const look = () => {
  if (received.includes(text) && !socket.writableEnded) socket.end()
}
socket.write(String(JSON.parse(`"${request}"`)), look)
socket.on('data', (bytes: Buffer) => {
  received += bytes.toString('latin1')
  look()
})
socket.on('close', () => process.stdout.write(`[${received}]\n`))
