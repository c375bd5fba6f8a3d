import { readFileSync } from 'node:fs'
import type { Dockerd } from '../helpers/dockerd.ts'

/** What `docker inspect` says, of what is used here. */
export interface Inspected {
  readonly Name: string
  readonly Config: { readonly User: string }
  readonly State: {
    readonly Pid: number
    readonly Status: string
    readonly StartedAt: string
    readonly Health?: { readonly Status: string }
  }
  readonly HostConfig: {
    readonly ReadonlyRootfs: boolean
    readonly Privileged: boolean
    readonly PidsLimit: number
    readonly Memory: number
    readonly CapAdd: readonly string[] | null
    readonly PortBindings: Readonly<Record<string, readonly { readonly HostIp: string }[]>>
  }
  readonly Mounts: readonly { readonly Source: string; readonly Destination: string; readonly RW: boolean }[]
}

/** All containers of a project, by their service. */
export async function inspectAll(dockerd: Dockerd): Promise<ReadonlyMap<string, Inspected>> {
  const ids = (await dockerd.docker('ps', '--all', '--quiet')).split('\n').filter(Boolean)
  if (ids.length === 0) return new Map()
  const service = '{{index .Config.Labels "com.docker.compose.service"}}'
  const names = (await dockerd.docker('inspect', `--format=${service}`, ...ids)).split('\n')
  const all = JSON.parse(await dockerd.docker('inspect', ...ids)) as Inspected[]
  return new Map(all.map((one, index) => [names[index] ?? '', one]))
}

/** The fields of `/proc/PID/status` of the first process of a container: what the kernel holds it to. */
export function kernelStatus({ State: { Pid } }: Inspected): ReadonlyMap<string, string> {
  const lines = readFileSync(`/proc/${Pid}/status`, 'utf8').split('\n')
  return new Map(lines.map((line) => [line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1).trim()]))
}
