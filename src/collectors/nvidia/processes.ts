import { parseNumber, type GpuSnapshot, type ProcessMemory } from '../gpu.ts'
import { wholeLines } from './table.ts'

/** The query whose output is read here. */
export const PROCESS_QUERY = '--query-compute-apps=gpu_uuid,pid,process_name,used_memory'

/** The server, the runners that it started over the years, and all that lies in its folder. */
const OLLAMA = /(?:^|\/)(?:ollama|ollama_llama_server|llama-server)$|\/ollama\//

interface Process {
  readonly uuid: string
  readonly owner: keyof ProcessMemory
  /** `undefined` where the driver does not tell, as on WSL. */
  readonly bytes: number | undefined
}

/** The same GPUs with the memory of their processes. A sum with an unknown part is unknown. */
export function addProcesses(gpus: readonly GpuSnapshot[], stdout: string): GpuSnapshot[] {
  const processes = wholeLines(stdout).flatMap(parseProcess)
  return gpus.map((gpu) => {
    const own = processes.filter(({ uuid }) => uuid === gpu.uuid)
    return { ...gpu, processMemoryBytes: { ollama: sumOf(own, 'ollama'), other: sumOf(own, 'other') } }
  })
}

function sumOf(processes: readonly Process[], owner: Process['owner']): number | undefined {
  const own = processes.filter((process) => process.owner === owner)
  return own.reduce<number | undefined>((sum, { bytes }) => add(sum, bytes), 0)
}

function add(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other
}

/** A name may hold the separator. */
function parseProcess(line: string): Process[] {
  const [uuid, pid, ...rest] = line.split(', ')
  const memory = rest.pop()
  if (uuid === undefined || pid === undefined || memory === undefined || rest.length === 0) return []
  const bytes = parseNumber(memory.trim(), { max: 2 ** 30, times: 2 ** 20 })
  return [{ uuid, owner: OLLAMA.test(rest.join(', ')) ? 'ollama' : 'other', bytes }]
}
