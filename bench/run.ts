// Measures proxies side by side; see README.md. Only CPU time of the proxy's own process counts.
//   node bench/run.ts [--rounds 5] [--only request,burst,flood,paced] [--command 'node dist/main.js proxy']... [PROXY...]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { queries } from './lines.ts'
import type { LoadResult } from './load.ts'
import { end, sleep, startProxy } from './process.ts'
import { print, type Sample } from './table.ts'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const SCENARIOS = {
  request: { connections: 16, count: 20_000, units: 20_000, repeat: 1 },
  burst: { connections: 200, count: 2_000, units: 400_000, repeat: 1 },
  flood: { connections: 200, count: 2_000, units: 400_000, repeat: 1 },
  // Short: a tick of the CPU clock (10 ms) would be 4% of one.
  paced: { connections: 100, count: 100, units: 10_000, repeat: 3 },
} as const
type Scenario = keyof typeof SCENARIOS

const ALL = ['bare-tcp', 'bare-node-http', 'express-hpm', 'hpm-ejected', 'hpm-fixed', 'core']
const WARM_UP_LINES = 500
const LOAD_LIMIT_MS = 120_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    command: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
  },
})

function isScenario(name: string): name is Scenario {
  return name in SCENARIOS
}

function chosenScenarios(): Scenario[] {
  if (values.only === undefined) return ['request', 'burst', 'flood', 'paced']
  const chosen = values.only.split(',')
  const good = chosen.filter(isScenario)
  if (good.length !== chosen.length) throw new Error(`--only takes ${Object.keys(SCENARIOS).join(', ')}`)
  return good
}

/** Name to command; `direct` has none: the load goes to the stand-in itself, for the delays to compare with. */
function chosenProxies(): Map<string, string | undefined> {
  const names = positionals.length > 0 || values.command.length > 0 ? positionals : ALL
  const proxies = new Map<string, string | undefined>([['direct', undefined]])
  for (const name of names) {
    const file = here(`proxies/${name}.ts`)
    if (!existsSync(file)) throw new Error(`no such proxy: ${name}`)
    proxies.set(name, `node ${file}`)
  }
  for (const command of values.command) proxies.set(command, command)
  return proxies
}

/** Every target that a load asks for, the warm-up's among them. */
function targets(): string[] {
  const counts = new Set([WARM_UP_LINES, SCENARIOS.burst.count, SCENARIOS.paced.count])
  return ['/api/chat', ...[...counts].flatMap((count) => Object.values(queries(count)).map((q) => `/api/chat${q}`))]
}

async function load(port: number, scenario: Scenario, connections: number, count: number): Promise<LoadResult> {
  const args = [here('load.ts'), String(port), scenario, String(connections), String(count)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: LOAD_LIMIT_MS })
  const exited = once(child, 'exit')
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
  await Promise.all([exited, once(child.stdout, 'end')])
  if (child.exitCode !== 0) throw new Error(`the load ended with ${child.exitCode ?? child.signalCode ?? '?'}`)
  return JSON.parse(text) as LoadResult
}

async function measure(
  name: string,
  command: string | undefined,
  upstreamPort: number,
  scenarios: Scenario[],
): Promise<Sample[]> {
  const proxy = command === undefined ? undefined : await startProxy(command, upstreamPort)
  const port = proxy?.port ?? upstreamPort
  const samples: Sample[] = []
  try {
    await load(port, 'request', 16, 3_000)
    await load(port, 'burst', 50, WARM_UP_LINES)
    for (const scenario of scenarios) {
      const { connections, count, units, repeat } = SCENARIOS[scenario]
      const before = proxy?.cpuMs() ?? 0
      const results: LoadResult[] = []
      for (let i = 0; i < repeat; i++) results.push(await load(port, scenario, connections, count))
      await sleep(100)
      const used = (proxy?.cpuMs() ?? 0) - before
      samples.push({
        proxy: name,
        scenario,
        cpuUs: proxy === undefined ? undefined : (used * 1000) / (units * repeat),
        wallMs: results.reduce((sum, { wallMs }) => sum + wallMs, 0),
        firstMs: results.flatMap(({ firstMs }) => firstMs),
        transitMs: results.flatMap(({ transitMs }) => transitMs),
        peakMb: proxy?.peakMb(),
        startMs: proxy?.startMs,
      })
    }
  } finally {
    await proxy?.stop()
  }
  return samples
}

const proxies = chosenProxies()
const scenarios = chosenScenarios()
const upstream = spawn(process.execPath, [here('upstream.ts'), ...targets()], { stdio: ['pipe', 'pipe', 'inherit'] })
const [first] = (await once(createInterface(upstream.stdout), 'line')) as [string]
const samples: Sample[] = []
try {
  const order = [...proxies]
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const [name, command] of order) {
      // What the sockets of the run before left behind shall not be counted with this one.
      await sleep(200)
      samples.push(...(await measure(name, command, Number(first), scenarios)))
    }
    process.stderr.write(`round ${round} of ${values.rounds} done\n`)
    order.push(...order.splice(0, 1))
  }
} finally {
  await end(upstream)
}
if (values.json) console.log(JSON.stringify(samples.map((sample) => ({ ...sample, firstMs: 0, transitMs: 0 }))))
else print([...proxies.keys()], scenarios, samples)
