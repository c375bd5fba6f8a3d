import { parseAddress, pickSocket } from '../collectors/docker/address.ts'
import { fieldsOf, listOf, textOf, type Fields } from '../collectors/docker/fields.ts'
import { chooseContainers, parseList, type Listed } from '../collectors/docker/find.ts'
import type { Collect } from '../config/collect.ts'
import { ask, type Reply } from './ask.ts'

/** A container of Ollama's, or of this stack. */
export interface SeenContainer {
  readonly listed: Listed
  /** `running`, `exited`, `restarting`, ... */
  readonly state: string
  /** `healthy`, `unhealthy`, `starting`; `undefined` without a health check. */
  readonly health: string | undefined
  /** What inspect says. */
  readonly inspected: Fields
}

/** What a daemon says, asked without dockerode: each question has one answer. */
export interface DockerAnswers {
  /** A socket, or a host with its port. */
  readonly where: string
  readonly get: (path: string, takeBytes?: number) => Promise<Reply>
  readonly post: (path: string, body: unknown, takeBytes?: number) => Promise<Reply>
  /** Ollama's, by the rules of the collector. */
  readonly ollama: readonly SeenContainer[]
  /** The others of the same compose project, and whatever is called Ollascope, or has its image. */
  readonly others: readonly SeenContainer[]
  /** What `docker info` says; `undefined` where a socket proxy forbids it. */
  readonly info: Fields | undefined
  /** By the clock of here, in milliseconds since 1970. */
  readonly askedAtMs: number
  /** The version of the daemon. */
  readonly version: string | undefined
}

const PROJECT = 'com.docker.compose.project'
const IMAGE_TITLE = 'org.opencontainers.image.title'

/** Rejects with Absent where there is no socket, with a NoReply or another Error where it cannot be asked. */
export async function askDocker(collect: Collect, deadline: () => AbortSignal): Promise<DockerAnswers> {
  const address = parseAddress(collect.dockerHost, collect.home, collect.runtimeDir)
  const socketPath = 'sockets' in address ? await pickSocket(address.sockets) : undefined
  const origin = 'sockets' in address ? 'http://docker' : `http://${bracketed(address.host)}:${address.port}`
  const get: DockerAnswers['get'] = (path, takeBytes) =>
    ask(origin + path, { signal: deadline(), socketPath, takeBytes })
  const post: DockerAnswers['post'] = (path, body, takeBytes) =>
    ask(origin + path, { signal: deadline(), socketPath, takeBytes, post: body })
  const list = await get('/containers/json?all=1')
  if (list.status !== 200) throw new Error(`${socketPath ?? origin} answers ${list.status} to the list of containers`)
  const listed = parseList(list.json())
  if (listed === undefined) throw new Error(`${socketPath ?? origin} is no Docker`)
  const ollamas = chooseContainers(listed, collect.containers)
  const isOwn = (one: Listed) =>
    ollamas.includes(one) || one.name.includes('ollascope') || one.labels[IMAGE_TITLE] === 'ollascope'
  const projects = new Set(listed.filter(isOwn).flatMap(({ labels }) => textOf(labels[PROJECT]) ?? []))
  const others = listed.filter(
    (one) => !ollamas.includes(one) && (isOwn(one) || projects.has(textOf(one.labels[PROJECT]) ?? '')),
  )
  const look = async (some: readonly Listed[]) =>
    (await Promise.all(some.map((one) => inspect(get, one)))).flatMap((one) => one ?? [])
  const [ollama, rest, info, version] = await Promise.all([
    look(ollamas),
    look(others),
    fieldsAt(get, '/info'),
    fieldsAt(get, '/version'),
  ])
  const where = socketPath ?? origin
  return { where, get, post, ollama, others: rest, info, askedAtMs: Date.now(), version: textOf(version?.Version) }
}

async function inspect(get: DockerAnswers['get'], listed: Listed): Promise<SeenContainer | undefined> {
  const inspected = await fieldsAt(get, `/containers/${listed.id}/json`)
  if (inspected === undefined) return undefined
  const state = fieldsOf(inspected.State)
  const health = textOf(fieldsOf(state.Health).Status)
  return { listed, state: stateOf(state), health: health === 'none' ? undefined : health, inspected }
}

/** Old daemons say `Running` alone. */
function stateOf({ Status, Running }: Fields): string {
  return textOf(Status) ?? (Running === true ? 'running' : 'stopped')
}

async function fieldsAt(get: DockerAnswers['get'], path: string): Promise<Fields | undefined> {
  const reply = await get(path)
  return reply.status === 200 ? fieldsOf(reply.json()) : undefined
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** A variable of the environment that a container was made with, those of its image included. */
export function variableOf({ inspected }: SeenContainer, name: string): string | undefined {
  const lines = listOf(fieldsOf(inspected.Config).Env).flatMap((line) => textOf(line) ?? [])
  return textOf(lines.findLast((line) => line.startsWith(`${name}=`))?.slice(name.length + 1))
}
