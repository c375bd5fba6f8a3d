import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp } from '../helpers/app.ts'

const answer = `${JSON.stringify({ message: { content: 'x' }, done: false })}\n${JSON.stringify({
  done: true,
  done_reason: 'stop',
  prompt_eval_count: 5,
  eval_count: 7,
})}\n`
const question = Buffer.from(JSON.stringify({ model: 'coded:1b', stream: true }))

/** An upstream that answers with these bytes, in front of it the product. */
async function startCoded(headers: Record<string, string>, body: Buffer) {
  const seen: Buffer[] = []
  const server = createServer((req, res) => {
    if (req.method === 'GET') {
      res.end('{"models":[]}')
      return
    }
    req.on('data', (bytes: Buffer) => seen.push(bytes))
    req.on('end', () => res.writeHead(200, { 'Content-Type': 'application/x-ndjson', ...headers }).end(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const app = await startApp((server.address() as AddressInfo).port)
  onTestFinished(async () => {
    await app.close()
    server.closeAllConnections()
    server.close()
  })
  const post = (path: string, init: RequestInit) => fetch(`${app.proxyUrl}${path}`, { method: 'POST', ...init })
  const unread = async (direction: string, reason: string) =>
    (await app.samples()).value('ollascope_unread_bodies_total', { direction, reason })
  return { app, post, seen, unread }
}

const CODINGS = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync } as const

describe('a coded body', () => {
  it.each(Object.entries(CODINGS))('in %s is read on both sides, and passes as it is', async (coding, encode) => {
    const coded = encode(Buffer.from(answer))
    const { app, post, seen } = await startCoded({ 'Content-Encoding': coding }, coded)
    const request = encode(question)
    const response = await post('/api/chat', { body: request, headers: { 'Content-Encoding': coding } })
    expect(await response.text()).toBe(answer)
    expect(Buffer.concat(seen)).toEqual(request)
    const [receipt] = await app.receipts(1)
    expect(receipt).toMatchObject({
      model: 'coded:1b',
      outcome: 'stop',
      input_tokens: 5,
      output_tokens: 7,
      chunks: 2,
      response_bytes: coded.length,
    })
    expect(receipt).not.toHaveProperty('ttft_ms') // when its parts came, nobody can say
    expect((await app.samples()).sum('ollascope_unread_bodies_total')).toBe(0)
  })

  it('in a coding that nobody knows is told, and is no truncated answer', async () => {
    const { app, post, unread } = await startCoded({ 'Content-Encoding': 'x-own' }, Buffer.from('??'))
    await (await post('/api/chat', { body: question, headers: { 'Content-Encoding': 'x-own' } })).arrayBuffer()
    expect((await app.receipts(1))[0]).toMatchObject({ model: 'none', outcome: 'success' })
    expect(await unread('request', 'coding')).toBe(1)
    expect(await unread('response', 'coding')).toBe(1)
  })

  it('that is broken, or a bomb, is told', async () => {
    const bomb = gzipSync(Buffer.alloc(16 * 1024 * 1024))
    const { app, post, unread } = await startCoded({ 'Content-Encoding': 'gzip' }, bomb)
    await (await post('/api/chat', { body: 'no gzip', headers: { 'Content-Encoding': 'gzip' } })).arrayBuffer()
    expect((await app.receipts(1))[0]).toMatchObject({ outcome: 'success', response_bytes: bomb.length })
    expect(await unread('request', 'size')).toBe(1)
    expect(await unread('response', 'size')).toBe(1)
  })
})

it('an answer of an unknown type is told where numbers were to be read', async () => {
  const { app, post, unread } = await startCoded({ 'Content-Type': 'text/html' }, Buffer.from('<p>a login page</p>'))
  await (await post('/api/chat', { body: question })).text()
  await app.receipts(1)
  expect(await unread('response', 'type')).toBe(1)
})

it('an audio form names its model, wherever the field stands', async () => {
  const { app, post } = await startCoded({ 'Content-Type': 'application/json' }, Buffer.from('{"text":"hello"}'))
  const form = new FormData()
  form.set('file', new Blob([Buffer.alloc(300_000, 1)]), 'speech.wav')
  form.set('model', 'whisper')
  expect(await (await post('/v1/audio/transcriptions', { body: form })).json()).toEqual({ text: 'hello' })
  expect((await app.receipts(1))[0]).toMatchObject({ model: 'whisper', endpoint: '/v1/audio/transcriptions' })
  const labels = { model: 'whisper:latest', endpoint: '/v1/audio/transcriptions', outcome: 'success' }
  expect((await app.samples()).value('ollama_inference_requests_total', labels)).toBe(1)
})
