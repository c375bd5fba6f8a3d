// The yardstick: express and http-proxy-middleware as anyone would mount them. It observes nothing.
import express from 'express'
import { createProxyMiddleware } from './hpm.ts'
import { listen, upstreamUrl } from './settings.ts'

const app = express()
app.use(createProxyMiddleware({ target: upstreamUrl, changeOrigin: true }))
app.listen(listen.port, listen.host)
