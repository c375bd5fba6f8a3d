import { readAsked, taggedModel, type Asked } from './asked.ts'
import {
  cheapest,
  exactKey,
  installedModels,
  knownRoutes,
  playOrder,
  rankCandidates,
  recordedKey,
} from './candidates.ts'
import { distance, headerMatch } from './likeness.ts'
import type { Recording, RecordingVersion } from './recordings.ts'
import { badBody, blobUnknown, methodNotAllowed, mistake, modelNotFound, plainAnswer } from './refusals.ts'
import { rawHeader } from './request-head.ts'

/** The header by which a test asks for a recording: `name` or `version/name`. */
export const recordingHeader = 'X-Demo-Recording'

interface PickRequest {
  readonly method: string
  readonly target: string
  /** Names and values by turns. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** The length of the whole body, of which `body` may hold the front only. */
  readonly bodyBytes: number
}

export interface PickOptions {
  readonly recordings: readonly Recording[]
  /** Which Ollama to play first; the other stands in for what it lacks. Left out: the newest. */
  readonly version?: RecordingVersion | undefined
  /** Names of recordings to take first where several fit equally well, e.g. `ps-empty`. */
  readonly prefer?: readonly string[] | undefined
}

export interface Picker {
  /** The recording to play. Never fails: what was not recorded is refused in Ollama's own words. */
  readonly pick: (request: PickRequest) => Recording
  /** The recording that the headers name; undefined where they name none that there is. */
  readonly named: (rawHeaders: readonly string[]) => Recording | undefined
}

/**
 * Chooses recordings for requests.
 *
 * By name where the request has the header for it; else the recording of an equal request (method, target, body; of
 * several the one whose headers fit, then the everyday one); else the refusal that Ollama would give; else the closest
 * ordinary recording of the route.
 */
export function createPicker({ recordings, version, prefer = [] }: PickOptions): Picker {
  const candidates = rankCandidates(recordings, playOrder(version), prefer)
  const equal = Map.groupBy(candidates, ({ recording }) => recordedKey(recording))
  const byRoute = Map.groupBy(candidates, ({ asked }) => `${asked.method} ${asked.operation}`)
  const byName = Map.groupBy(candidates, ({ recording }) => recording.name)
  const installed = installedModels(candidates)
  const routes = knownRoutes(candidates)
  const longest = Math.max(0, ...recordings.map(({ request }) => Buffer.byteLength(request.body ?? '')))

  const find = (name: string): Recording | undefined => byName.get(name)?.[0]?.recording

  const named = (rawHeaders: readonly string[]): Recording | undefined => {
    const asked = rawHeader(rawHeaders, recordingHeader)?.split('/') ?? []
    const name = asked.pop()
    if (name === undefined) return undefined
    const found = byName.get(name) ?? []
    return asked.length === 0 ? found[0]?.recording : found.find((one) => one.recording.version === asked[0])?.recording
  }

  const pickEqual = ({ method, target, rawHeaders, body, bodyBytes }: PickRequest): Recording | undefined => {
    const text = bodyBytes <= longest ? equal.get(exactKey(method, target, body.toString())) : undefined
    const found = text ?? (bodyBytes > 0 ? equal.get(exactKey(method, target, bodyBytes)) : undefined) ?? []
    const first = found[0]?.recording.version
    const ofVersion = found.filter(({ recording }) => recording.version === first)
    return cheapest(ofVersion, ({ recording }) => -headerMatch(recording, rawHeaders))?.recording
  }

  const refuse = (asked: Asked, { rawHeaders, bodyBytes }: PickRequest): Recording | undefined => {
    const methods = routes.get(asked.operation)
    if (methods === undefined) {
      return find('err-unknown-path') ?? plainAnswer('404 Not Found', '404 page not found')
    }
    if (asked.method === 'OPTIONS' && rawHeader(rawHeaders, 'origin') !== undefined) return find('options-cors')
    if (!methods.has(asked.method)) return methodNotAllowed([...methods], find)
    if (asked.operation === '/api/blobs/*') return blobUnknown(asked, find)
    if (asked.takesJson && asked.json === undefined) return badBody(asked, bodyBytes, find)
    if (asked.needsModel && !installed.has(taggedModel(asked.model))) return modelNotFound(asked, find)
    return mistake(asked, find)
  }

  const closest = (asked: Asked): Recording | undefined => {
    const route = byRoute.get(`${asked.method} ${asked.operation}`) ?? byRoute.get(`GET ${asked.operation}`) ?? []
    const ordinary = route.filter((candidate) => candidate.ordinary)
    const choice = ordinary.length > 0 ? ordinary : route
    const first = choice[0]?.recording.version
    const ofVersion = choice.filter(({ recording }) => recording.version === first)
    return cheapest(ofVersion, (candidate) => distance(asked, candidate.asked))?.recording
  }

  return {
    named,
    pick: (request) => {
      const wanted = rawHeader(request.rawHeaders, recordingHeader)
      if (wanted !== undefined) {
        return named(request.rawHeaders) ?? plainAnswer('400 Bad Request', `no recording is named ${wanted}`)
      }
      const known = pickEqual(request)
      if (known !== undefined) return known
      const asked = readAsked(
        request.method,
        request.target,
        request.body.toString(),
        request.bodyBytes > request.body.length,
      )
      return refuse(asked, request) ?? closest(asked) ?? plainAnswer('404 Not Found', '404 page not found')
    },
  }
}
