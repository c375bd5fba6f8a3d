// Who says what of the exchanges of one round: the receipts, the clients and the upstream.
import type { LogLine } from '../../test/helpers/app.ts'
import type { Samples } from '../../test/helpers/samples.ts'
import type { Seen } from '../../test/integration/storm-client.ts'
import { createBooks } from './accounts.ts'

const GOOD = new Set(['stop', 'length', 'load', 'unload', 'tool_calls', 'success'])
/** What else the product says while a tokens file changes and breaks. */
const EXPECTED = new Set([
  'ollascope is ready: point OLLAMA_BASE_URL at the proxy, and a browser at the admin listener',
  'files changed, and were taken over',
  'files changed and are broken: what was read before stays in use',
  'stopping: running exchanges may end',
  'stopped',
])

interface RoundSeen {
  readonly seen: Seen
  /** How often each request came to the upstream. */
  readonly asked: ReadonlyMap<string, number>
  /** The last requests of the upstream's open connections. */
  readonly open: readonly string[]
  /** Requests whose answers have no end. */
  readonly endless: ReadonlySet<string>
}

export interface Ledger {
  readonly take: (line: LogLine) => void
  /** Resolves when the request has its receipt. */
  readonly over: (id: string) => Promise<void>
  /** Receipts so far. */
  readonly count: () => number
  /** How many receipts there are of each outcome and error type, and with retries. */
  readonly tally: ReadonlyMap<string, number>
  /** Requests that have no receipt yet. */
  readonly missing: (seen: Seen) => string[]
  /** What does not add up in a round; begins the next one. */
  readonly close: (round: RoundSeen) => string[]
  /** Where the metrics say something else than all receipts so far. */
  readonly differences: (samples: Samples) => string[]
}

export function createLedger(): Ledger {
  const books = createBooks()
  const tally = new Map<string, number>()
  const waiting = new Map<string, () => void>()
  let count = 0
  let receipts = new Map<string, LogLine>()
  let twice: string[] = []
  let others: string[] = []

  const missing = (seen: Seen) =>
    [...seen.sure.values()].filter(({ id }) => !receipts.has(id)).map(({ id, title }) => `${id} (${title})`)

  return {
    take(line) {
      if (line.msg !== 'request') {
        const isCollectors = line.collector !== undefined // which come and go with what they read
        if (!isCollectors && !EXPECTED.has(String(line.msg))) others.push(JSON.stringify(line))
        return
      }
      const id = String(line.request_id)
      count++
      books.add(line)
      if (receipts.has(id)) twice.push(id)
      receipts.set(id, line)
      const { outcome, error_type: errorType = outcome, retries } = line
      const ways = new Set([outcome, errorType, retries === undefined ? outcome : 'retried'].map(String))
      for (const way of ways) tally.set(way, (tally.get(way) ?? 0) + 1)
      waiting.get(id)?.()
      waiting.delete(id)
    },
    over: (id) => new Promise((resolve) => (receipts.has(id) ? resolve() : waiting.set(id, resolve))),
    count: () => count,
    tally,
    missing,
    differences: books.differences,
    close(round) {
      const lists: Record<string, readonly string[]> = {
        'the log says': others,
        'have two receipts': twice,
        'have no receipt': missing(round.seen),
        'have another receipt than their clients saw': misunderstood(receipts, round.seen),
        'do not fit what the upstream saw': unlikeUpstream(receipts, round.asked),
        'are open at the upstream, but over': round.open.filter((id) => round.endless.has(id)),
        'receipts without a client': unasked(receipts, round.seen),
      }
      receipts = new Map()
      twice = []
      others = []
      return Object.entries(lists).flatMap(([what, list]) => list.map((one) => `${what}: ${one}`))
    },
  }
}

function misunderstood(receipts: ReadonlyMap<string, LogLine>, { answers }: Seen): string[] {
  return [...answers].flatMap(([id, got]) => {
    const { status, response_bytes: bytes } = receipts.get(id) ?? {}
    return got.status === status && got.bytes === bytes ? [] : [`${id} got ${got.status} and ${got.bytes} bytes`]
  })
}

/** Each request that came to the upstream was let in, once and once more for a stale connection; each good answer is its own. */
function unlikeUpstream(receipts: ReadonlyMap<string, LogLine>, asked: ReadonlyMap<string, number>): string[] {
  const came = [...asked].flatMap(([id, times]) => {
    const { outcome, retries = 0 } = receipts.get(id) ?? {}
    const fits = outcome !== undefined && outcome !== 'denied' && times <= 1 + Math.min(1, Number(retries))
    return fits ? [] : [`${id} came ${times} times, and is ${String(outcome)} with ${String(retries)} retries`]
  })
  const madeUp = [...receipts].filter(([id, { outcome }]) => GOOD.has(String(outcome)) && !asked.has(id))
  return [...came, ...madeUp.map(([id]) => `${id} did not come, and has an answer`)]
}

/** What the parser refused has no id, and no other receipt may be without a client. */
function unasked(receipts: ReadonlyMap<string, LogLine>, { sure, maybe, refused, cut }: Seen): string[] {
  const nameless = [...receipts].filter(([id]) => !sure.has(id) && !maybe.has(id))
  if (nameless.length >= refused && nameless.length <= refused + cut) return []
  const counts = `${nameless.length}, where ${refused} to ${refused + cut} are due`
  return [counts, ...nameless.map(([, receipt]) => JSON.stringify(receipt))]
}
