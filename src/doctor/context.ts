import type { Generation } from '../bench/generate.ts'
import { generate } from '../bench/generate.ts'
import type { GpuSnapshot } from '../collectors/gpu.ts'
import type { Config, Env } from '../config.ts'
import { settings } from '../config/settings.ts'
import { formatAddress } from '../listen.ts'
import { fullModelName } from '../ollama/model-name.ts'
import { parsePs, type LoadedModel } from '../ollama/inventory.ts'
import { reachable } from '../reachable.ts'
import { ask, type Reply } from './ask.ts'
import { askDocker, type DockerAnswers } from './docker.ts'
import { readAmd, readNvidia } from './read-gpus.ts'
import { parseStatus, type Status } from './status.ts'
import { findUpstream, type Upstream } from './upstream.ts'
import { parseModels, type StoredModel } from './models.ts'

/** Where something is looked for, and whether somebody said that it is there. */
export interface Place {
  readonly url: string
  readonly given: boolean
}

export interface DoctorOptions {
  readonly config: Config
  readonly env: Env
  /** The admin listener of the collector, where that is another process than the proxy. */
  readonly collector: Place
  readonly prometheus: Place
  readonly alertmanager: Place
  /** A file with Ollama's log; `undefined`: that of its container. */
  readonly ollamaLog: string | undefined
  /** For each question. */
  readonly timeoutMs: number
  /** For an answer of a model, its load included. */
  readonly answerTimeoutMs: number
  readonly stop: AbortSignal
  readonly machine: { readonly platform: NodeJS.Platform; readonly arch: string }
}

/** What checks ask. Each question is asked once, however many checks want its answer. */
export interface Context extends DoctorOptions {
  readonly proxyUrl: string
  readonly adminUrl: string
  /** Aborts when one question has taken too long. */
  readonly deadline: () => AbortSignal
  /** A route of the admin listener, with its token. */
  readonly askAdmin: (path: string) => Promise<Reply>
  /** The same of the collector. */
  readonly askCollector: (path: string) => Promise<Reply>
  readonly upstream: () => Promise<Upstream>
  readonly askUpstream: (path: string) => Promise<Reply>
  /** What `/status` says. */
  readonly status: () => Promise<Status>
  /** What `/status` says of the process that collects: the same, or another. */
  readonly collection: () => Promise<Status>
  readonly stored: () => Promise<readonly StoredModel[]>
  /** The models in memory, after OLLAMA_MODEL has answered. */
  readonly loaded: () => Promise<readonly LoadedModel[]>
  /** The answer of OLLAMA_MODEL, else of a model that is in memory; `undefined` where there is neither. */
  readonly answer: () => Promise<Answered | undefined>
  /** Reject with Absent where there is none of this maker. */
  readonly nvidia: () => Promise<readonly GpuSnapshot[]>
  readonly amd: () => Promise<readonly GpuSnapshot[]>
  readonly docker: () => Promise<DockerAnswers>
}

interface Answered {
  readonly model: string
  readonly generation: Generation
}

/** Enough for a rate, and short. */
const TOKENS = 64
const PROMPT = 'Count from one to fifty, in words.'

export function createContext(options: DoctorOptions): Context {
  const { config, env, timeoutMs, answerTimeoutMs, stop } = options
  const within = (ms: number) => AbortSignal.any([stop, AbortSignal.timeout(ms)])
  const deadline = () => within(timeoutMs)
  const adminUrl = `http://${formatAddress(reachable(config.adminListen))}`
  const token = config.adminToken
  const proxyUrl = `${config.tls === undefined ? 'http' : 'https'}://${formatAddress(reachable(config.listen))}`
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const askAdmin = (path: string) => ask(adminUrl + path, { signal: deadline(), headers })
  const askCollector = (path: string) => ask(options.collector.url + path, { signal: deadline(), headers })
  const status = once(async () => parseStatus(jsonOf('/status', await askAdmin('/status'))))
  const docker = once(() => askDocker(config.collect, deadline))
  const { url } = config.upstream
  const isDefault = url === settings.upstream.default
  const upstream = once(() => findUpstream({ url, isDefault, proxyUrl, docker, deadline }))
  const askUpstream = async (path: string) => ask((await upstream()).url + path, { signal: deadline() })
  const askLoaded = async () => {
    const models = parsePs(jsonOf('/api/ps', await askUpstream('/api/ps')))
    if (models === undefined) throw new Error("the answer to /api/ps is not Ollama's")
    return models
  }
  const generateBy = async (model: string): Promise<Answered> => {
    const { url } = await upstream()
    const signal = within(answerTimeoutMs)
    const generation = await generate({ url, model, prompt: PROMPT, maxTokens: TOKENS, signal })
    return { model: fullModelName(model), generation }
  }
  const answer = once(async (): Promise<Answered | undefined> => {
    if (config.ollamaModel !== undefined) return generateBy(config.ollamaModel)
    for (const { name } of await askLoaded()) {
      try {
        return await generateBy(name)
      } catch (error) {
        // One for embeddings is in memory too, and answers nothing.
        if (!(error instanceof Error && error.message.includes('does not support'))) throw error
      }
    }
    return undefined
  })
  return {
    ...options,
    proxyUrl,
    adminUrl,
    deadline,
    askAdmin,
    askCollector,
    upstream,
    askUpstream,
    status,
    collection: once(async () => {
      const own = await status()
      return own.role === 'proxy' ? parseStatus(jsonOf('/status', await askCollector('/status'))) : own
    }),
    stored: once(async () => parseModels(jsonOf('/api/tags', await askUpstream('/api/tags')))),
    loaded: once(async () => {
      if (config.ollamaModel !== undefined) await answer().catch(() => undefined)
      return askLoaded()
    }),
    answer,
    nvidia: once(() => readNvidia(config.collect.nvidiaSmi, env, timeoutMs, deadline())),
    amd: once(() => readAmd(config.collect.sysRoot, deadline())),
    docker,
  }
}

/** The same promise for everybody. */
function once<T>(look: () => Promise<T>): () => Promise<T> {
  let promise: Promise<T> | undefined
  return () => (promise ??= look())
}

function jsonOf(path: string, reply: Reply): unknown {
  if (reply.status !== 200) throw new Error(`${path} is answered ${reply.status}`)
  return reply.json()
}
