// http-proxy-middleware is installed in bench/ only, so it is resolved at run time: the type check of the whole
// project must not need it. What is declared here is the part of its public API that the candidates use.
import { createRequire } from 'node:module'
import type { Agent, ClientRequest, IncomingMessage, ServerResponse } from 'node:http'

export interface ProxyEvents {
  on(event: 'proxyReq', listener: (up: ClientRequest, req: IncomingMessage, res: ServerResponse) => void): void
  on(event: 'proxyRes', listener: (answer: IncomingMessage, req: IncomingMessage, res: ServerResponse) => void): void
  on(event: 'error' | 'econnreset', listener: (error: Error, req: IncomingMessage, res: ServerResponse) => void): void
}

interface Options {
  target: string
  changeOrigin?: boolean
  agent?: Agent
  ejectPlugins?: boolean
  selfHandleResponse?: boolean
  plugins?: ((proxy: ProxyEvents) => void)[]
}

type Middleware = (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void) => Promise<void>

interface Module {
  createProxyMiddleware: (options: Options) => Middleware
}

export const { createProxyMiddleware } = createRequire(import.meta.url)('http-proxy-middleware') as Module
