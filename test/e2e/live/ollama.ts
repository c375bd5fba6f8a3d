import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface FakeModel {
  readonly name: string
  readonly size: number
  readonly size_vram: number
  readonly context_length: number
}

export interface FakeOllama {
  readonly port: number
  /** What is in memory from now on. */
  readonly load: (models: readonly FakeModel[]) => void
  /** Ends the generations that wait behind their first token. */
  readonly release: () => void
  /** Breaks them off. */
  readonly cut: () => void
  readonly close: () => Promise<void>
}

const FIRST = '{"model":"m","response":"one","done":false}\n'
const LAST =
  '{"model":"m","response":"","done":true,"done_reason":"stop","total_duration":2000000000,"load_duration":1000000,' +
  '"prompt_eval_count":5,"prompt_eval_duration":100000000,"eval_count":46,"eval_duration":2000000000}\n'

/** An Ollama whose models and whose moments a test chooses: no recording has a graphics card. */
export async function startOllama(): Promise<FakeOllama> {
  let loaded: readonly FakeModel[] = []
  const held = new Set<ServerResponse>()
  const server = createServer((req, res) => {
    req.resume()
    if (req.url === '/api/version') res.end('{"version":"0.33.1"}')
    else if (req.url === '/api/ps' || req.url === '/api/tags') res.end(JSON.stringify({ models: loaded }))
    else if (req.url === '/api/generate') {
      res.setHeader('Content-Type', 'application/x-ndjson')
      res.write(FIRST)
      held.add(res)
      res.on('close', () => held.delete(res))
    } else res.writeHead(404, { 'Content-Type': 'application/json' }).end(`{"error":"model 'no-such' not found"}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    load: (models) => void (loaded = models),
    release: () => held.forEach((res) => res.end(LAST)),
    cut: () => held.forEach((res) => res.destroy()),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
