import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { readIfThere, unlessMissing } from '../host/files.ts'
import { isServer, parseStat, type ProcessStat } from './process.ts'

/** As the kernel names a process: by the file that was started. */
const COMMAND = 'ollama'
/** Half a millisecond. */
const BATCH = 50

export type Processes = ReadonlyMap<number, ProcessStat>

/**
 * The processes that can be seen, by their ids; `undefined` where there is no such folder.
 * @throws CollectError where the folder cannot be read
 */
export async function readProcesses(procRoot: string, signal?: AbortSignal): Promise<Processes | undefined> {
  const names = await unlessMissing(procRoot, () => readdir(procRoot))
  if (names === undefined) return undefined
  const processes = new Map<number, ProcessStat>()
  for (const [index, name] of names.filter((name) => /^[1-9]\d{0,9}$/.test(name)).entries()) {
    if (index % BATCH === 0) {
      await setImmediate()
      signal?.throwIfAborted()
    }
    const stat = readStat(`${procRoot}/${name}/stat`)
    if (stat !== undefined) processes.set(Number(name), stat)
  }
  return processes
}

/** The kernel makes this file up without waiting for anything, and to ask asynchronously takes 16 times the CPU. */
function readStat(path: string): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(path, 'utf8'))
  } catch {
    return undefined // ended, or hidden
  }
}

/** Those that are `ollama serve`. Its runners are its children; their arguments are not read, since that can hang. */
export async function findServers(procRoot: string, processes: Processes): Promise<readonly number[]> {
  const servers: number[] = []
  for (const [pid, { command, parent }] of processes) {
    if (command !== COMMAND || processes.get(parent)?.command === COMMAND) continue
    const cmdline = await readIfThere(`${procRoot}/${pid}/cmdline`).catch(() => undefined)
    if (cmdline !== undefined && isServer(cmdline)) servers.push(pid)
  }
  return servers
}
