import { readAsked, taggedModel, type Asked } from './asked.ts'
import { isOrdinary } from './ordinary.ts'
import { recordingVersions, requestBytes, type Recording, type RecordingVersion } from './recordings.ts'
import { answerBytes, readHead } from './wire.ts'

/** A recording with what decides whether it is the one to play. */
export interface Candidate {
  readonly recording: Recording
  readonly asked: Asked
  readonly status: number
  readonly ordinary: boolean
  /** Lower goes first where the rest is equal; whole thousands are the version. */
  readonly rank: number
}

// Where one request was recorded in several states of the server, these are the everyday ones.
const everyday = [
  'version',
  'tags',
  'ps-two-models',
  'show',
  'generate-stream-warm',
  'generate-unload',
  'blob-upload',
  'pull-progress',
]

/** The key under which equal requests meet: method, target as sent, and the body or the length of one not kept. */
export function exactKey(method: string, target: string, body: string | number): string {
  return `${method} ${target}\n${body}`
}

export function recordedKey(recording: Recording): string {
  const { method, path, body } = recording.request
  return exactKey(method, path, body ?? (requestBytes(recording) || ''))
}

/** The versions in the order of play. */
export function playOrder(first: RecordingVersion = recordingVersions[0]): RecordingVersion[] {
  return [first, ...recordingVersions.filter((version) => version !== first)]
}

/** Candidates in the order of their rank. */
export function rankCandidates(
  recordings: readonly Recording[],
  order: readonly RecordingVersion[],
  prefer: readonly string[],
): Candidate[] {
  const names = [...prefer, ...everyday]
  const candidates = recordings.map((recording, index): Candidate => {
    const { method, path, body } = recording.request
    const asked = readAsked(method, path, body ?? '')
    const ordinary = isOrdinary(recording, asked)
    const named = names.includes(recording.name) ? names.indexOf(recording.name) : names.length
    // What the caller prefers goes before what is ordinary, and that before what is everyday.
    const group = named < prefer.length ? 0 : ordinary ? 1 : 2
    const rank = 1000 * order.indexOf(recording.version) + 300 * group + named + index / (recordings.length + 1)
    return { recording, asked, status: readHead(answerBytes(recording))?.status ?? 0, ordinary, rank }
  })
  return candidates.sort((a, b) => a.rank - b.rank)
}

/** The candidate of the lowest cost; of equals the first. */
export function cheapest(
  candidates: readonly Candidate[],
  cost: (candidate: Candidate) => number,
): Candidate | undefined {
  let best: Candidate | undefined
  let lowest = Infinity
  for (const candidate of candidates) {
    const own = cost(candidate)
    if (best !== undefined && own >= lowest) continue
    best = candidate
    lowest = own
  }
  return best
}

/** The models that the recorded server had: those its list names and those it answered for. */
export function installedModels(candidates: readonly Candidate[]): Set<string> {
  const listed = candidates
    .filter(({ asked, ordinary }) => asked.operation === '/api/tags' && ordinary)
    .flatMap(({ recording }) => [
      ...answerBytes(recording)
        .toString()
        .matchAll(/"name":"([^"]+)"/g),
    ])
    .map((match) => match[1] ?? '')
  const used = candidates.filter(({ asked, ordinary }) => asked.needsModel && ordinary).map(({ asked }) => asked.model)
  return new Set([...listed, ...used].filter((model) => model !== '').map(taggedModel))
}

/** The methods that each route takes, as far as the recordings know. */
export function knownRoutes(candidates: readonly Candidate[]): Map<string, Set<string>> {
  const routes = new Map<string, Set<string>>()
  for (const { asked, status } of candidates) {
    // A redirect, an unknown path and a wrong method say nothing about a route.
    if ((status >= 300 && status < 400) || status === 404 || status === 405 || asked.method === 'OPTIONS') continue
    const methods = routes.get(asked.operation) ?? new Set()
    routes.set(asked.operation, methods.add(asked.method))
  }
  for (const path of ['/api/version', '/api/tags']) routes.get(path)?.add('HEAD')
  return routes
}
