import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { playRecorded } from '../helpers/load.ts'
import { startServe, type Served } from '../helpers/process.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

/** Longer than the receipts' path, so that few requests make many bytes of log. */
const PATH = `/${'x'.repeat(300)}`
/** More than the buffers of the system and of the program hold of such receipts. */
const ENOUGH = 20_000
const AT_ONCE = 16

/** `serve` whose stdout is full: somebody holds the pipe and does not read. */
async function blockStdout(): Promise<Served> {
  const standIn = await startStandIn({ speed: 0 })
  const served = await startServe(standIn.port)
  served.child.stdout?.pause()
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
  onTestFinished(() => agent.destroy())
  let sent = 0
  const send = async () => {
    while (sent < ENOUGH && !(await dropsLines(served))) {
      for (let each = 0; each < 200; each++) await ask(agent, served.proxyPort)
      sent += 200
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, send))
  return served
}

async function dropsLines(served: Served): Promise<boolean> {
  return ((await served.samples()).value('ollascope_log_lines_dropped_total') ?? 0) > 0
}

async function ask(agent: Agent, port: number): Promise<void> {
  const request = get({ host: '127.0.0.1', port, path: PATH, agent })
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream]
  response.resume()
  await once(response, 'end')
}

describe('serve, whose stdout nobody reads', () => {
  test('counts the lines that it drops, and no stream waits', { timeout: 60_000 }, async () => {
    const served = await blockStdout()

    expect(await dropsLines(served)).toBe(true)
    await playRecorded(served.proxyPort, 'generate-stream-warm')
    const samples = await served.samples()
    expect(samples.sum('ollama_tokens_total', { type: 'output' })).toBe(24)
    expect(served.child.exitCode).toBeNull()

    // Read again: what is there are whole lines, and the next receipts follow.
    served.child.stdout?.resume()
    await waitFor('a receipt that was written later', async () => {
      await playRecorded(served.proxyPort, 'chat-json')
      return served.log().some(({ endpoint }) => endpoint === '/api/chat')
    })
    const receipts = served.log().filter(({ endpoint }) => endpoint === 'unknown')
    expect(receipts.length).toBeGreaterThan(1000)
    expect(
      served
        .stdout()
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('{')),
    ).toEqual([])
    const total = (await served.samples()).value('ollama_requests_total', {
      method: 'GET',
      endpoint: 'unknown',
      status: '404',
    })
    expect(receipts.length).toBeLessThan(total ?? 0)
  })

  test('ends all the same when it is told to', { timeout: 60_000 }, async () => {
    const served = await blockStdout()

    const exit = once(served.child, 'exit')
    served.child.kill('SIGTERM')

    expect(await exit).toEqual([0, null])
  })
})
