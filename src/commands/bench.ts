import { readFileSync } from 'node:fs'
import { BENCH_USAGE, parseBenchOptions } from '../bench/options.ts'
import { reportJson, reportText, type BenchReport } from '../bench/report.ts'
import { runBench } from '../bench/run-bench.ts'
import { judgeSpeed, parseBillions } from '../bench/speed.ts'
import { summarize } from '../bench/summary.ts'
import { loadConfig } from '../config.ts'
import { ask } from '../doctor/ask.ts'
import { formatAddress } from '../listen.ts'
import { parsePs, processorOf, type LoadedModel } from '../ollama/inventory.ts'
import { fullModelName } from '../ollama/model-name.ts'
import { reachable } from '../reachable.ts'
import type { Terminal } from '../terminal.ts'
import { UsageError } from '../usage-error.ts'

const PS_TIMEOUT_MS = 10_000

/** `ollascope bench`: what a model here does. Exit 1 where no request succeeded. */
export async function bench(argv: readonly string[], { env, stop, stdout, stderr }: Terminal): Promise<number> {
  const options = parseBenchOptions(argv)
  if (options.help) {
    stdout(BENCH_USAGE)
    return 0
  }
  const config = loadConfig(env, (path) => readFileSync(path, 'utf8'))
  const scheme = config.tls === undefined ? 'http' : 'https'
  const url = options.url ?? `${scheme}://${formatAddress(reachable(config.listen))}`
  const token = options.tokenFile === undefined ? undefined : readToken(options.tokenFile)
  const loaded = () => readLoaded(url, token, stop)
  const model = options.model ?? config.ollamaModel ?? (await loaded())[0]?.name
  if (model === undefined) throw new UsageError('which model? none is in memory: --model NAME, or set OLLAMA_MODEL')

  const { attempts, wallSeconds } = await runBench({ ...options, url, model, token, signal: stop })
  const summary = summarize(attempts, wallSeconds)
  const listed = (await loaded()).find(({ name }) => fullModelName(name) === fullModelName(model))
  const { processor, gpuRatio } = processorOf(listed)
  const platform = options.platform ?? (process.platform === 'darwin' ? 'metal' : 'gpu')
  const { tokensPerSecond } = summary
  const verdict =
    tokensPerSecond === undefined
      ? undefined
      : judgeSpeed({ tokensPerSecond, platform, processor, billions: parseBillions(listed?.parameterSize) })
  const report: BenchReport = { url, model, concurrency: options.concurrency, summary, processor, gpuRatio, verdict }
  stdout(options.json ? `${JSON.stringify(reportJson(report), null, 2)}\n` : reportText(report))
  if (summary.succeeded > 0) return 0
  stderr(`ollascope: no request succeeded; ollascope doctor looks for the reason\n`)
  return 1
}

/** The models in memory; none where that cannot be asked. */
async function readLoaded(url: string, token: string | undefined, stop: AbortSignal): Promise<readonly LoadedModel[]> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const signal = AbortSignal.any([stop, AbortSignal.timeout(PS_TIMEOUT_MS)])
  try {
    const reply = await ask(new URL('/api/ps', url).href, { signal, headers })
    return (reply.status === 200 ? parsePs(reply.json()) : undefined) ?? []
  } catch {
    return []
  }
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new UsageError(`--token-file ${path} cannot be read`, { cause })
  }
}
