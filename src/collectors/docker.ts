import { setTimeout as pause } from 'node:timers/promises'
import { CollectError, type Collector, type Measurement } from './collector.ts'
import type { Container } from './containers.ts'
import { orAborted } from './docker/abort.ts'
import { parseAddress } from './docker/address.ts'
import { createApi } from './docker/api.ts'
import type { EventLine } from './docker/event-line.ts'
import { followEvents } from './docker/event-stream.ts'
import type { Inspected } from './docker/inspect.ts'
import { CONTAINER_METRICS, measureContainer } from './docker/measurements.ts'
import { createNotes } from './docker/notes.ts'
import { parseStats } from './docker/stats.ts'
import { createWatch } from './docker/watch.ts'

/** What happened to a watched container. */
export interface ContainerEvent extends EventLine {
  readonly name: string
  readonly image: string
}

export interface DockerOptions {
  /** `unix:///path`, `tcp://host:port` or `http://host:port`; '' for the usual sockets of Docker and Podman. */
  readonly host: string
  /** The user's home folder, and XDG_RUNTIME_DIR: two of the usual sockets are there. */
  readonly home: string
  readonly runtimeDir: string | undefined
  /** The containers to watch; none to find Ollama's. */
  readonly names: readonly string[]
  /** Milliseconds since 1970; the daemon's clock should agree, since the events are followed from now on. */
  readonly wallClock: () => number
  /** From 0 up to, but not including, 1. */
  readonly random: () => number
  /** The `timeNano` of the last event that an earlier process was told. */
  readonly since: string | undefined
  /** After each look for containers, and before any event of these is told. Stopped ones are among them. */
  readonly onContainers: (containers: readonly (Container & { oomKilled: boolean })[]) => void | Promise<void>
  /** In order, each once. */
  readonly onEvent: (event: ContainerEvent) => void
  /** What a person should know and is no failure: no container matches, events cannot be followed. Once each. */
  readonly onNote: (message: string, topic: string) => void
  /** How long one question about one container may take; left out, 3 seconds. */
  readonly requestTimeoutMs?: number
  /** Waits before the event stream is opened again; left out, without keeping the process alive. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<unknown>
}

const DISCOVER_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 3000 // a Docker before 24 takes one second for its stats

/**
 * Asks Docker about containers, and follows their events from the first run that finds the daemon on. What was not
 * tried: Podman, whose API is meant to be the same.
 */
export function createDocker(options: DockerOptions): Collector {
  const { host, home, runtimeDir, wallClock, onEvent, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options
  const api = createApi(() => parseAddress(host, home, runtimeDir))
  const note = createNotes(options.onNote)
  const watch = createWatch({ ...options, api, requestTimeoutMs, note })
  let events: { close: () => void } | undefined
  let closed = false

  const tell = (event: EventLine) => {
    const container = watch.known(event.id)
    if (container === undefined) return
    if (event.action === 'destroy') watch.forget(event.id)
    onEvent({ ...event, name: container.name, image: container.image })
  }
  const follow = (startedAt: number) => {
    const told = isNanos(options.since)
    const since = told ? options.since : `${Math.floor(startedAt)}000000`
    const wait = options.wait ?? ((ms, signal) => pause(ms, undefined, { signal, ref: false }))
    const { random } = options
    const discover = () => watch.discover(AbortSignal.timeout(DISCOVER_TIMEOUT_MS))
    return followEvents({ api, since, sinceIsTold: told, random, wait, discover, tell, note })
  }
  const measureOne = async (container: Inspected, signal: AbortSignal): Promise<readonly Measurement[]> => {
    const seenAt = wallClock() / 1000
    if (!isRunning(container)) return measureContainer(container, undefined, seenAt)
    const limited = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)])
    const json = await api.stats(container.id, limited)
    return json === undefined ? [] : measureContainer(container, parseStats(json), seenAt)
  }
  const run = async (signal: AbortSignal): Promise<readonly Measurement[]> => {
    const startedAt = wallClock()
    const containers = await watch.discover(signal)
    if (!closed) events ??= follow(startedAt)
    const looked = await Promise.allSettled(containers.map((container) => measureOne(container, signal)))
    const failed = looked.filter((result) => result.status === 'rejected')
    const [failure] = failed
    if (failure !== undefined && failed.length === containers.filter(isRunning).length) throw failure.reason
    note('stats', failure && `The stats of a container cannot be read: ${String(failure.reason)}`)
    return looked.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
  }
  return {
    name: 'docker',
    metrics: CONTAINER_METRICS,
    async collect(signal) {
      try {
        return await orAborted(signal, run(signal))
      } catch (error) {
        if (!signal.aborted) throw error
        throw new CollectError('timeout', 'Docker did not answer in time.', { cause: error })
      }
    },
    close() {
      closed = true
      events?.close()
      api.close()
    },
  }
}

function isRunning({ pid }: Container): boolean {
  return pid !== undefined
}

function isNanos(value: string | undefined): value is string {
  return value !== undefined && /^[1-9]\d{0,18}$/.test(value)
}
