import { parseArgs } from 'node:util'
import { duration } from '../config/parsers.ts'
import { UsageError } from '../usage-error.ts'
import type { Check } from './check.ts'
import type { Place } from './context.ts'

export interface DoctorArguments {
  readonly help: boolean
  readonly json: boolean
  readonly checks: readonly Check[]
  readonly timeoutMs: number
  readonly answerTimeoutMs: number
  readonly collector: Place
  readonly prometheus: Place
  readonly alertmanager: Place
  readonly ollamaLog: string | undefined
}

export function doctorUsage(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ id }) => id.length))
  return `Usage: ollascope doctor [options]

Checks a deployment end to end, with the settings of the environment. What cannot be seen from here is skipped, and said.
Exit 0: healthy; 1: something failed.

  --json                 the findings as one JSON document
  --only ID,ID           only these checks
  --timeout TIME         for each question (default 10s)
  --answer-timeout TIME  for the answer of a model, its load included (default 2m)
  --ollama-log FILE      Ollama's log (default: that of its container)
  --collector URL        the collector's admin listener, where it is a process of its own (default
                         http://127.0.0.1:9436, where somebody listens there)
  --prometheus URL       (default http://127.0.0.1:9090, where somebody listens there)
  --alertmanager URL     (default http://127.0.0.1:9093, likewise)
  --help                 prints this

Checks:
${checks.map(({ id, title }) => `  ${id.padEnd(width)}  ${title}\n`).join('')}`
}

/** Reads the options of `ollascope doctor`. Throws a UsageError that names the option. */
export function parseDoctorArguments(argv: readonly string[], checks: readonly Check[]): DoctorArguments {
  const values = parse(argv)
  return {
    help: values.help,
    json: values.json,
    checks: values.only === undefined ? checks : chosen(values.only, checks),
    timeoutMs: time('timeout', values.timeout),
    answerTimeoutMs: time('answer-timeout', values['answer-timeout']),
    collector: place('collector', values.collector, 'http://127.0.0.1:9436'),
    prometheus: place('prometheus', values.prometheus, 'http://127.0.0.1:9090'),
    alertmanager: place('alertmanager', values.alertmanager, 'http://127.0.0.1:9093'),
    ollamaLog: values['ollama-log'],
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        json: { type: 'boolean', default: false },
        only: { type: 'string' },
        timeout: { type: 'string', default: '10s' },
        'answer-timeout': { type: 'string', default: '2m' },
        'ollama-log': { type: 'string' },
        collector: { type: 'string' },
        prometheus: { type: 'string' },
        alertmanager: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** In the order of the table, whatever that of the option. */
function chosen(only: string, checks: readonly Check[]): readonly Check[] {
  const ids = only.split(',').map((id) => id.trim())
  const unknown = ids.find((id) => !checks.some((check) => check.id === id))
  if (unknown !== undefined) {
    throw new UsageError(`there is no check "${unknown}"; there are ${checks.map(({ id }) => id).join(', ')}`)
  }
  return checks.filter(({ id }) => ids.includes(id))
}

const parseTime = duration('1ms')

function time(name: string, text: string): number {
  const parsed = parseTime(text)
  if ('value' in parsed) return parsed.value
  throw new UsageError(`--${name} is ${parsed.problem}`)
}

function place(name: string, text: string | undefined, fallback: string): Place {
  if (text === undefined) return { url: fallback, given: false }
  const url = URL.parse(text)
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(`--${name} must be an http:// or https:// URL, not '${text}'`)
  }
  return { url: url.origin, given: true }
}
