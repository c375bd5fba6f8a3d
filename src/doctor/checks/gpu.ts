import { Absent } from '../../collectors/collector.ts'
import type { GpuSnapshot } from '../../collectors/gpu.ts'
import { isLoopback } from '../../config/parsers.ts'
import { fail, messageOf, ok, skip, warn, type Check } from '../check.ts'
import { expectsGpu, isMetal, localGpus } from '../gpus.ts'
import { readNvidia } from '../read-gpus.ts'
import { gigabytes } from '../models.ts'

/** Without it, a server whose GPU never came up looks like one that has none. */
export const gpuExpected: Check = {
  id: 'gpu-expected',
  title: 'GPU expectation is said',
  async run(context) {
    const { config, env } = context
    if (config.gpuExpected !== 'auto') return ok(`OLLASCOPE_GPU_EXPECTED=${config.gpuExpected}`)
    const gpus = (await localGpus(context)).filter(({ isExpected }) => isExpected)
    const seen = gpus[0]?.name ?? (await context.collection().catch(() => undefined))?.gpus[0]?.name
    const why =
      seen !== undefined ? `${seen} is there` : env.NODE_ENV === 'production' ? 'this is production' : undefined
    if (why === undefined) return skip('no GPU is seen, and this is not production (NODE_ENV)')
    return fail(
      `${why}, and OLLASCOPE_GPU_EXPECTED is not set: a GPU that vanishes before the next start would page nobody`,
      `set OLLASCOPE_GPU_EXPECTED=${seen === undefined ? 'true    (false on a server without a GPU)' : 'true'}`,
    )
  },
}

export const nvidia: Check = {
  id: 'nvidia',
  title: 'nvidia-smi',
  async run(context) {
    const { config } = context
    try {
      const gpus = await context.nvidia()
      if (gpus.length > 0) return ok(gpus.map(describe).join('; '))
      const detail = 'the driver works, and finds no GPU'
      const { expected } = await expectsGpu(context)
      return expected ? fail(detail, 'lspci | grep -i nvidia; sudo dmesg | grep -iE "nvrm|xid"') : skip(detail)
    } catch (error) {
      if (!(error instanceof Absent))
        return fail(messageOf(error), `${config.collect.nvidiaSmi}; sudo dmesg | grep -iE "nvrm|xid"`)
      const elsewhere = (await context.collection().catch(() => undefined))?.gpus ?? []
      if (elsewhere.length > 0)
        return ok(`not here; the collector sees ${elsewhere.map(({ name }) => name).join(', ')}`)
      const isHere = isLoopback(config.upstream.host) && !isMetal(context)
      const amd = await context.amd().catch(() => [])
      if (config.gpuExpected !== 'true' || !isHere || amd.length > 0)
        return skip(`${config.collect.nvidiaSmi} is not here`)
      return fail(messageOf(error), 'nvidia-smi    (on the host; in a container: docker run --gpus all ...)')
    }
  },
}

function describe({ name, driverVersion, numbers }: GpuSnapshot): string {
  const { memoryUsedBytes: used, memoryTotalBytes: total } = numbers
  const memory = used === undefined || total === undefined ? '' : `, ${gigabytes(used)} of ${gigabytes(total)} used`
  return `${name}, driver ${driverVersion || 'unknown'}${memory}`
}

export const rocm: Check = {
  id: 'rocm',
  title: 'ROCm (amdgpu)',
  async run({ amd }) {
    try {
      return ok((await amd()).map(describe).join('; '))
    } catch (error) {
      if (error instanceof Absent) return skip('no AMD GPU is here')
      return fail(messageOf(error), 'rocm-smi; sudo dmesg | grep -i amdgpu')
    }
  },
}

export const metal: Check = {
  id: 'metal',
  title: 'Metal',
  slow: true,
  async run(context) {
    if (!isMetal(context)) return skip('no Mac with Apple silicon')
    const models = await context.loaded().catch((error: unknown) => messageOf(error))
    if (typeof models === 'string') return skip(`Ollama does not tell: ${models}`)
    if (models.length === 0) return skip('no model is in memory: set OLLAMA_MODEL, and doctor loads it')
    const onGpu = models.filter(({ vramBytes = 0 }) => vramBytes > 0)
    if (onGpu.length > 0) return ok(`${onGpu.map(({ name }) => name).join(', ')} on Metal`)
    const fix = 'brew install ollama && ollama serve    (native: a container on a Mac has no Metal)'
    return fail('no model in memory uses Metal', fix)
  },
}

/** The driver's view: a model that Ollama believes on the GPU has a process there. */
export const gpuProcess: Check = {
  id: 'gpu-process',
  title: "Ollama in nvidia-smi's list",
  slow: true,
  async run(context) {
    const models = await context.loaded().catch(() => [])
    const onGpu = models.filter(({ vramBytes = 0 }) => vramBytes > 0)
    // Read now, since only now a model is loaded.
    const { config, env, timeoutMs, deadline } = context
    const gpus = await readNvidia(config.collect.nvidiaSmi, env, timeoutMs, deadline()).catch(() => undefined)
    if (gpus === undefined || gpus.length === 0) return skip('nvidia-smi shows no GPU here')
    const told = gpus.filter(({ processMemoryBytes }) => processMemoryBytes !== undefined)
    if (told.length === 0) return skip('nvidia-smi lists no processes')
    // A process that does not tell how much it has is there all the same.
    const bytes = told.reduce((sum, { processMemoryBytes }) => sum + (processMemoryBytes?.ollama ?? 1), 0)
    if (bytes > 0) return ok('Ollama has memory on the GPU')
    if (onGpu.length === 0) return skip('no model is on the GPU now: set OLLAMA_MODEL, and doctor loads it')
    return warn(
      `/api/ps says that ${onGpu.map(({ name }) => name).join(', ')} is on the GPU, and the driver lists no process of Ollama's`,
      'nvidia-smi    (on the host: a container sees processes only with the pid namespace of the host)',
    )
  },
}
