import { createServer, type RequestListener } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { getJson } from '../../../src/upstream/get-json.ts'

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  return `http://127.0.0.1:${address.port}`
}

const ask = (base: string) => getJson(base, '/api/tags', AbortSignal.timeout(20_000))

describe('getJson', () => {
  it('gives what the upstream says', async () => {
    expect(await ask(await serve((_req, res) => res.end('{"models":[]}')))).toEqual({ models: [] })
  })

  it.each([
    ['no JSON', '<html>', '/api/tags: the answer is no JSON'],
    ['nothing', '', '/api/tags: the answer is no JSON'],
  ])('says where it is %s', async (_title, body, message) => {
    const base = await serve((_req, res) => res.end(body))
    await expect(ask(base)).rejects.toThrow(message)
  })

  it('says which status it is', async () => {
    const base = await serve((_req, res) => res.writeHead(503).end('busy'))
    await expect(ask(base)).rejects.toThrow('/api/tags is answered 503')
  })

  it('reads no answer that has no end', async () => {
    const block = Buffer.alloc(1024 * 1024, ' ')
    let sent = 0
    const base = await serve((_req, res) => {
      const pour = () => {
        while (!res.destroyed && res.write(block)) sent += block.length
      }
      res.on('drain', pour)
      pour()
    })
    await expect(ask(base)).rejects.toThrow('/api/tags: the answer is longer than 16 MiB')
    expect(sent).toBeLessThan(256 * 1024 * 1024)
  })
})
