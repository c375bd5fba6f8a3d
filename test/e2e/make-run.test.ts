import { describe, expect, test } from 'vitest'
import { freePort, isTaken } from '../helpers/ports.ts'
import { announcement, builtProgram, NODE, startProgram, watchServe, type Served } from '../helpers/process.ts'
import { recordingNamed, startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

/** Where Ollama listens by default: the one port that cannot be chosen. */
const OLLAMA_PORT = 11434
const taken = await isTaken(OLLAMA_PORT)

describe('what "make run" starts', () => {
  test('with an upstream of its own: the proxy in front of it, and nothing that was made up', async () => {
    const standIn = await startStandIn({ speed: 1 })
    const served = await makeRun({
      OLLASCOPE_UPSTREAM: standIn.url,
      OLLASCOPE_LISTEN: '127.0.0.1:0',
      OLLASCOPE_ADMIN_LISTEN: '127.0.0.1:0',
    })

    expect(await readPieces(served.proxyUrl)).toBeGreaterThan(5)
    await served.receipts(1)
    expect((await served.samples()).sum('ollama_requests_total')).toBe(1)
    expect(standIn.seen).toHaveLength(1)
    expect(served.stdout()).not.toMatch(/NO OLLAMA/)

    await stop(served)
  })

  test('hands on the exit code of what it started', async () => {
    builtProgram()
    const running = startProgram(NODE, ['scripts/run.ts'], {
      env: { OLLASCOPE_UPSTREAM: 'http://127.0.0.1:1', OLLASCOPE_LISTEN: 'nowhere' },
    })
    expect(await running.exited).toEqual({ code: 2, signal: null })
    expect(running.stderr()).toContain('OLLASCOPE_LISTEN=nowhere')
  })

  describe.skipIf(taken)(`without an Ollama${taken ? ` [needs port ${OLLAMA_PORT} free]` : ''}`, () => {
    test('says so, plays one, and every number moves', async () => {
      const served = await makeRun({
        OLLASCOPE_LISTEN: `127.0.0.1:${await freePort()}`,
        OLLASCOPE_ADMIN_LISTEN: `127.0.0.1:${await freePort()}`,
      })

      expect(served.stdout()).toMatch(/NO OLLAMA at http:\/\/127\.0\.0\.1:11434/)
      const requests = async () => (await served.samples()).sum('ollama_requests_total')
      const first = await waitFor('made-up traffic', async () => {
        const count = await requests()
        return count > 0 && count
      })
      await waitFor('more of it', async () => (await requests()) > first + 1)
      await waitFor('tokens', async () => (await served.samples()).sum('ollama_tokens_total') > 0)
      expect(await readPieces(served.proxyUrl)).toBeGreaterThan(5)

      await stop(served)
      // The stand-in ends with it.
      await waitFor('the port to be free', async () => !(await isTaken(OLLAMA_PORT)))
    })
  })
})

async function makeRun(env: Record<string, string>): Promise<Served> {
  builtProgram()
  const running = startProgram(NODE, ['scripts/run.ts'], { env })
  return watchServe(running, await waitFor('the line that says where it listens', () => announcement(running)))
}

/** Reads a stream through the proxy. @returns in how many pieces it came */
async function readPieces(proxyUrl: string): Promise<number> {
  const { body = '' } = recordingNamed('generate-stream-warm').request
  const response = await fetch(`${proxyUrl}/api/generate`, { method: 'POST', body })
  expect(response.status).toBe(200)
  if (response.body === null) throw new Error('no body')
  const pieces: string[] = []
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) pieces.push(piece)
  expect(pieces[0]).not.toContain('"done":true')
  expect(pieces.at(-1)).toContain('"done":true')
  return pieces.length
}

async function stop(served: Served): Promise<void> {
  served.child.kill('SIGTERM')
  expect(await served.exited).toEqual({ code: 0, signal: null })
}
