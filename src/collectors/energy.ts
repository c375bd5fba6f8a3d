import { GPUS } from '../metrics/collected.ts'
import { measure, type Measurement } from './collector.ts'
import { gpuLabels, type GpuSnapshot } from './gpu.ts'

/** Adds up the energy of GPUs from their power, which is all that their drivers tell everywhere. */
export interface Energy {
  /** Takes a reading that was made now. */
  readonly add: (gpus: readonly GpuSnapshot[]) => void
  /** Joules of every GPU that was ever read, also of one that is gone. */
  readonly read: () => readonly Measurement[]
}

interface Meter {
  readonly labels: { readonly gpu: string; readonly uuid: string }
  readonly joules: number
  readonly watts: number
  readonly atMs: number
}

/** What lies between two readings that are further apart is unknown, and counts nothing. */
const MAX_GAP_MS = 60_000
/** GPUs that are remembered; past it, the one that was not seen for longest is forgotten. */
const MAX_METERS = 256

/** @param now monotonic milliseconds. */
export function createEnergy(now: () => number): Energy {
  const meters = new Map<string, Meter>()

  function add(gpu: GpuSnapshot, atMs: number): void {
    const watts = gpu.numbers.powerWatts
    if (watts === undefined) return
    const last = meters.get(gpu.uuid)
    const joules = (last?.joules ?? 0) + (last === undefined ? 0 : joulesSince(last, watts, atMs))
    meters.delete(gpu.uuid) // to the end of the order
    meters.set(gpu.uuid, { labels: gpuLabels(gpu), joules, watts, atMs })
  }

  return {
    add(gpus) {
      const atMs = now()
      for (const gpu of gpus) add(gpu, atMs)
      for (const uuid of [...meters.keys()].slice(0, -MAX_METERS)) meters.delete(uuid)
    },
    read: () => [...meters.values()].flatMap(({ labels, joules }) => measure(GPUS.energy, joules, labels)),
  }
}

/** Between two readings the power is taken to have changed evenly. */
function joulesSince(last: Meter, watts: number, atMs: number): number {
  const elapsedMs = atMs - last.atMs
  return elapsedMs > 0 && elapsedMs <= MAX_GAP_MS ? ((last.watts + watts) / 2) * (elapsedMs / 1000) : 0
}
