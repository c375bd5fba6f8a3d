import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'

import { runDemo } from '../../src/demo/command.ts'
import type { SeenRequest } from '../../src/demo/stand-in.ts'
import { createTraffic, type TrafficResult } from '../../src/demo/traffic.ts'
import { createLog, startStandIn, unconnected } from './demo-stand-in.ts'

describe('the traffic', () => {
  it('is mixed, is all read, and stops cleanly', async () => {
    const seen = createLog<SeenRequest>()
    const done = createLog<TrafficResult>()
    const { standIn, port } = await startStandIn({ onRequest: seen.add })
    const url = `http://127.0.0.1:${port}`
    const traffic = createTraffic({ url, rate: 1000, seed: 10, onResult: done.add })
    traffic.start()
    await done.until((items) => items.length >= 200)
    const midStream = done.items.find(({ scene }) => scene === 'leaves mid-stream')
    await traffic.stop()
    const results = [...done.items]
    await unconnected(standIn)
    expect(done.items).toEqual(results)
    expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(['answered', 'left']))
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set([200, 400, 404, undefined]))
    expect(new Set(seen.items.map(({ recording }) => recording.name)).size).toBeGreaterThan(15)
    expect(midStream).toMatchObject({ outcome: 'left', status: 200 })
    const answered = results.filter(({ outcome }) => outcome === 'answered')
    expect(answered.every(({ bytes }) => bytes > 0)).toBe(true)
  })
})

describe('ollascope demo', () => {
  it('listens, sends the traffic, and ends with the signal', async () => {
    const lines: string[] = []
    const stop = new AbortController()
    const listening = Promise.withResolvers<string>()
    const demo = runDemo(['--port', '0', '--speed', '0'], {
      stdout: (line) => {
        lines.push(line)
        listening.resolve(/http:\S+$/.exec(line)?.[0] ?? '')
      },
      signal: stop.signal,
    })
    const url = await listening.promise
    expect(await (await fetch(`${url}/api/version`)).json()).toEqual({ version: '0.33.0-rc2' })
    const sending = Promise.withResolvers<undefined>()
    const { port } = await startStandIn({ onRequest: () => sending.resolve(undefined) })
    const traffic = runDemo(['--traffic-only', '--traffic', `http://127.0.0.1:${port}`, '--rate', '500'], {
      stdout: (line) => lines.push(line),
      signal: stop.signal,
    })
    await sending.promise
    stop.abort()
    await Promise.all([demo, traffic])
    expect(lines).toEqual([
      `ollascope demo: a stand-in Ollama listens on ${url}`,
      `ollascope demo: sends 500 requests per second to http://127.0.0.1:${port}`,
    ])
    await expect(fetch(`${url}/api/version`)).rejects.toThrow()
  })

  it('says in one line that a port is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void taken.close())
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const io = { stdout: () => undefined, signal: new AbortController().signal }
    await expect(runDemo(['--port', String(port)], io)).rejects.toThrow(
      `ollascope: cannot listen on 127.0.0.1:${port}: the port is in use`,
    )
  })
})
