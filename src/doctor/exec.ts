import { setTimeout as pause } from 'node:timers/promises'
import { fieldsOf, idOf } from '../collectors/docker/fields.ts'
import type { Ended } from '../collectors/nvidia/program.ts'
import { NoReply, type Reply } from './ask.ts'
import { messageOf } from './check.ts'
import type { DockerAnswers, SeenContainer } from './docker.ts'
import { splitStreams } from './streams.ts'

/** What became of a program that was to run in a container. */
export type Ran =
  | { readonly kind: 'ended'; readonly ended: Ended }
  | { readonly kind: 'late' }
  /** Docker forbids it, or cannot. */
  | { readonly kind: 'not-run'; readonly because: string }

const MAX_BYTES = 1024 * 1024

/** Runs a program in a container, as `docker exec` does. It has to end by itself: Docker ends none. */
export async function runIn(
  { where, get, post }: DockerAnswers,
  { listed, state }: SeenContainer,
  command: readonly string[],
): Promise<Ran> {
  if (state !== 'running') return notRun(`${listed.name} is ${state}`)
  try {
    const made = await post(`/containers/${listed.id}/exec`, { AttachStdout: true, AttachStderr: true, Cmd: command })
    if (made.status !== 201) return notRun(refusalOf(where, made))
    const id = idOf(fieldsOf(made.json()).Id)
    if (id === undefined) return notRun(`${where} is no Docker`)
    const output = await post(`/exec/${id}/start`, { Detach: false, Tty: false }, MAX_BYTES)
    if (output.status !== 200) return notRun(refusalOf(where, output))
    const code = await exitCode(get, id)
    if (code === undefined) return notRun(`${where} does not tell how a program ended`)
    return { kind: 'ended', ended: { ...splitStreams(output.body), code, signal: null } }
  } catch (error) {
    return error instanceof NoReply && error.reason === 'timeout' ? { kind: 'late' } : notRun(messageOf(error))
  }
}

function notRun(because: string): Ran {
  return { kind: 'not-run', because }
}

function refusalOf(where: string, { status, text }: Reply): string {
  // 405 of a socket proxy that lets GET through, 403 of one that goes by paths.
  if (status === 403 || status === 405) return `${where} lets nobody run a program in a container (${status})`
  return `${where} runs no program in it (${status}: ${text.trim().slice(0, 200)})`
}

const LOOKS = 50
const LOOK_EVERY_MS = 100

/** The daemon knows it a moment after the last byte. */
async function exitCode(get: DockerAnswers['get'], id: string): Promise<number | undefined> {
  for (let look = 0; look < LOOKS; look += 1) {
    const reply = await get(`/exec/${id}/json`)
    if (reply.status !== 200) return undefined
    const { Running, ExitCode } = fieldsOf(reply.json())
    if (Running === false) return typeof ExitCode === 'number' ? ExitCode : undefined
    await pause(LOOK_EVERY_MS)
  }
  return undefined
}

/** How it ended, and the first line of what it said. */
export function lastWords({ code, stdout, stderr }: Ended): string {
  const [line = ''] = `${stderr}\n${stdout}`.trim().split('\n')
  return `exit ${code}: ${line.trim().slice(0, 200)}`
}
