import { createAmd } from '../collectors/amd.ts'
import type { Collector } from '../collectors/collector.ts'
import type { GpuSnapshot } from '../collectors/gpu.ts'
import { createNvidia } from '../collectors/nvidia.ts'
import { createProgram } from '../collectors/nvidia/program.ts'
import type { Env } from '../config.ts'

const now = () => performance.now()

/** As the collector reads them, with whose memory it is. Rejects with Absent or a CollectError. */
export function readNvidia(
  program: string,
  env: Env,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<readonly GpuSnapshot[]> {
  return gpusOf((onGpus) => createNvidia({ program, env, now, processes: true, timeoutMs, onGpus }), signal)
}

/** Rejects with Absent or a CollectError. */
export function readAmd(sysRoot: string, signal: AbortSignal): Promise<readonly GpuSnapshot[]> {
  return gpusOf((onGpus) => createAmd({ sysRoot, now, onGpus }), signal)
}

async function gpusOf(
  create: (onGpus: (gpus: readonly GpuSnapshot[]) => void) => Collector,
  signal: AbortSignal,
): Promise<readonly GpuSnapshot[]> {
  let found: readonly GpuSnapshot[] = []
  const collector = create((gpus) => (found = gpus))
  try {
    await collector.collect(signal)
    return found
  } finally {
    collector.close?.()
  }
}

/** The newest CUDA that the driver knows; `undefined` where it does not tell. */
export async function readCudaVersion(
  nvidiaSmi: string,
  env: Env,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { PATH, LD_LIBRARY_PATH } = env
  const program = createProgram({
    program: nvidiaSmi,
    env: { PATH, LD_LIBRARY_PATH, LC_ALL: 'C' },
    timeoutMs,
  })
  const { stdout } = await program.run(['--version'], signal).catch(() => ({ stdout: '' }))
  return /CUDA Version\s*:\s*(\d[\d.]*)/i.exec(stdout)?.[1]
}
