import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** How a model answers that works. */
export const GOOD = {
  status: 200,
  body: '{"model":"a","response":"x","done":true,"done_reason":"stop","eval_count":5,"eval_duration":50000000}\n',
}

interface Model {
  readonly name: string
  /** What of its 100 bytes is on a GPU. */
  readonly vram: number
}

/** An Ollama of which the test says what is loaded, and how it answers who asks it to generate. */
export async function startOllama() {
  const state = {
    models: [] as readonly Model[],
    answer: GOOD,
    /** An answer begins, and nothing comes behind its first line. */
    holds: false,
  }
  let server: Server | undefined
  let port = 0
  const up = async () => {
    server = createServer((req, res) => {
      const models = state.models.map(({ name, vram }) => ({ name, size: 100, size_vram: vram, context_length: 2048 }))
      if (req.url === '/api/version') res.end('{"version":"0.33.0"}')
      else if (req.url === '/api/tags' || req.url === '/api/ps') res.end(JSON.stringify({ models }))
      else {
        req.resume().on('end', () => {
          res.writeHead(state.answer.status, { 'Content-Type': 'application/x-ndjson' })
          if (state.holds) res.write('{"model":"a","message":{"content":"x"},"done":false}\n')
          else res.end(state.answer.body)
        })
      }
    })
    await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  }
  const down = async () => {
    const closed = new Promise((resolve) => server?.close(resolve))
    server?.closeAllConnections()
    await closed
  }
  await up()
  onTestFinished(down)
  return { state, up, down, port: () => port }
}
