import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, isTaken } from '../../helpers/ports.ts'
import { ROOT, startProgram } from '../../helpers/process.ts'
import { waitFor } from '../../helpers/wait.ts'

const LISTENERS = ['streaming', 'buffering', 'plain', 'behind'] as const

type Ports = Readonly<Record<(typeof LISTENERS)[number], number>>

export interface Nginx {
  /** Where it listens: three times before the proxy, once behind it. */
  readonly ports: Ports
  /** What came in before the proxy: port, id and status, in the order in which it ended. */
  readonly exchanges: () => string[]
  /** What it complained about. */
  readonly stderr: () => string
}

/**
 * nginx in the foreground, in a folder of its own, by `nginx.conf` beside this file.
 * @param onEnd takes what kills it and removes the folder
 */
export async function startNginx(
  to: { readonly proxy: number; readonly ollama: number },
  onEnd: (cleanUp: () => Promise<void>) => void,
): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-nginx-'))
  const ports: Ports = {
    streaming: await freePort(),
    buffering: await freePort(),
    plain: await freePort(),
    behind: await freePort(),
  }
  const values: Readonly<Record<string, number>> = { ...to, ...ports }
  const template = readFileSync(join(ROOT, 'test/e2e/nginx/nginx.conf'), 'utf8')
  writeFileSync(
    join(folder, 'nginx.conf'),
    template.replaceAll(/@(\w+)@/g, (whole, name: string) => String(values[name] ?? whole)),
  )
  const nginx = startProgram('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'], {
    onEnd: (kill) =>
      onEnd(async () => {
        await kill()
        rmSync(folder, { recursive: true, force: true })
      }),
  })
  await waitFor('nginx to listen', async () => {
    if (nginx.child.exitCode !== null) throw new Error(`nginx ended: ${nginx.stderr()}`)
    const taken = await Promise.all(LISTENERS.map((name) => isTaken(ports[name])))
    return taken.every(Boolean)
  })
  return {
    ports,
    exchanges: () => readFileSync(join(folder, 'exchanges.log'), 'utf8').split('\n').slice(0, -1),
    stderr: nginx.stderr,
  }
}
