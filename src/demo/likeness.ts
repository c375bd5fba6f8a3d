import type { Asked } from './asked.ts'
import type { Recording } from './recordings.ts'
import { rawHeader } from './request-head.ts'

const usual = ['content-type', 'content-length', 'connection']
const local = /^(127\.0\.0\.1|localhost)(:|$)/

// What most recordings asked for: no limit given means an everyday answer, neither one token nor hundreds.
const typicalTokens = 24

function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '')
}

/**
 * How many of the headers that set a recording apart the request shares; -1 where it lacks one.
 *
 * Telling are all but those which every request has: an Origin, an Expect, a foreign Host. Ports of hosts do not count.
 * Half a point is for a Content-Type that both have, or both lack.
 */
export function headerMatch(recording: Recording, rawHeaders: readonly string[]): number {
  const typed = recording.request.headers['Content-Type'] !== undefined
  let matches = typed === (rawHeader(rawHeaders, 'content-type') !== undefined) ? 0.5 : 0
  for (const [name, value] of Object.entries(recording.request.headers)) {
    const isHost = name.toLowerCase() === 'host'
    if (isHost ? local.test(value) : usual.includes(name.toLowerCase())) continue
    const asked = rawHeader(rawHeaders, name)
    if (asked === undefined) return -1
    if (isHost ? withoutPort(asked) !== withoutPort(value) : asked !== value) return -1
    matches += 1
  }
  return matches
}

/** Distance of two sizes in powers of two, 5 at most; `missing` where only one of them is known. */
function sizeGap(asked: number | undefined, recorded: number | undefined, missing: number): number {
  if (asked === undefined && recorded === undefined) return 0
  if (asked === undefined || recorded === undefined) return missing
  return Math.min(5, Math.abs(Math.log2(Math.max(asked, 1) / Math.max(recorded, 1))))
}

/**
 * How far a recorded request is from the one that came, in no unit; 0 is as good as equal.
 *
 * Whether it streams decides more than whether it only loads or unloads a model, that more than the model, that more
 * than thinking, tools and the like, and those more than the sizes.
 */
export function distance(asked: Asked, recorded: Asked): number {
  const traits = [...new Set([...asked.traits, ...recorded.traits])].filter(
    (trait) => asked.traits.has(trait) !== recorded.traits.has(trait),
  )
  return (
    (asked.stream === recorded.stream ? 0 : 1000) +
    (asked.model === recorded.model ? 0 : 100) +
    traits.reduce((sum, trait) => sum + (trait === 'no-prompt' || trait === 'unload' ? 200 : 10), 0) +
    sizeGap(asked.tokens ?? typicalTokens, recorded.tokens, 0) +
    sizeGap(asked.context, recorded.context, 3)
  )
}
