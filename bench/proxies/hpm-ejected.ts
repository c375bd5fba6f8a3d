// Candidate A, the least of it: http-proxy-middleware on node:http, its plugins ejected, the response side owned.
import http from 'node:http'
import { createProxyMiddleware } from './hpm.ts'
import { answerError, relay } from './relay.ts'
import { listen, upstreamUrl } from './settings.ts'

const proxy = createProxyMiddleware({
  target: upstreamUrl,
  ejectPlugins: true,
  selfHandleResponse: true,
  agent: new http.Agent({ keepAlive: true, maxFreeSockets: 256 }),
  plugins: [
    (events) => {
      events.on('proxyRes', relay)
      events.on('econnreset', () => undefined)
      events.on('error', (error: NodeJS.ErrnoException, _req, res) => {
        answerError(res, error.code ?? error.message)
      })
    },
  ],
})

http
  .createServer({ requestTimeout: 0 }, (req, res) => {
    proxy(req, res, () => {
      if (!res.headersSent) res.writeHead(404).end()
    }).catch(() => res.destroy())
  })
  .listen(listen.port, listen.host)
