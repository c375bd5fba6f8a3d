import { join } from 'node:path'
import type { CollectorName } from './collector-names.ts'
import type { Reader } from './reader.ts'
import { settings, type Env } from './settings.ts'

/** What is collected, and where it is looked for. */
export interface Collect {
  readonly intervalMs: number
  /** Those that are wanted; undefined is all that can run. */
  readonly collectors: readonly CollectorName[] | undefined
  readonly nvidiaSmi: string
  /** '' where the usual sockets are looked for. */
  readonly dockerHost: string
  /** None where Ollama's are to be found. */
  readonly containers: readonly string[]
  readonly procRoot: string
  readonly sysRoot: string
  readonly gpuProcesses: boolean
  readonly logGpu: boolean
  /** Where Ollama may keep its models, the likeliest first. */
  readonly modelStores: readonly string[]
  /** The user's folder; '' where there is none. */
  readonly home: string
  /** The session's; '' where there is none. */
  readonly runtimeDir: string
}

/** Also of variables that belong to others: Docker's, Ollama's and the session's. */
export function readCollect({ read }: Reader, env: Env): Collect {
  const home = absolute(env.HOME)
  const homes = [home, '/usr/share/ollama', '/root'].filter((path) => path !== '')
  const stores = [absolute(env.OLLAMA_MODELS), ...homes.map((path) => join(path, '.ollama/models'))]
  return {
    intervalMs: read(settings.collectInterval),
    collectors: read(settings.collectors),
    nvidiaSmi: read(settings.nvidiaSmi),
    // Docker's own may be one that is not for here (ssh://): that is the collector's to say, and no mistake here.
    dockerHost: read(settings.dockerHost) ?? env.DOCKER_HOST ?? '',
    containers: read(settings.containers),
    procRoot: read(settings.procRoot),
    sysRoot: read(settings.sysRoot),
    gpuProcesses: read(settings.gpuProcesses),
    logGpu: read(settings.logGpu),
    modelStores: [...new Set(stores)].filter((path) => path !== ''),
    home,
    runtimeDir: absolute(env.XDG_RUNTIME_DIR),
  }
}

/** What others set may be anything: '' of all that is no absolute path. */
function absolute(path = ''): string {
  return path.startsWith('/') ? path : ''
}
