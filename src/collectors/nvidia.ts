import { GPUS } from '../metrics/collected.ts'
import type { Collector } from './collector.ts'
import { createEnergy } from './energy.ts'
import { measureGpu, type GpuSnapshot } from './gpu.ts'
import { failureOfRun, isUnknownField, isWithoutGpus } from './nvidia/failures.ts'
import { chooseColumns, type Column } from './nvidia/fields.ts'
import { PROCESS_QUERY, addProcesses } from './nvidia/processes.ts'
import { createProgram, type Ended } from './nvidia/program.ts'
import { parseTable } from './nvidia/table.ts'

export interface NvidiaOptions {
  /** `nvidia-smi`, or its path. */
  readonly program: string
  /** The environment of this process. What finds a program and its libraries is handed on, and no secret. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Whether to tell Ollama's memory from that of others. */
  readonly processes: boolean
  /** For each run of the program. */
  readonly timeoutMs?: number
  /** Takes what every successful reading found, also nothing. */
  readonly onGpus: (gpus: readonly GpuSnapshot[]) => void
}

const FORMAT = '--format=csv,noheader,nounits'
/** "infoROM is corrupted": it says so, and prints the table all the same. */
const EXIT_INFOROM = 14

/** Reads NVIDIA's GPUs with their own program. */
export function createNvidia(options: NvidiaOptions): Collector {
  const { PATH, LD_LIBRARY_PATH } = options.env
  const program = createProgram({
    program: options.program,
    env: { PATH, LD_LIBRARY_PATH, LC_ALL: 'C' },
    timeoutMs: options.timeoutMs ?? 5000,
  })
  const energy = createEnergy(options.now)
  let columns: readonly Column[] | undefined
  let driver: string | undefined

  async function readGpus(signal: AbortSignal): Promise<GpuSnapshot[]> {
    columns ??= await readColumns(signal)
    let ended = await query(columns, signal)
    if (isUnknownField(ended)) {
      columns = await readColumns(signal)
      ended = await query(columns, signal)
    }
    const gpus = gpusOf(ended, columns)
    const driverVersion = gpus[0]?.driverVersion ?? driver
    if (driver !== undefined && driver !== driverVersion) columns = undefined // the new one may know more
    driver = driverVersion
    return gpus
  }

  async function readColumns(signal: AbortSignal): Promise<readonly Column[]> {
    const ended = await program.run(['--help-query-gpu'], signal)
    const found = ended.code === 0 ? chooseColumns(ended.stdout) : undefined
    if (found === undefined) throw failureOfRun(ended)
    return found
  }

  function query(asked: readonly Column[], signal: AbortSignal): Promise<Ended> {
    return program.run([`--query-gpu=${asked.map(({ field }) => field).join(',')}`, FORMAT], signal)
  }

  async function withProcesses(gpus: readonly GpuSnapshot[], signal: AbortSignal): Promise<readonly GpuSnapshot[]> {
    try {
      const { code, stdout } = await program.run([PROCESS_QUERY, FORMAT], signal)
      return code === 0 || code === EXIT_INFOROM ? addProcesses(gpus, stdout) : gpus
    } catch {
      return gpus // the rest was read, and is worth more
    }
  }

  return {
    name: 'nvidia',
    metrics: Object.values(GPUS).filter((metric) => metric !== GPUS.expected),
    async collect(signal) {
      const found = await readGpus(signal)
      energy.add(found)
      const gpus = options.processes && found.length > 0 ? await withProcesses(found, signal) : found
      options.onGpus(gpus)
      return gpus.flatMap(measureGpu)
    },
    lasting: energy.read,
    close: program.close,
  }
}

function gpusOf(ended: Ended, columns: readonly Column[]): GpuSnapshot[] {
  const isTable = ended.code === 0 || ended.code === EXIT_INFOROM
  const gpus = isTable ? parseTable(ended.stdout, columns) : []
  if (gpus.length === 0 && !isWithoutGpus(ended)) throw failureOfRun(ended)
  return gpus
}
