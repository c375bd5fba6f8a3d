import { onTestFinished } from 'vitest'
import type { Collector } from '../../src/collectors/collector.ts'
import type { Container } from '../../src/collectors/containers.ts'
import { createDocker, type ContainerEvent, type DockerOptions } from '../../src/collectors/docker.ts'
import { waitFor } from './wait.ts'

/** What the clock of these collectors says, in milliseconds. */
export const NOW_MS = 1_795_240_000_000

type Found = readonly (Container & { readonly oomKilled: boolean })[]

/** A Docker collector, and what it told so far. */
export interface WatchedCollector {
  readonly collector: Collector
  /** Runs it once, and gives the values of the families, by name and container. */
  readonly collect: (signal?: AbortSignal) => Promise<Readonly<Record<string, number>>>
  readonly found: Found[]
  readonly events: ContainerEvent[]
  readonly notes: string[]
  /** The events and looks in the order in which they were told, as `oom ollama` and `found ollama`. */
  readonly told: string[]
  /** Waits until so many events were told. */
  readonly eventsUntil: (count: number) => Promise<ContainerEvent[]>
  /** How long it wanted to wait before each attempt to follow the events again. */
  readonly waits: number[]
  /** Ends the wait of this number, from 0 on, as soon as it begins. */
  readonly endWait: (number: number) => Promise<void>
}

/** Makes a collector that is closed when the test ends. It waits for the event stream until it is told to go on. */
export function watchDocker(host: string, options: Partial<DockerOptions> = {}): WatchedCollector {
  const found: Found[] = []
  const events: ContainerEvent[] = []
  const notes: string[] = []
  const told: string[] = []
  const waits: number[] = []
  const wakes: (() => void)[] = []
  const collector = createDocker({
    host,
    home: '/nowhere',
    runtimeDir: undefined,
    names: [],
    wallClock: () => NOW_MS,
    random: () => 0.5,
    since: undefined,
    onContainers(containers) {
      found.push(containers)
      told.push(`found ${containers.map(({ name }) => name).join()}`)
    },
    onEvent(event) {
      events.push(event)
      told.push(`${event.action} ${event.name}`)
    },
    onNote: (note) => notes.push(note),
    wait: (ms, signal) =>
      new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')))
        wakes.push(resolve)
        waits.push(ms)
      }),
    ...options,
  })
  onTestFinished(() => collector.close?.())
  return {
    collector,
    async collect(signal = AbortSignal.timeout(20_000)) {
      const measured = await collector.collect(signal)
      return Object.fromEntries(measured.map(({ metric, labels, value }) => [`${metric.name} ${labels.name}`, value]))
    },
    found,
    events,
    notes,
    told,
    eventsUntil: (count) => waitFor(`${count} events`, () => events.length >= count && events),
    waits,
    async endWait(number) {
      const wake = await waitFor(`wait ${number}`, () => wakes[number])
      wake()
    },
  }
}
