// The floor: no HTTP at all, one upstream connection for each client connection.
import net from 'node:net'
import { listen, upstream } from './settings.ts'

net
  .createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const up = net.connect({ ...upstream, noDelay: true, allowHalfOpen: true })
    client.on('error', () => up.destroy())
    up.on('error', () => client.destroy())
    client.pipe(up).pipe(client)
  })
  .listen(listen.port, listen.host)
