import { existsSync } from 'node:fs'
import { arch, cpus, release, totalmem, type } from 'node:os'
import { textOf } from '../../collectors/docker/fields.ts'
import { readIfThere } from '../../collectors/host/files.ts'
import { ok, type Check } from '../check.ts'
import type { Context } from '../context.ts'
import { localGpus } from '../gpus.ts'
import { readCudaVersion } from '../read-gpus.ts'
import { gigabytes } from '../models.ts'

/** What there is: the first thing that somebody asks who shall help. */
export const inventory: Check = {
  id: 'inventory',
  title: 'Inventory',
  async run(context) {
    const { config, env, timeoutMs, deadline } = context
    const [os, docker, gpus, cuda] = await Promise.all([
      readOsName(),
      readRuntime(context),
      localGpus(context),
      readCudaVersion(config.collect.nvidiaSmi, env, timeoutMs, deadline()),
    ])
    const drivers = [...new Set(gpus.map(({ driverVersion }) => driverVersion))].filter((text) => text !== '')
    const parts = [
      `${os}, ${type()} ${release()} ${arch()}`,
      `${cpus().length} CPUs, ${gigabytes(totalmem())} RAM`,
      docker,
      cgroupVersion(config.collect.sysRoot),
      drivers.length === 0 ? 'no GPU driver' : `driver ${drivers.join(', ')}`,
      ...(cuda === undefined ? [] : [`CUDA ${cuda}`]),
      gpus.length === 0 ? 'no GPU seen' : gpus.map(({ name }) => name).join(', '),
    ]
    return ok(parts.join('; '))
  },
}

async function readOsName(): Promise<string> {
  const text = await readIfThere('/etc/os-release').catch(() => undefined)
  const name = /^PRETTY_NAME="?([^"\n]+)/m.exec(text ?? '')?.[1] ?? type()
  return existsSync('/.dockerenv') || existsSync('/run/.containerenv') ? `${name} (in a container)` : name
}

async function readRuntime({ docker }: Context): Promise<string> {
  const answers = await docker().catch(() => undefined)
  if (answers === undefined) return 'no container runtime seen'
  const system = textOf(answers.info?.OperatingSystem)
  return `Docker ${answers.version ?? 'of an unknown version'}${system === undefined ? '' : ` on ${system}`}`
}

function cgroupVersion(sysRoot: string): string {
  if (existsSync(`${sysRoot}/fs/cgroup/cgroup.controllers`)) return 'cgroup v2'
  return existsSync(`${sysRoot}/fs/cgroup/memory`) ? 'cgroup v1' : 'no cgroups seen'
}
