import { Agent } from 'node:http'

import { sendScene, type SendOptions, type TrafficResult } from './send-scene.ts'
import { createRandom, drawScene, trafficMix, type Scene } from './traffic-mix.ts'

export type { TrafficResult } from './send-scene.ts'

export interface TrafficOptions {
  /** Where to send it: the proxy. Only the origin counts. */
  readonly url: URL | string
  /** Requests per second on average. Left out: 2. */
  readonly rate?: number | undefined
  /** How many may be under way at once; those above are not sent. Left out: 8. */
  readonly concurrency?: number | undefined
  /** The same seed draws the same requests in the same order. Left out: 1. */
  readonly seed?: number | undefined
  /** The kinds of requests. Left out: the mixed load. */
  readonly scenes?: readonly Scene[] | undefined
  readonly onResult?: ((result: TrafficResult) => void) | undefined
  /** Sends one request; must not reject. Left out: over node:http. */
  readonly send?: ((scene: Scene, options: SendOptions) => Promise<TrafficResult>) | undefined
}

export interface Traffic {
  readonly start: () => void
  /** Leaves what is under way, and resolves when nothing is any more. */
  readonly stop: () => Promise<void>
}

const longestPauseMs = 5000

/**
 * Milliseconds until the next request: exponential about 1/rate, as of clients that know nothing of each other.
 *
 * Failures in a row double it, up to 5 s: where nobody answers, asking on in a hurry helps no one.
 */
export function pauseBeforeNext(rate: number, failures: number, random: number): number {
  const mean = 1000 / rate
  const pause = -Math.log(1 - random) * mean
  if (failures === 0) return Math.min(pause, 10 * mean)
  return Math.min(longestPauseMs, Math.max(pause, mean) * 2 ** Math.min(failures, 16))
}

/** An endless mixed load of bounded rate; what fails is reported and does not end it. */
export function createTraffic(options: TrafficOptions): Traffic {
  const { rate = 2, concurrency = 8, seed = 1, scenes = trafficMix, onResult, send = sendScene } = options
  const url = new URL(options.url)
  // Apart, so that the scenes are the same for a seed however many ticks found all clients busy.
  const scenesRandom = createRandom(seed)
  const pausesRandom = createRandom(~seed)
  const underWay = new Set<Promise<void>>()
  let timer: NodeJS.Timeout | undefined
  let running: { agent: Agent; controller: AbortController } | undefined
  let failures = 0

  const launch = async (agent: Agent, signal: AbortSignal) => {
    const result = await send(drawScene(scenes, scenesRandom()), { url, agent, signal })
    // An answer that broke off is news about one exchange, not about the server being gone.
    const unreachable = result.outcome === 'failed' && result.status === undefined
    const recovered = failures > 0 && !unreachable
    failures = unreachable ? failures + 1 : 0
    onResult?.(result)
    // The pause under way was one for a server that is gone.
    if (recovered && running !== undefined) schedule()
  }

  const schedule = () => {
    clearTimeout(timer)
    timer = setTimeout(
      () => {
        if (running === undefined) return
        if (underWay.size < concurrency) {
          const exchange = launch(running.agent, running.controller.signal).finally(() => underWay.delete(exchange))
          underWay.add(exchange)
        }
        schedule()
      },
      pauseBeforeNext(rate, failures, pausesRandom()),
    )
  }

  return {
    start: () => {
      if (running !== undefined) return
      running = { agent: new Agent({ keepAlive: true }), controller: new AbortController() }
      schedule()
    },
    stop: async () => {
      clearTimeout(timer)
      const stopped = running
      running = undefined
      stopped?.controller.abort()
      await Promise.all(underWay)
      stopped?.agent.destroy()
    },
  }
}
