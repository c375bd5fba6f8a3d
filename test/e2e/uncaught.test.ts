import { describe, expect, test } from 'vitest'
import { startServe, type Served } from '../helpers/process.ts'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { createGate, recordingNamed, startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

/** A process that fails where nobody catches it, as often as it gets the signal. */
const FAULTS = {
  'an error that is thrown': "throw new Error('on purpose')",
  'a promise that is rejected': "void Promise.reject(new Error('on purpose'))",
} as const

async function startFaulty(upstreamPort: number, fault: string, env: Record<string, string> = {}): Promise<Served> {
  const module = `data:text/javascript,process.on('SIGUSR2',()=>{${fault}})`
  return startServe(upstreamPort, { env: { ...env, NODE_OPTIONS: `--import "${module}"` } })
}

const logged = (served: Served) => served.log().filter(({ level }) => level === 'fatal')

describe.each(Object.entries(FAULTS))('%s, and caught by nobody', (_title, fault) => {
  test('is logged and counted; the streams that run end, nothing begins, and the exit is 1', async () => {
    const { gate, open } = createGate(3)
    const standIn = await startStandIn({ speed: 0, gate })
    const served = await startFaulty(standIn.port, fault)
    const { body = '' } = recordingNamed('generate-stream-warm').request
    const head = `POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(body)}`
    const client = openRaw(served.proxyPort, `${head}\r\n\r\n${body}`)
    await client.until((bytes) => bytes.includes('"done":false'))

    served.child.kill('SIGUSR2')
    await waitFor('the error to be logged', () => logged(served).length > 0)
    const counted = (await served.samples()).value('ollascope_uncaught_errors_total')
    const ready = await fetch(`${served.adminUrl}/readyz`)
    const late = openRaw(served.proxyPort, 'GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const refused = parseMessage((await late.ended).bytes)
    open()

    expect(parseMessage((await client.ended).bytes).complete).toBe(true)
    expect(await served.exited).toEqual({ code: 1, signal: null })
    expect(counted).toBe(1)
    expect(ready.status).toBe(503)
    expect(refused.startLine).toBe('HTTP/1.1 503 Service Unavailable')
    expect(logged(served)).toMatchObject([{ err: { message: 'on purpose', stack: expect.any(String) as string } }])
    expect(served.log().at(-1)).toMatchObject({ msg: 'stopped' })
    expect(served.stderr()).toBe('')
  })

  test('does not wait for what does not end: the drain limit still holds, where it is shorter', async () => {
    const { gate } = createGate(3)
    const standIn = await startStandIn({ speed: 0, gate })
    const served = await startFaulty(standIn.port, fault, { OLLASCOPE_DRAIN_TIMEOUT: '50ms' })
    const { body = '' } = recordingNamed('generate-stream-warm').request
    const head = `POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(body)}`
    const client = openRaw(served.proxyPort, `${head}\r\n\r\n${body}`)
    await client.until((bytes) => bytes.includes('"done":false'))

    served.child.kill('SIGUSR2')

    expect(parseMessage((await client.ended).bytes).complete).toBe(false)
    expect(await served.exited).toEqual({ code: 1, signal: null })
    expect(served.log().filter(({ msg }) => msg === 'request')).toHaveLength(1)
  })
})
