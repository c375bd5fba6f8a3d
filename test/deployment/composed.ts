import { execFile } from 'node:child_process'
import { parse } from 'yaml'
import { ROOT } from '../helpers/process.ts'

export interface Service {
  readonly image: string
  readonly user?: string
  readonly command?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly container_name?: string
  readonly read_only?: boolean
  readonly privileged?: boolean
  readonly cap_add?: readonly string[]
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly pids_limit?: number
  readonly pid?: string
  readonly restart?: string
  readonly mem_limit?: string
  readonly mem_reservation?: string
  readonly network_mode?: string
  readonly networks?: Readonly<Record<string, unknown>>
  /** Without an address it is an object. */
  readonly ports?: readonly (string | { readonly published: number; readonly target: number })[]
  readonly profiles?: readonly string[]
  readonly volumes?: readonly string[]
  readonly secrets?: readonly { readonly source: string; readonly target?: string }[]
  readonly environment?: Readonly<Record<string, string | null>>
  readonly healthcheck?: object
  readonly logging?: { readonly driver: string; readonly options: Readonly<Record<string, string>> }
  readonly deploy?: { readonly resources: { readonly reservations: { readonly devices: readonly object[] } } }
  readonly devices?: readonly string[]
  /** `name:address`, or an object where two files were put together. */
  readonly extra_hosts?: readonly string[] | Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}

export interface Composed {
  readonly services: Readonly<Record<string, Service>>
  readonly networks?: Readonly<Record<string, { readonly internal?: boolean; readonly ipam?: object }>>
  readonly volumes?: Readonly<Record<string, unknown>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}

/** Every stack that the documents name: its files and its environment file. */
const STACKS = {
  base: [[''], '.env.dev'],
  dev: [['', 'dev'], '.env.dev'],
  linux: [['linux'], '.env.dev'],
  prod: [['', 'prod'], '.env.prod.example'],
  cpu: [['', 'cpu'], '.env.prod.example'],
  amd: [['', 'amd'], '.env.prod.example'],
  'prod oom': [['', 'prod', 'oom'], '.env.prod.example'],
  'cpu oom': [['', 'cpu', 'oom'], '.env.prod.example'],
  'amd oom': [['', 'amd', 'oom'], '.env.prod.example'],
} as const

export type StackName = keyof typeof STACKS
export const STACK_NAMES = Object.keys(STACKS) as StackName[]

/** What docker-compose makes of a stack, all profiles included. Throws with what it says where it refuses. */
export async function compose(stack: StackName, env: Readonly<Record<string, string>> = {}): Promise<Composed> {
  const [parts, envFile] = STACKS[stack]
  return composeFiles(
    parts.map((part) => (part === '' ? 'docker-compose.yml' : `docker-compose.${part}.yml`)),
    ['--env-file', envFile],
    env,
  )
}

export async function composeFiles(
  files: readonly string[],
  options: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Composed> {
  const args = [...options, ...files.flatMap((file) => ['-f', file]), 'config']
  const said = await new Promise<string>((resolve, reject) => {
    // Nothing of this environment but the PATH: a variable that is set here would show there.
    const own = { cwd: ROOT, env: { PATH: process.env.PATH, ...env }, timeout: 60_000 }
    execFile('docker-compose', args, own, (error, stdout, stderr) => {
      if (error !== null) reject(new Error(`docker-compose ${args.join(' ')}: ${stderr}`, { cause: error }))
      // What it only warns of is a mistake here: a variable that is not set, a secret that nobody defines.
      else if (stderr.trim() !== '') reject(new Error(`docker-compose ${args.join(' ')} warns: ${stderr}`))
      else resolve(stdout)
    })
  })
  return parse(said) as Composed
}

/** What a service has, which must be there. */
export function serviceOf({ services }: Composed, name: string): Service {
  const service = services[name]
  if (service === undefined) throw new Error(`there is no service ${name}`)
  return service
}
