import { CollectError } from '../collector.ts'
import type { DockerApi } from './api.ts'
import { chooseContainers, isImageId, parseList, type Listed } from './find.ts'
import { parseInspect, type Inspected } from './inspect.ts'

/** Each of them costs two requests in every run. */
const MAX_CONTAINERS = 50
/** Containers that are gone, whose last events may still come. */
const MAX_KNOWN = 256

export interface WatchOptions {
  readonly api: DockerApi
  readonly names: readonly string[]
  /** How long one container may take to be inspected: one that hangs does not lose the others. */
  readonly requestTimeoutMs: number
  readonly onContainers: (containers: readonly Inspected[]) => void | Promise<void>
  readonly note: (topic: string, message: string | undefined) => void
}

/** Which containers are watched. */
export interface Watch {
  /** Looks for them anew, and tells of them. One look at a time; the next one waits. */
  readonly discover: (signal: AbortSignal) => Promise<readonly Inspected[]>
  /** A container that is watched, or was until it vanished. */
  readonly known: (id: string) => Inspected | undefined
  readonly forget: (id: string) => void
}

export function createWatch({ api, names, requestTimeoutMs, onContainers, note }: WatchOptions): Watch {
  const known = new Map<string, Inspected>()
  /** What containers were made of whose list says an image's id only. */
  const images = new Map<string, string>()
  let turn: Promise<unknown> = Promise.resolve()

  const inspect = async (id: string, signal: AbortSignal) =>
    parseInspect(await api.inspect(id, AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)])))

  const nameImages = async (listed: readonly Listed[], signal: AbortSignal): Promise<readonly Listed[]> => {
    for (const id of images.keys()) if (!listed.some((container) => container.id === id)) images.delete(id)
    const nameless = listed.filter(({ id, image }) => isImageId(image) && !images.has(id)).slice(0, MAX_CONTAINERS)
    await Promise.all(
      nameless.map(async ({ id, image }) => images.set(id, (await inspect(id, signal))?.image ?? image)),
    )
    return listed.map((container) => ({ ...container, image: images.get(container.id) ?? container.image }))
  }
  const look = async (signal: AbortSignal): Promise<readonly Inspected[]> => {
    const listed = parseList(await api.list(signal))
    if (listed === undefined) {
      throw new CollectError('unreadable', 'What answers as Docker gives no list of containers: correct its address.')
    }
    let chosen = chooseContainers(listed, names)
    if (chosen.length === 0 && names.length === 0) chosen = chooseContainers(await nameImages(listed, signal), names)
    note('found', describe(chosen, names))
    const watched = chosen.slice(0, MAX_CONTAINERS)
    const looked = await Promise.allSettled(watched.map(({ id }) => inspect(id, signal)))
    const found = looked.flatMap((result) => (result.status === 'fulfilled' && result.value ? result.value : []))
    const failure = looked.find((result) => result.status === 'rejected')
    if (failure !== undefined && found.length === 0) throw failure.reason
    note('inspect', failure === undefined ? undefined : `A container cannot be inspected: ${String(failure.reason)}`)
    remember(known, listed, found)
    await onContainers(found)
    return found
  }
  return {
    discover(signal) {
      const run = turn.then(() => look(signal))
      turn = run.catch(() => undefined)
      return run
    },
    known: (id) => known.get(id),
    forget: (id) => known.delete(id),
  }
}

/** Keeps what vanished, for the events that are still under way, but not what is there and no longer chosen. */
function remember(known: Map<string, Inspected>, listed: readonly Listed[], found: readonly Inspected[]): void {
  for (const { id } of listed) known.delete(id)
  for (const container of found) known.set(container.id, container)
  for (const id of known.keys()) {
    if (known.size <= MAX_KNOWN) break
    known.delete(id)
  }
}

/** What a person should know of the choice. */
function describe(chosen: readonly Listed[], names: readonly string[]): string | undefined {
  if (chosen.length > MAX_CONTAINERS) return `${chosen.length} containers match, and ${MAX_CONTAINERS} are watched.`
  const missing = names.filter((wanted) => !chosen.some(({ name }) => name === wanted))
  if (missing.length > 0)
    return `There is no container called ${missing.join(', ')}: it is watched as soon as it is there.`
  return chosen.length > 0 ? undefined : NONE
}

const NONE =
  "No container of Ollama's is there: it is known by the label ollascope.watch=true, the compose service ollama, " +
  'the name ollama, or an image called ollama. It is watched as soon as it is there.'
