import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parse, stringify } from 'yaml'
import type { Dockerd } from '../helpers/dockerd.ts'
import { ROOT } from '../helpers/process.ts'
import { run } from './run.ts'

interface StackOptions {
  /** As the Makefile names it: `cpu`, `dev`, `linux`. */
  readonly stack: string
  readonly profiles?: readonly string[]
  /** Files of this folder, on top of the stack's own. */
  readonly overrides: readonly string[]
}

/** A stack, run from a copy of the checkout by what a person types. */
export interface Stack {
  /** `make TARGET`, with that on stdin; gives what it printed. */
  readonly make: (target: string, stdin?: string) => Promise<string>
  /** docker-compose with the files of the stack. */
  readonly compose: (...args: readonly string[]) => Promise<string>
}

/** What is made in a checkout, and is no part of it. */
const MADE = new Set(['.git', 'node_modules', 'dist', 'coverage'])

/** One that the stand-in has, on the CPU. */
export const MODEL = 'gemma3:270m'
/** Soon eaten. */
export const OLLAMA_MEMORY = '512m'

/** Copies the checkout, so that a stack's secrets and settings are its own; what is installed and built is shared. */
export function copyCheckout(folder: string): void {
  cpSync(ROOT, folder, {
    recursive: true,
    preserveTimestamps: true, // make compares them
    filter: (source) =>
      !relative(ROOT, source)
        .split('/')
        .some((part) => MADE.has(part)) && !isPrivate(source),
  })
  for (const name of ['node_modules', 'dist']) symlinkSync(join(ROOT, name), join(folder, name))
  const example = readFileSync(join(folder, '.env.prod.example'), 'utf8')
  const changes = { OLLAMA_MODEL: MODEL, OLLAMA_MEMORY, OLLAMA_MEMORY_RESERVATION: '128m' }
  const settings = Object.entries(changes).reduce(
    (text, [name, value]) => text.replace(new RegExp(`^${name}=.*$`, 'm'), `${name}=${value}`),
    example,
  )
  writeFileSync(join(folder, '.env.prod'), settings)
}

/** What a person has put here for a stack of theirs. */
function isPrivate(source: string): boolean {
  const path = relative(ROOT, source)
  return (
    path === '.env.prod' || /^(deploy\/secrets\/(?!README)|prometheus\/stack\/.*(cadvisor|exporter)\.yml$)/.test(path)
  )
}

/** Every receiver of the shipped Alertmanager becomes a webhook: its path is the receiver's name. */
export function sendPagesTo(url: string, folder: string): void {
  const path = join(folder, 'prometheus/alertmanager.yml')
  const shipped = parse(readFileSync(path, 'utf8')) as { receivers: readonly { readonly name: string }[] }
  const receivers = shipped.receivers.map(({ name }) => ({ name, webhook_configs: [{ url: `${url}/${name}` }] }))
  writeFileSync(path, stringify({ ...shipped, receivers }))
}

/** What `make` sets by itself. */
const BUILDKIT = { DOCKER_BUILDKIT: '1', COMPOSE_DOCKER_CLI_BUILD: '1' }

export function createStack(
  dockerd: Dockerd,
  folder: string,
  { stack, profiles = [], overrides }: StackOptions,
): Stack {
  const env = {
    // Debian's client before any other: it has the builder of its daemon.
    PATH: `/usr/bin:/bin:/usr/sbin:/sbin:${process.env.PATH ?? ''}`,
    HOME: folder,
    DOCKER_HOST: dockerd.host,
    DOCKER_SOCKET: dockerd.socket,
  }
  const own = stack === 'linux' ? ['docker-compose.linux.yml'] : ['docker-compose.yml', `docker-compose.${stack}.yml`]
  const files = [...own, ...overrides.map((name) => join(import.meta.dirname, name))].flatMap((file) => ['-f', file])
  const envFile = ['dev', 'linux'].includes(stack) ? '.env.dev' : '.env.prod'
  const settings = [`STACK=${stack}`, `PROFILES=${profiles.join(' ')}`, 'COMPOSE=docker-compose']
  const timeoutMs = 540_000
  return {
    make: (target, stdin = '') => {
      const command = ['make', '-C', folder, '--no-print-directory', target, ...settings]
      const [program, args] = dockerd.enter(...command, `COMPOSE_FILES=${files.join(' ')}`)
      return run(program, args, { env, stdin, timeoutMs })
    },
    compose: (...args) => {
      const named = profiles.flatMap((profile) => ['--profile', profile])
      const all = ['--env-file', envFile, ...files, ...named, ...args]
      return run('docker-compose', all, { cwd: folder, env: { ...env, ...BUILDKIT }, timeoutMs })
    },
  }
}
