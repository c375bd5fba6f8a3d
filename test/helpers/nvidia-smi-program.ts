// A stand-in for nvidia-smi: it reads what it plays from the folder that is its first argument, anew at each start.
import { appendFileSync, existsSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** What a line of the help offers, with all its spellings. */
type Spellings = readonly string[]

export interface NvidiaSmiState {
  /** The fields of this driver. */
  readonly fields: readonly Spellings[]
  /** By the first spelling of a field; what is missing is `[N/A]`. */
  readonly gpus: readonly Readonly<Record<string, string>>[]
  /** Lines of the query for processes. */
  readonly processes: readonly string[]
  /** In the place of every answer to this kind of call. */
  readonly instead: Readonly<Partial<Record<Call['kind'], Answer>>>
}

export interface Answer {
  readonly stdout?: string
  readonly stderr?: string
  readonly code?: number
  /** `x` by the mebibyte before all else. */
  readonly mebibytes?: number
  /** It ends only when a file called `release` is there, or the folder is gone. */
  readonly hangs?: boolean
}

/** A start of the program. */
export interface Call {
  readonly kind: 'help' | 'gpus' | 'processes' | 'other'
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly pid: number
}

const GPUS = '--query-gpu='
const FORMAT = '--format=csv,noheader,nounits'

function kindOf(args: readonly string[]): Call['kind'] {
  const [first = '', format, ...rest] = args
  if (first === '--help-query-gpu' && format === undefined) return 'help'
  if (format !== FORMAT || rest.length > 0) return 'other'
  if (first.startsWith(GPUS)) return 'gpus'
  return first === '--query-compute-apps=gpu_uuid,pid,process_name,used_memory' ? 'processes' : 'other'
}

function help({ fields }: NvidiaSmiState): Answer {
  const lines = fields.map((spellings) => `${spellings.map((one) => `"${one}"`).join(' or ')}\nWhat "index" says.\n\n`)
  return { stdout: `List of valid properties to query for the switch "--query-gpu":\n\n${lines.join('')}` }
}

/** As the real one: a field that it does not know fails the whole query. */
function table({ fields, gpus }: NvidiaSmiState, asked: readonly string[]): Answer {
  const unknown = asked.find((field) => !fields.some((spellings) => spellings.includes(field)))
  if (unknown !== undefined) return { stdout: `Field "${unknown}" is not a valid field to query.\n\n`, code: 2 }
  if (gpus.length === 0) return { stdout: 'No devices were found\n', code: 6 }
  const first = (field: string) => fields.find((spellings) => spellings.includes(field))?.[0] ?? field
  const lines = gpus.map((gpu) => asked.map((field) => gpu[first(field)] ?? '[N/A]').join(', '))
  return { stdout: lines.map((line) => `${line}\n`).join('') }
}

function answerOf(kind: Call['kind'], args: readonly string[], state: NvidiaSmiState): Answer {
  const instead = state.instead[kind]
  if (instead !== undefined) return instead
  if (kind === 'help') return help(state)
  if (kind === 'gpus') return table(state, (args[0] ?? '').slice(GPUS.length).split(','))
  if (kind === 'processes') return { stdout: state.processes.map((line) => `${line}\n`).join('') }
  return { stderr: 'ERROR: Option is not recognized.\n', code: 2 }
}

const [folder = '', ...args] = process.argv.slice(2)
const state = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) as NvidiaSmiState
const kind = kindOf(args)
const call: Call = { kind, args, env: process.env, pid: process.pid }
appendFileSync(join(folder, 'calls'), `${JSON.stringify(call)}\n`)
const answer = answerOf(kind, args, state)
// Its folder goes with the test: one that fails leaves nothing behind.
while (answer.hangs === true && existsSync(folder) && !existsSync(join(folder, 'release'))) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
}
for (let mebibyte = 0; mebibyte < (answer.mebibytes ?? 0); mebibyte++) process.stdout.write('x'.repeat(2 ** 20))
if (answer.stderr !== undefined) writeSync(2, answer.stderr)
process.stdout.write(answer.stdout ?? '')
process.exitCode = answer.code ?? 0
