import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { calmAfter, sendForEver, servePlayer, serveWhile } from '../helpers/bystanders.ts'
import { startServe } from '../helpers/process.ts'
import { orphansFrom, peakMiB, resetPeak, residentMiB } from '../helpers/rss.ts'
import { waitFor } from '../helpers/wait.ts'

const CLIENTS = 500
/** What so many may cost, garbage included; about half of it was measured. */
const GROWTH_MIB = 500

const MIB = 1024 * 1024

interface Stall {
  /** What each client sends before it does nothing any more. */
  readonly bytes: Buffer
  /** What the upstream does. */
  readonly handle: Parameters<typeof servePlayer>[0]
  /** How all of them end. */
  readonly end: string
}

const STALLS: Record<string, Stall> = {
  'read nothing of an answer without end': {
    bytes: Buffer.from('GET /api/tags HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    handle: (_req, res) => sendForEver(res),
    end: '/api/tags 200 client_abort client_abort',
  },
  'begin an upload and stop': {
    bytes: Buffer.from('POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"model":"a"'),
    handle: (req) => req.resume(),
    end: '/api/chat 408 timeout upload_timeout',
  },
  'send more than the upstream takes': {
    bytes: Buffer.concat([
      Buffer.from(`POST /api/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${64 * MIB}\r\n\r\n`),
      Buffer.alloc(8 * MIB),
    ]),
    handle: () => undefined,
    end: '/api/create 504 timeout upstream_timeout',
  },
}

/** Clients that send this, read nothing, and do not leave. */
function stall(port: number, bytes: Buffer): readonly Socket[] {
  const sockets = Array.from({ length: CLIENTS }, () => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(bytes))
    socket.on('error', () => undefined)
    return socket.pause()
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  return sockets
}

test.each(Object.entries(STALLS))(
  `${CLIENTS} clients that %s: memory is bounded, all end, others are served`,
  async (_title, { bytes, handle, end }) => {
    const upstream = await servePlayer(handle)
    onTestFinished(upstream.close)
    const served = await startServe(upstream.port, { env: { OLLASCOPE_IDLE_TIMEOUT: '5s' } })
    const errors = async () => (await served.samples()).sum('ollama_errors_total')
    const { served: before } = await serveWhile(served.proxyPort, errors())

    const beforeMiB = residentMiB(served)
    resetPeak(served)
    stall(served.proxyPort, bytes)
    const allOver = waitFor(
      'all to be over',
      () =>
        pause(200)
          .then(errors)
          .then((count) => count >= CLIENTS),
      60_000,
    )
    const { served: meanwhile } = await serveWhile(served.proxyPort, allOver)
    const grownMiB = peakMiB(served) - beforeMiB

    expect(await calmAfter(served, upstream.port)).toEqual({
      [end]: CLIENTS,
      '/api/generate 200 length': before + meanwhile,
    })
    expect(orphansFrom(served.proxyPort)).toBe(0)
    expect(grownMiB).toBeLessThan(GROWTH_MIB)
  },
  90_000,
)
