import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isFields } from '../helpers/json.ts'
import { LOAD, playLoad } from '../helpers/load.ts'
import { describeWith } from '../helpers/needs.ts'
import { ROOT, startServe } from '../helpers/process.ts'
import { describeWithPython, runProgram, runPython } from '../helpers/programs.ts'
import { compareLines, HIDDEN, hideVolatile, type Volatile } from '../helpers/scrape.ts'
import { serveStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

/**
 * What a scrape says after one request of each kind, from the compiled program in a process of its own. It is the
 * contract with dashboards and alerts: a line that changes here changes there.
 */
const GOLDEN = join(ROOT, 'test/e2e/golden/metrics.txt')
const PARSE_METRICS = join(ROOT, 'test/helpers/parse-metrics.py')
const UPDATE = 'UPDATE_GOLDEN=1 npx vitest run test/e2e/golden-scrape.test.ts'

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5'

const VOLATILE: readonly Volatile[] = [
  {
    name: /^ollama_(request_duration|inference_duration|time_to_first_token|inter_chunk|model_transfer_duration)_seconds_(bucket|sum)$/,
    hides: 'value',
    reason: 'times on this machine; how many there are is in _count',
  },
  {
    name: /^ollascope_proxy_overhead_seconds_(bucket|sum)$/,
    hides: 'value',
    reason: 'times on this machine; how many there are is in _count',
  },
  {
    name: /^(ollama_poll_duration_seconds|ollascope_collector_(duration_seconds|last_success_timestamp_seconds))$/,
    hides: 'value',
    reason: 'times on this machine, and of day',
  },
  { name: /^ollascope_build_info$/, hides: 'labels', reason: 'the version, the commit and the Node that runs it' },
  { name: /^process_/, hides: 'samples', reason: 'the state of the process, as the operating system tells it' },
  { name: /^nodejs_/, hides: 'samples', reason: 'the state of Node: its version, memory, collections of garbage' },
]

/** Three scrapes of one process, nothing in between. */
const scrapes = { text: '', openmetrics: '', textAgain: '' }
let receipts: readonly object[] = []
const cleanUps: (() => Promise<void>)[] = []

beforeAll(async () => {
  const standIn = await serveStandIn()
  cleanUps.push(standIn.close)
  const served = await startServe(standIn.port, { onEnd: (kill) => cleanUps.unshift(kill) })
  // From here on the models that Ollama lists are known by their names.
  await waitFor('readiness', async () => (await fetch(`${served.adminUrl}/readyz`)).ok)
  // What is loaded, and with how long a context, comes in an answer of its own.
  await waitFor('the loaded models', async () =>
    (await (await fetch(`${served.adminUrl}/status`)).text()).includes('"models":[{'),
  )
  receipts = await served.receipts(await playLoad(served.proxyPort))
  scrapes.text = await waitFor('two scrapes that say the same', async () => {
    const [first, second] = [await served.scrape(), await served.scrape()]
    return compareLines(hideVolatile(first, VOLATILE), hideVolatile(second, VOLATILE)) === '' && second
  })
  scrapes.openmetrics = await served.scrape(OPENMETRICS)
  scrapes.textAgain = await served.scrape()
})
afterAll(async () => {
  for (const cleanUp of cleanUps) await cleanUp()
})

test('a scrape after a fixed load is the golden one', () => {
  const actual = hideVolatile(scrapes.text, VOLATILE)
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(GOLDEN, `${actual.join('\n')}\n`)
  const expected = readFileSync(GOLDEN, 'utf8').trimEnd().split('\n')

  const difference = compareLines(expected, actual)

  expect(difference, `the scrape differs from ${GOLDEN}; if that is meant: ${UPDATE}`).toBe('')
})

test('each request of the load has one receipt', () => {
  expect(receipts).toHaveLength(LOAD.length)
})

test('each rule about what is volatile still hides something', () => {
  const names = scrapes.text.split('\n').map((line) => /^(?:# TYPE )?(\w+)/.exec(line)?.[1] ?? '')
  const idle = VOLATILE.filter((rule) => !names.some((name) => rule.name.test(name)))
  expect(idle.map(({ name }) => name)).toEqual([])
})

test('after a scrape in OpenMetrics the text format is what it was', () => {
  expect(compareLines(hideVolatile(scrapes.text, VOLATILE), hideVolatile(scrapes.textAgain, VOLATILE))).toBe('')
})

describeWith(['promtool'], 'promtool, the checker of Prometheus', () => {
  /** What it says of metrics that are not ours to name, each with a reason. */
  const ALLOWED: readonly { readonly line: RegExp; readonly reason: string }[] = []

  test('finds nothing to complain about', async () => {
    const { stdout, stderr } = await runProgram('promtool', ['check', 'metrics'], scrapes.text)
    const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line !== '')
    expect(complaints.filter((line) => !ALLOWED.some((allowed) => allowed.line.test(line)))).toEqual([])
  })
})

describeWithPython('prometheus_client', 'the parsers of the Python client', () => {
  test('read both formats, and read the same in both', async () => {
    const text = await readFamilies('text', scrapes.text)
    const openmetrics = await readFamilies('openmetrics', scrapes.openmetrics)

    expect([...openmetrics.keys()].sort()).toEqual([...text.keys()].sort())
    for (const [name, family] of text) expect(openmetrics.get(name)).toEqual(family)
    // The load was seen, by a reader that nobody here wrote.
    const requests = text.get('ollama_requests')?.samples ?? []
    expect(requests.reduce((sum, { value }) => sum + Number(value), 0)).toBe(LOAD.length)
  })
})

interface Family {
  readonly name: string
  readonly samples: readonly Readonly<Record<string, unknown>>[]
}

/** What Python made of a scrape, by family; without the values that are volatile. */
async function readFamilies(format: string, scrape: string): Promise<Map<string, Family>> {
  const families: unknown = JSON.parse(await runPython(PARSE_METRICS, [format], scrape))
  if (!Array.isArray(families)) throw new Error('no list of families')
  return new Map(families.map(readFamily).map((family) => [family.name, family]))
}

function readFamily(family: unknown): Family {
  if (!isFields(family) || !Array.isArray(family.samples)) throw new Error('no family')
  const samples = family.samples.filter(isFields).flatMap((sample) => {
    const rule = VOLATILE.find((one) => one.name.test(String(sample.name)))
    if (rule?.hides === 'samples') return []
    return [rule?.hides === 'value' ? { ...sample, value: HIDDEN } : sample]
  })
  return { ...family, name: String(family.name), samples }
}
