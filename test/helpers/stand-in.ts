import { onTestFinished } from 'vitest'
import { loadRecordings, type Recording } from '../../src/demo/recordings.ts'
import { createStandIn, type SeenRequest, type StandInOptions } from '../../src/demo/stand-in.ts'

const recordings = loadRecordings()

export interface RunningStandIn {
  readonly port: number
  readonly url: string
  /** Every request so far but the polls of the product, each with the recording that answers it. */
  readonly seen: readonly SeenRequest[]
  /** Those whose client left before the end. */
  readonly left: readonly SeenRequest[]
  readonly close: () => Promise<void>
}

/** A stand-in Ollama on a free port, or on the given one. The caller closes it. */
export async function serveStandIn(
  options: Omit<StandInOptions, 'recordings' | 'onRequest' | 'onLeft'> = {},
  port = 0,
): Promise<RunningStandIn> {
  const seen: SeenRequest[] = []
  const left: SeenRequest[] = []
  const standIn = createStandIn({
    speed: 20,
    ...options,
    recordings,
    onRequest: (request) => {
      if (!isPoll(request)) seen.push(request)
    },
    onLeft: (request) => left.push(request),
  })
  const address = await standIn.listen(port, '127.0.0.1')
  return { port: address.port, url: `http://127.0.0.1:${address.port}`, seen, left, close: standIn.close }
}

/** The same, closed at the end of the test. */
export async function startStandIn(...args: Parameters<typeof serveStandIn>): Promise<RunningStandIn> {
  const standIn = await serveStandIn(...args)
  onTestFinished(standIn.close)
  return standIn
}

/** The newest recording of this name. */
export function recordingNamed(name: string): Recording {
  const recording = recordings.find((one) => one.name === name)
  if (recording === undefined) throw new Error(`there is no recording "${name}"`)
  return recording
}

/** Waits at the chunk of the recording until it is opened. */
export interface Gate {
  readonly gate: (recording: Recording, chunkIndex: number) => Promise<void>
  readonly open: () => void
}

/** Holds every answer back at its chunk number `index`, counted from 0. */
export function createGate(index: number): Gate {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  return {
    gate: async (_recording, chunkIndex) => {
      if (chunkIndex === index) await promise
    },
    open: () => resolve(undefined),
  }
}

/** The product asks for these by itself: by fetch, and without the request id that a proxied request has. */
function isPoll({ request }: SeenRequest): boolean {
  const names = request.rawHeaders.filter((_text, index) => index % 2 === 0).map((name) => name.toLowerCase())
  const isAsked = ['/api/ps', '/api/tags', '/api/version'].includes(request.target)
  return isAsked && names.includes('sec-fetch-mode') && !names.includes('x-request-id')
}
