import type { Dockerd } from '../helpers/dockerd.ts'
import { NODE } from '../helpers/process.ts'
import { run } from './run.ts'

export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

interface Answer {
  /** 0: no answer came, and `body` says why. */
  readonly status: number
  readonly body: string
}

// A name that nobody knows is looked up for long behind the answer: it ends at once.
const ASK = `
const [url, options] = JSON.parse(process.argv[1])
const end = (answer) => {
  require('node:fs').writeSync(1, JSON.stringify(answer))
  process.exit()
}
fetch(url, { ...options, redirect: 'manual', signal: AbortSignal.timeout(5000) }).then(
  async (answer) => end({ status: answer.status, body: await answer.text() }),
  (error) => end({ status: 0, body: String(error.cause?.code ?? error.name) }),
)`

/** Asks from the daemon's host. Certificates are not judged. */
export async function askFromHost(dockerd: Dockerd, url: string, asked: Asked = {}): Promise<Answer> {
  const [program, args] = dockerd.enter(NODE, '-e', ASK, JSON.stringify([url, asked]))
  return answerOf(await run(program, args, { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' } }))
}

/** Asks from a container of its own in this network, as an app would. */
export async function askFromNetwork(dockerd: Dockerd, network: string, url: string): Promise<Answer> {
  const ask = ['--entrypoint=node', 'ollascope:latest', '-e', ASK, JSON.stringify([url, {}])]
  return answerOf(await dockerd.docker('run', '--rm', `--network=${network}`, ...ask))
}

function answerOf(text: string): Answer {
  return JSON.parse(text) as Answer
}
