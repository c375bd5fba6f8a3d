// The soak: rounds of the same mixed traffic and faults, and what is left after each.
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { readSamples } from '../../test/helpers/samples.ts'
import { waitFor } from '../../test/helpers/wait.ts'
import { createSeen, rush } from '../../test/integration/storm-client.ts'
import type { Measure } from './flat.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { planRound } from './plan.ts'
import { startProduct, type Product } from './product.ts'
import { createRegular, type Regular } from './regular.ts'
import { createTokens, type Tokens } from './tokens.ts'
import { serveUpstream, type Upstream } from './upstream.ts'

export interface SoakOptions {
  readonly seed: number
  /** How many connections the storm makes in a round, and how many of all are open at once. */
  readonly visits: number
  readonly atOnce: number
  /** Whether another round is to begin after so many. */
  readonly goesOn: (rounds: number) => boolean
  readonly onRound?: (round: RoundReport) => void
}

export interface RoundReport extends Measure {
  readonly round: number
  readonly seconds: number
  /** In this round. */
  readonly exchanges: number
  readonly problems: readonly string[]
}

export interface SoakReport {
  readonly rounds: readonly RoundReport[]
  /** How many exchanges ended in each way, and how many were tried again. */
  readonly tally: ReadonlyMap<string, number>
  /** What did not add up, of all rounds and the end. */
  readonly problems: readonly string[]
}

/** What happens in a round, when so much of it is over. */
const BAD_DAYS = [
  [0.2, 'restart'],
  [0.45, 'blackHole'],
  [0.7, 'restart'],
] as const
const SCRAPE_MS = 1000
/** No answer about itself takes so long, however slow the machine. */
const ANSWER_MS = 30_000
const LABEL = /\w+="(?:[^"\\]|\\.)*"/g

/** Everything that changes the way of an exchange, with times that a soak can wait for. */
const SETTINGS = {
  OLLASCOPE_LISTEN: '127.0.0.1:0',
  OLLASCOPE_ADMIN_LISTEN: '127.0.0.1:0',
  OLLASCOPE_FIRST_BYTE_TIMEOUT: '1s',
  OLLASCOPE_IDLE_TIMEOUT: '800ms',
  OLLASCOPE_REQUEST_TIMEOUT: '20s',
  OLLASCOPE_CONNECT_TIMEOUT: '300ms',
  OLLASCOPE_CONNECT_RETRIES: '2',
  OLLASCOPE_RETRY_DELAY: '100ms',
  OLLASCOPE_MAX_REQUESTS_PER_MINUTE: '10000000',
  OLLASCOPE_MAX_IN_FLIGHT: '1000',
  OLLASCOPE_POLICY: 'full',
  OLLASCOPE_COLLECT_INTERVAL: '1s',
  OLLASCOPE_METRICS_MODEL_LIMIT: '20',
  OLLASCOPE_STALL_AFTER: '300ms',
}
/** How often one may connect again depends on the model: then the body is read first. */
const CONFIG = 'models:\n  m1: { connectRetries: 1, retryDelay: 50ms }\n  m2: { idleTimeout: 700ms }\n'

/** Runs until it is over, and gives what was measured and what was wrong. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-soak-'))
  const tokens = createTokens(folder)
  const config = join(folder, 'config.yaml')
  writeFileSync(config, CONFIG)
  const upstream = await serveUpstream(options.seed)
  const ledger = createLedger()
  const env = {
    ...SETTINGS,
    OLLASCOPE_UPSTREAM: upstream.url,
    OLLASCOPE_TOKENS_FILE: tokens.path,
    OLLASCOPE_CONFIG: config,
  }
  const regular = createRegular()
  let product: Product | undefined
  try {
    product = await startProduct(env, ledger.take)
    return await runRounds(options, { product, upstream, tokens, ledger, regular })
  } catch (cause) {
    const end = product?.end()
    if (end === undefined) throw cause
    throw new Error(end, { cause })
  } finally {
    regular.leave()
    product?.kill()
    await upstream.close()
    rmSync(folder, { recursive: true })
  }
}

interface Stage {
  readonly product: Product
  readonly upstream: Upstream
  readonly tokens: Tokens
  readonly ledger: Ledger
  readonly regular: Regular
}

async function runRounds({ goesOn, onRound, ...options }: SoakOptions, stage: Stage): Promise<SoakReport> {
  const { product, upstream, ledger } = stage
  const rounds: RoundReport[] = []
  do {
    const report = await runRound(rounds.length, options, stage)
    rounds.push(report)
    onRound?.(report)
  } while (goesOn(rounds.length))
  const stopped = await product.stop()
  const left = ledger.close({ seen: createSeen(), asked: upstream.asked, open: upstream.open(), endless: new Set() })
  const problems = [...rounds.flatMap((round) => round.problems), ...left, ...stopped]
  return { rounds, tally: ledger.tally, problems }
}

async function runRound(
  round: number,
  { seed, visits, atOnce }: Pick<SoakOptions, 'seed' | 'visits' | 'atOnce'>,
  { product, upstream, tokens, ledger, regular }: Stage,
): Promise<RoundReport> {
  const startMs = performance.now()
  const before = ledger.count()
  const seen = createSeen()
  const endless = new Set<string>()
  const scene = { port: product.proxyPort, seen, tokens, endless, over: ledger.over }
  const { jobs, calm } = planRound(seed, visits, round, scene)
  const over = new AbortController()
  const beside = Promise.all([watch(product, over.signal), changeTokens(product, tokens, over.signal)])
  beside.catch(() => undefined) // it is told when the clients are done
  const days = BAD_DAYS.map(([share, kind]) => ({ from: Math.floor(share * jobs.length), kind }))
  let done = 0
  let weather = Promise.resolve()
  upstream.setWell(false)
  try {
    await rush(jobs, atOnce, () => {
      done++
      for (const { from, kind } of days) {
        if (from === done) weather = weather.then(() => upstream[kind]())
      }
    })
    await weather
    upstream.setWell(true)
    const visit = { title: 'the regular', run: () => regular.visit(scene, `soak-${seed}-${round}`) }
    await rush([visit, ...calm], atOnce)
  } finally {
    over.abort()
    await beside
    await weather
  }
  const scrape = await settle(product, ledger, () => ledger.missing(seen).length === 0)
  const problems = [
    ...ledger.differences(readSamples(scrape)),
    ...ledger.close({ seen, asked: upstream.asked, open: upstream.open(), endless }),
  ]
  upstream.asked.clear()
  upstream.drop()
  return {
    round,
    seconds: (performance.now() - startMs) / 1000,
    exchanges: ledger.count() - before,
    ...(await product.measure()),
    ...countSeries(scrape),
    problems,
  }
}

function countSeries(scrape: string): Pick<Measure, 'series' | 'labels'> {
  const series = scrape.match(/^olla\w+(?<!_bucket)[{ ].*/gm) ?? []
  return { series: series.length, labels: new Set(series.flatMap((line) => line.match(LABEL) ?? [])).size }
}

/** Waits until nothing is under way and all is told; where that does not happen, the books say what is missing. @returns the scrape after that */
async function settle({ adminUrl }: Product, ledger: Ledger, isTold: () => boolean): Promise<string> {
  let scrape = ''
  const isQuiet = async () => {
    const status = await ask(`${adminUrl}/status`)
    scrape = await ask(`${adminUrl}/metrics`)
    const counted = readSamples(scrape).sum('ollama_requests_total')
    const knowsUpstream = status.includes('"tags_failure":null,"ps_failure":null')
    return isTold() && counted === ledger.count() && knowsUpstream && status.includes('"in_flight":[]')
  }
  await waitFor('the end of all exchanges', isQuiet).catch(() => undefined)
  return scrape
}

/** Looks at the product, as others do, until the end. */
async function watch({ adminUrl }: Product, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await ask(`${adminUrl}/metrics`, { Accept: 'application/openmetrics-text', 'Accept-Encoding': 'gzip' })
    await ask(`${adminUrl}/metrics`)
    await ask(`${adminUrl}/status`)
    await pause(SCRAPE_MS, undefined, { signal: over }).catch(() => undefined)
  }
}

/** Breaks the tokens file and mends it, by turns, until the end; at the end it is sound. */
async function changeTokens({ adminUrl }: Product, tokens: Tokens, over: AbortSignal): Promise<void> {
  const isSound = (value: 0 | 1) =>
    waitFor('the tokens file to be read', async () =>
      (await ask(`${adminUrl}/metrics`)).includes(`ollascope_last_reload_successful{file="tokens"} ${value}\n`),
    )
  do {
    tokens.spoil()
    await isSound(0)
    tokens.rotate()
    await isSound(1)
  } while (!over.aborted)
}

/** The body of an answer, over a connection of its own. */
async function ask(url: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const request = get(url, { agent: false, headers, signal: AbortSignal.timeout(ANSWER_MS) })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return text(response)
}
