// The least one can write with node:http: headers as objects, bodies by pipe.
import http from 'node:http'
import { listen, upstream } from './settings.ts'

const agent = new http.Agent({ keepAlive: true })

http
  .createServer({ requestTimeout: 0 }, (req, res) => {
    const up = http.request({ ...upstream, agent, method: req.method, path: req.url, headers: req.headers })
    up.on('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(res)
      answer.on('error', () => res.destroy())
    })
    up.on('error', () => res.destroy())
    res.on('close', () => up.destroy())
    req.pipe(up)
  })
  .listen(listen.port, listen.host)
