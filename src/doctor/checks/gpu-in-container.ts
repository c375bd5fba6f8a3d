import { fieldsOf, listOf, textOf } from '../../collectors/docker/fields.ts'
import { failureOfRun, isWithoutGpus } from '../../collectors/nvidia/failures.ts'
import type { Ended } from '../../collectors/nvidia/program.ts'
import { fail, ok, skip, warn, type Check, type Result } from '../check.ts'
import type { Context } from '../context.ts'
import { variableOf, type DockerAnswers, type SeenContainer } from '../docker.ts'
import { lastWords, runIn } from '../exec.ts'
import { expectsGpu, isMetal } from '../gpus.ts'
import { withDocker } from './docker.ts'

/** The host sees a GPU, and its container was given one: a `systemctl daemon-reload` can have taken it away since. */
export const gpuInContainer: Check = {
  id: 'gpu-in-container',
  title: "Ollama's container sees the GPU",
  run: (context) =>
    withDocker(context, async (docker) => {
      if (isMetal(context)) return skip('containers on a Mac have no GPU')
      if (docker.ollama.length === 0) return skip('Ollama runs in no container here')
      const { expected, because } = await expectsGpu(context)
      if (!expected) return skip(because)
      return worst(await Promise.all(docker.ollama.map((container) => look(context, docker, container))))
    }),
}

async function look(context: Context, docker: DockerAnswers, container: SeenContainer): Promise<Result> {
  const { name } = container.listed
  const onHost = (await context.nvidia().catch(() => [])).length
  const isAmds = onHost === 0 && (await context.amd().catch(() => [])).length > 0
  if (isAmds || hasKfd(container))
    return skip(`AMD's tools are not in Ollama's image: docker exec ${name} ls -l /dev/kfd /dev/dri`)
  const seconds = Math.ceil(context.timeoutMs / 1000)
  // Docker does not end what it runs, and a driver that hangs must not leave one more process each time.
  const ran = await runIn(docker, container, ['timeout', '-s', 'KILL', String(seconds), 'nvidia-smi', '-L'])
  if (ran.kind === 'not-run') return skip(`${ran.because}: docker exec ${name} nvidia-smi -L`)
  if (ran.kind === 'late' || ran.ended.code === KILLED) return judgeLate(name, seconds)
  return judgeGpus(name, ran.ended, isChosen(container) ? 0 : onHost)
}

const KILLED = 137

function judgeLate(name: string, seconds: number): Result {
  const fix = 'sudo dmesg | grep -iE "nvrm|xid"; nvidia-smi    (on the host; where that hangs too, reboot)'
  return fail(`nvidia-smi does not end within ${seconds} s in ${name}`, fix)
}

/** What `nvidia-smi -L` says in a container, which should see as many as these. */
function judgeGpus(name: string, ended: Ended, wanted: number): Result {
  if (ended.code === 126 || ended.code === 127) {
    // The runtime says so of `timeout`, and `timeout` in other words of nvidia-smi.
    if (/OCI runtime|executable file/.test(ended.stdout + ended.stderr))
      return skip(`${name} runs no \`timeout\` (${lastWords(ended)}): docker exec ${name} nvidia-smi -L`)
    const fix = `docker run --gpus all ...    (compose: deploy.resources.reservations.devices, and NVIDIA_DRIVER_CAPABILITIES=compute,utility)`
    return fail(`${name} has no nvidia-smi: it was made without the GPU, or without its tools`, fix)
  }
  const gpus = [...ended.stdout.matchAll(/^GPU \d+: (.+?)(?: \(UUID: .*)?$/gm)].map(([, gpu = '']) => gpu)
  if (ended.code !== 0 || gpus.length === 0) {
    const again = `docker restart ${name}; docker exec ${name} nvidia-smi -L`
    if (isWithoutGpus(ended)) return fail(`${name} has nvidia-smi, and no GPU`, again)
    const { reason, message } = failureOfRun(ended)
    const forGood = '    (for good: "exec-opts": ["native.cgroupdriver=cgroupfs"] in /etc/docker/daemon.json)'
    return fail(`in ${name}, ${message}`, reason === 'unknown_error' ? again + forGood : again)
  }
  const detail = `${name} has ${gpus.join(', ')}`
  if (gpus.length >= wanted) return ok(detail)
  return warn(
    `${detail}: ${gpus.length} of the ${wanted} that the host has`,
    `docker restart ${name}    (or --gpus all)`,
  )
}

function hasKfd({ inspected }: SeenContainer): boolean {
  return listOf(fieldsOf(inspected.HostConfig).Devices).some((one) => fieldsOf(one).PathOnHost === '/dev/kfd')
}

/** Whether it was given some by number or name: that the host has more is meant then. */
function isChosen(container: SeenContainer): boolean {
  const requests = listOf(fieldsOf(container.inspected.HostConfig).DeviceRequests).map(fieldsOf)
  const ids = requests.flatMap(({ DeviceIDs }) => listOf(DeviceIDs)).flatMap((id) => textOf(id) ?? [])
  const isCounted = requests.some(({ Count }) => typeof Count === 'number' && Count > 0)
  // Of the Container Device Interface, all are `nvidia.com/gpu=all`.
  const visible = variableOf(container, 'NVIDIA_VISIBLE_DEVICES') ?? 'all'
  return isCounted || visible !== 'all' || ids.some((id) => !/(^|=)all$/.test(id))
}

const ORDER = ['fail', 'warn', 'ok', 'skip'] as const

/** Of several containers, with what is said of each. */
function worst(results: readonly Result[]): Result {
  const [first = skip('')] = ORDER.flatMap((status) => results.filter((one) => one.status === status))
  return { ...first, detail: results.map(({ detail }) => detail).join('; ') }
}
