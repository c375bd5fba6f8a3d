/**
 * `scripts/stress-test`: a matrix of models, prompt and output sizes and concurrency, measured from a client's side. It
 * asks whoever --url names for tokens in earnest: point it at your own servers.
 */
import { writeFileSync } from 'node:fs'
import { CallError, COMMON_USAGE, namesOf, numberOf, readCall, runScript, targetOf, timeOf } from './ollama/call.ts'
import { runCell } from './stress/load.ts'
import { cellsOf } from './stress/plan.ts'
import { formatJson, formatMarkdown, type Report } from './stress/report.ts'
import { summarize, verdictOf, type CellResult, type Measured } from './stress/statistics.ts'

const USAGE = `Usage: scripts/stress-test [options] [MODEL...]

Sends requests through the proxy for every combination of model, prompt size, output size and concurrency.
Exit 1 where more than 2 % of them timed out, or failed.

  --requests N        requests for each combination (default 50)
  --concurrency N,N   how many at once (default 5)
  --prompt N,N        sizes of prompts, in tokens (default 64)
  --output N,N        most tokens of an answer (default 64)
  --timeout TIME      for one request (default 120s)
  --tier NAME         a label of the report, and the tier of the targets in it
  --region NAME       a label of the report
  --json FILE         writes the report as JSON
  --markdown FILE     writes it as Markdown; without it, it goes to stdout
${COMMON_USAGE}
`
const MOST_REQUESTS = 100_000

await runScript('stress-test', async () => {
  const { values, positionals } = readCall({
    requests: { type: 'string', default: '50' },
    concurrency: { type: 'string', default: '5' },
    prompt: { type: 'string', default: '64' },
    output: { type: 'string', default: '64' },
    timeout: { type: 'string', default: '120s' },
    tier: { type: 'string' },
    region: { type: 'string' },
    json: { type: 'string' },
    markdown: { type: 'string' },
  })
  if (values.help === true) {
    console.log(USAGE)
    return 0
  }
  const numbers = (name: 'concurrency' | 'prompt' | 'output') =>
    namesOf(values[name]).map((text) => numberOf(name, text))
  const cells = cellsOf({
    models: namesOf(...(positionals.length > 0 ? positionals : [process.env.OLLAMA_MODEL])),
    promptTokens: numbers('prompt'),
    outputTokens: numbers('output'),
    concurrency: numbers('concurrency'),
  })
  const requests = numberOf('requests', values.requests)
  const timeoutMs = timeOf('timeout', values.timeout)
  const target = targetOf(values, process.env)
  if (cells.length === 0) throw new CallError('no model: name one, or set OLLAMA_MODEL')
  if (cells.length * requests > MOST_REQUESTS) throw new CallError(`more than ${MOST_REQUESTS} requests in all`)

  const startedAt = new Date().toISOString()
  const progress = createProgress(cells.length * requests)
  const results: CellResult[] = []
  const all: Measured[] = []
  let seconds = 0
  for (const cell of cells) {
    const began = performance.now()
    const measured = await runCell(target, cell, { requests, timeoutMs, onDone: progress })
    const took = (performance.now() - began) / 1000
    results.push({ cell, ...summarize(measured, took) })
    all.push(...measured)
    seconds += took
  }
  const { tier, region } = values
  const report: Report = {
    url: target.url.origin,
    startedAt,
    labels: { ...(tier !== undefined && { tier }), ...(region !== undefined && { region }) },
    timeoutSeconds: timeoutMs / 1000,
    cells: results,
    total: summarize(all, seconds),
  }
  if (values.json !== undefined) writeFileSync(values.json, formatJson(report))
  if (values.markdown === undefined) console.log(formatMarkdown(report))
  else writeFileSync(values.markdown, formatMarkdown(report))
  const problems = verdictOf(report.total)
  for (const problem of problems) console.error(`stress-test: ${problem}`)
  return problems.length === 0 ? 0 : 1
})

/** Counts on stderr: on a terminal in one line, elsewhere at each tenth. */
function createProgress(total: number): () => void {
  let done = 0
  return () => {
    done += 1
    const text = `${done} of ${total} requests`
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}${done === total ? '\n' : ''}`)
    else if (Math.floor((done * 10) / total) > Math.floor(((done - 1) * 10) / total)) console.error(text)
  }
}
