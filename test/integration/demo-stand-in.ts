import { EventEmitter, once } from 'node:events'
import { expect, onTestFinished, vi } from 'vitest'

import { loadRecordings } from '../../src/demo/recordings.ts'
import { createStandIn, type StandIn, type StandInOptions } from '../../src/demo/stand-in.ts'

export const recordings = loadRecordings()

/** What happened so far, and the wait for what is to happen. */
export function createLog<Item>() {
  const items: Item[] = []
  const events = new EventEmitter()
  return {
    items,
    add: (item: Item) => {
      items.push(item)
      events.emit('item')
    },
    until: async (condition: (items: readonly Item[]) => boolean) => {
      while (!condition(items)) await once(events, 'item')
    },
  }
}

/** A stand-in that does not wait, on a free port of loopback; it ends with the test. */
export async function startStandIn(options: Partial<StandInOptions> = {}): Promise<{ standIn: StandIn; port: number }> {
  const standIn = createStandIn({ recordings, speed: 0, ...options })
  onTestFinished(() => standIn.close())
  return { standIn, ...(await standIn.listen(0, '127.0.0.1')) }
}

/** Waits until the last connection is closed. */
export const unconnected = (standIn: StandIn) => vi.waitFor(() => expect(standIn.connections()).toBe(0))
