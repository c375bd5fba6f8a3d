import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Check, Result } from '../../src/doctor/check.ts'
import { contextOf } from './doctor-context.ts'
import type { Dockerd } from '../helpers/dockerd.ts'
import { freePort, isTaken } from '../helpers/ports.ts'
import { ROOT, startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'

type Env = Readonly<Record<string, string>>

/** Runs a check with a real daemon. */
export function checkAt(check: Check, dockerd: Dockerd, env: Env = {}): Promise<Result> {
  return check.run(contextOf({ OLLASCOPE_DOCKER_HOST: dockerd.host, ...env }))
}

/** The program in the container has five seconds; Docker itself has all the time it wants. */
export function checkShortly(check: Check, dockerd: Dockerd, env: Env = {}): Promise<Result> {
  const all = { OLLASCOPE_DOCKER_HOST: dockerd.host, ...env }
  return check.run({ ...contextOf(all, { timeoutMs: 5000 }), docker: contextOf(all).docker })
}

/** The daemon behind the stack's socket proxy, as a DOCKER_HOST. */
export async function startSocketProxy(dockerd: Dockerd): Promise<string> {
  const port = await freePort()
  const shipped = readFileSync(join(ROOT, 'deploy/socket-proxy/haproxy.cfg'), 'utf8')
  const file = join(dockerd.socket, '../haproxy.cfg')
  const config = shipped.replace('bind :2375', `bind 127.0.0.1:${port}`).replace('/var/run/docker.sock', dockerd.socket)
  writeFileSync(file, config)
  const env = { CONTAINERS: '1', EVENTS: '1', INFO: '1' }
  const proxy = startProgram('haproxy', ['-f', file], { env })
  await waitFor('haproxy to listen', () => {
    if (proxy.child.exitCode !== null) throw new Error(`haproxy ended: ${proxy.stderr()}`)
    return isTaken(port)
  })
  return `tcp://127.0.0.1:${port}`
}

/** What a container has written into its file system, in an order. */
export async function changesIn(dockerd: Dockerd, id: string): Promise<readonly string[]> {
  return (await dockerd.docker('diff', id)).split('\n').toSorted()
}

/** Removes a container when the test ends. */
export function removeLater(dockerd: Dockerd, id: string): string {
  onTestFinished(async () => {
    await dockerd.docker('rm', '--force', id)
  })
  return id
}
