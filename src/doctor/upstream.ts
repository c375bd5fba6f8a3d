import { ask, NoReply } from './ask.ts'
import type { DockerAnswers } from './docker.ts'

/** Where Ollama is asked. */
export interface Upstream {
  readonly url: string
  /** The container that it runs in, where that has no port here: then the proxy is asked, as apps do. */
  readonly container: string | undefined
  /** The container that it would run in, where nobody answers and none of its containers runs. */
  readonly stopped: { readonly name: string; readonly state: string } | undefined
}

interface Search {
  /** What OLLASCOPE_UPSTREAM says. */
  readonly url: string
  /** Nobody has said anything: it is the default. */
  readonly isDefault: boolean
  readonly proxyUrl: string
  readonly docker: () => Promise<DockerAnswers>
  readonly deadline: () => AbortSignal
}

/**
 * Beside a stack in containers nobody listens where Ollama is by default, and nobody has said where else: its container
 * publishes no port, and what its name means only Docker's networks know.
 */
export async function findUpstream({ url, isDefault, proxyUrl, docker, deadline }: Search): Promise<Upstream> {
  const direct = { url, container: undefined, stopped: undefined }
  if (!isDefault) return direct
  const isRefused = await ask(`${url}/api/version`, { signal: deadline() }).then(
    () => false,
    (error: unknown) => error instanceof NoReply && error.reason === 'refused',
  )
  if (!isRefused) return direct
  const containers = (await docker().catch(() => undefined))?.ollama ?? []
  const [first] = containers
  const running = containers.find(({ state }) => state === 'running')
  if (running !== undefined) return { ...direct, url: proxyUrl, container: running.listed.name }
  return first === undefined ? direct : { ...direct, stopped: { name: first.listed.name, state: first.state } }
}
