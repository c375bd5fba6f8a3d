import { Absent } from '../../collectors/collector.ts'
import { fieldsOf, listOf, textOf } from '../../collectors/docker/fields.ts'
import { fail, messageOf, ok, skip, warn, type Check, type Result } from '../check.ts'
import type { Context } from '../context.ts'
import type { DockerAnswers, SeenContainer } from '../docker.ts'
import { expectsGpu, isMetal } from '../gpus.ts'

export const docker: Check = {
  id: 'docker',
  title: 'Docker answers',
  async run({ docker: look }) {
    try {
      const { where, version, info } = await look()
      const limits = info === undefined ? '; a socket proxy shows containers only' : ''
      return ok(`${where}${version === undefined ? '' : `, version ${version}`}${limits}`)
    } catch (error) {
      if (error instanceof Absent) return skip('no Docker here')
      return fail(
        messageOf(error),
        'docker ps    (and: is this user in the group docker? is OLLASCOPE_DOCKER_HOST right?)',
      )
    }
  },
}

export const containers: Check = {
  id: 'containers',
  title: 'Containers are up and healthy',
  run: (context) =>
    withDocker(context, ({ ollama, others }) => {
      const all = [...ollama, ...others]
      if (all.length === 0) return skip('no container of Ollama or Ollascope here')
      const bad = all.filter(isBad)
      const detail = all.map(describe).join(', ')
      if (bad.length === 0) return ok(detail)
      const [first = ''] = bad.map(({ listed }) => listed.name)
      return fail(detail, `docker logs --tail 50 ${first}; docker start ${first}`)
    }),
}

/** One that was made to end, and did well, is done. */
function isBad({ state, health, inspected }: SeenContainer): boolean {
  if (state === 'exited') return fieldsOf(inspected.State).ExitCode !== 0 || restarts(inspected)
  return state !== 'running' || health === 'unhealthy'
}

function restarts(inspected: SeenContainer['inspected']): boolean {
  const policy = textOf(fieldsOf(fieldsOf(inspected.HostConfig).RestartPolicy).Name) ?? 'no'
  return policy !== 'no' && policy !== 'on-failure'
}

function describe({ listed, state, health }: SeenContainer): string {
  return `${listed.name} ${state}${health === undefined ? '' : ` (${health})`}`
}

/** Whether Docker can give a GPU, and whether Ollama's container was given one. */
export const dockerGpu: Check = {
  id: 'docker-gpu',
  title: "Docker's GPU runtime",
  run: (context) =>
    withDocker(context, async ({ ollama, info }) => {
      if (isMetal(context)) return skip('containers on a Mac have no GPU')
      const { expected, because } = await expectsGpu(context)
      const runtimes = Object.keys(fieldsOf(info?.Runtimes))
      const devices = listOf(info?.DiscoveredDevices).map((one) => textOf(fieldsOf(one).ID) ?? '')
      const isOffered = runtimes.includes('nvidia') || devices.some((id) => id.startsWith('nvidia.com/'))
      const without = ollama.filter(({ inspected }) => !hasGpu(inspected)).map(({ listed }) => listed.name)
      const known = info === undefined ? 'runtimes not shown' : `runtimes ${runtimes.join(', ') || 'none'}`
      if (!expected) return skip(`${known}; ${because}`)
      if (without.length > 0) {
        const fix = `docker run --gpus all ...    (compose: deploy.resources.reservations.devices, or AMD's /dev/kfd and /dev/dri)`
        return fail(`${without.join(', ')} was given no GPU (${because})`, fix)
      }
      if (ollama.length > 0)
        return ok(`${ollama.map(({ listed }) => listed.name).join(', ')} was given a GPU; ${known}`)
      if (info === undefined || isOffered) return ok(known)
      const fix = 'sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker'
      return warn(`${known}: no nvidia runtime, so that a container would get no NVIDIA GPU`, fix)
    }),
}

/** By `--gpus`, by its runtime, or by the devices of AMD or NVIDIA. */
function hasGpu(inspected: SeenContainer['inspected']): boolean {
  const { DeviceRequests, Runtime, Devices } = fieldsOf(inspected.HostConfig)
  const paths = listOf(Devices).map((one) => textOf(fieldsOf(one).PathOnHost) ?? '')
  return (
    listOf(DeviceRequests).length > 0 ||
    Runtime === 'nvidia' ||
    paths.some((path) => /^\/dev\/(nvidia|kfd|dri)/.test(path))
  )
}

/** Without a daemon that answers, only the check of the daemon says so. */
export async function withDocker(
  { docker: look }: Context,
  judge: (answers: DockerAnswers) => Result | Promise<Result>,
): Promise<Result> {
  const answers = await look().catch((error: unknown) =>
    error instanceof Absent ? 'no Docker here' : messageOf(error),
  )
  return typeof answers === 'string' ? skip(answers) : judge(answers)
}
