import { setTimeout as pause } from 'node:timers/promises'
import { startApp, type LogLine, type RunningApp } from '../helpers/app.ts'
import { playCase } from './fuzz-client.ts'
import { HOST } from './fuzz-draft.ts'
import { everywhere, judge, type Finding, type Played } from './fuzz-judge.ts'
import { readConnection } from './fuzz-oracle.ts'
import { planCase, type FuzzCase } from './fuzz-plan.ts'
import { serveStrict } from './fuzz-upstream.ts'
import { valuesOf } from './fuzz-wire.ts'

export interface FuzzReport {
  /** Each as a text that says how to see it again. */
  readonly findings: readonly string[]
  /** Requests that a strict reader finds in what was sent. */
  readonly asked: number
  /** Requests that the upstream saw whole. */
  readonly seen: number
  readonly receipts: number
  /** Answers by status, `own` those of the proxy itself. */
  readonly statuses: Readonly<Record<string, number>>
}

const AT_ONCE = 50
/** Rounds in which nothing may change before all counts as over, and rounds after which it never will be. */
const STILL = 10
const ROUNDS = 300
/** Closing takes no time, however slow the machine. */
const CLOSES_MS = 20_000

/** Plays so many cases of this seed against the product in front of a strict upstream, and tells all that is wrong. */
export async function fuzz(seed: number, count: number, from = 0): Promise<FuzzReport> {
  const upstream = await serveStrict()
  const app = await startApp(upstream.port)
  const cases = Array.from({ length: count }, (_, at) => planCase(seed, from + at))
  const played = [...(await playAll(app.proxyPort, cases)), ...(await settle(app))]
  const findings = [...judge(played, upstream, app.log), ...(await miscounts(app))]
  const isClosed = await Promise.race([app.close().then(() => true), pause(CLOSES_MS, false, { ref: false })])
  if (!isClosed) findings.push(everywhere('the product does not close'))
  await upstream.close()
  return {
    findings: findings.map((finding) => described(seed, finding)),
    asked: played.reduce((sum, { spoken }) => sum + spoken.requests.length, 0),
    seen: upstream.sightings.filter(({ whole }) => whole).length,
    receipts: receiptsOf(app).length,
    statuses: countStatuses(played),
  }
}

async function playAll(port: number, cases: readonly FuzzCase[]): Promise<Played[]> {
  const played: Played[] = []
  const queue = cases.values()
  const worker = async () => {
    for (const one of queue) played.push(await play(port, one))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return played
}

async function play(port: number, one: FuzzCase): Promise<Played> {
  const spoken = readConnection(one.bytes, one.unharmed)
  return { one, spoken, got: await playCase(port, one, spoken) }
}

/** Good requests, one after the other, until nothing else is counted any more. */
async function settle(app: RunningApp): Promise<Played[]> {
  const played: Played[] = []
  let last = -1
  for (let still = 0; still < STILL && played.length < ROUNDS;) {
    played.push(await play(app.proxyPort, goodCase(played.length)))
    const others = receiptsOf(app).length - played.length
    const isIdle = (await app.samples()).value('ollama_active_requests') === 0
    still = isIdle && others === last ? still + 1 : 0
    last = others
  }
  return played
}

function goodCase(round: number): FuzzCase {
  const bytes = Buffer.from(`GET /good/${round} HTTP/1.1\r\n${HOST}\r\nConnection: close\r\n\r\n`)
  return {
    index: -1 - round,
    bytes,
    ends: [bytes.length],
    leaving: 'answered',
    mutations: [],
    unharmed: 1,
    sealed: true,
  }
}

function receiptsOf(app: RunningApp): LogLine[] {
  return app.log.filter(({ msg }) => msg === 'request')
}

/** What the metrics say otherwise than the receipts. */
async function miscounts(app: RunningApp): Promise<Finding[]> {
  const samples = await app.samples()
  const receipts = receiptsOf(app)
  const found: string[] = []
  const compare = (what: string, value: number | undefined, expected: number) => {
    if (value !== expected) found.push(`${what}: ${String(value)}, not ${expected}`)
  }
  compare('requests counted', samples.sum('ollama_requests_total'), receipts.length)
  const failed = receipts.filter(({ error_type }) => error_type !== undefined)
  compare('errors counted', samples.sum('ollama_errors_total'), failed.length)
  compare('requests in flight', samples.value('ollama_active_requests'), 0)
  compare('errors of observers', samples.sum('ollascope_observer_errors_total'), 0)
  return found.map(everywhere)
}

function countStatuses(played: readonly Played[]): Record<string, number> {
  const statuses: Record<string, number> = {}
  for (const { status, fields } of played.flatMap(({ got }) => got.answers)) {
    const isOwn = status >= 200 && valuesOf(fields, 'x-seen').length === 0
    const key = isOwn ? `own ${status}` : String(status)
    statuses[key] = (statuses[key] ?? 0) + 1
  }
  return statuses
}

function described(seed: number, { index, what, bytes }: Finding): string {
  const again = index === undefined ? `FUZZ_SEED=${seed}` : `FUZZ_SEED=${seed} FUZZ_FROM=${index} FUZZ_COUNT=1`
  return `${what} [${again}] ${bytes}`
}
