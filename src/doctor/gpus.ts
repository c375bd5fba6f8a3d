import type { GpuSnapshot } from '../collectors/gpu.ts'
import type { Context } from './context.ts'

/** Those of both makers that can be read here; what fails is told by the checks of their own. */
export async function localGpus({ nvidia, amd }: Context): Promise<readonly GpuSnapshot[]> {
  return (await Promise.all([nvidia().catch(() => []), amd().catch(() => [])])).flat()
}

export interface Expectation {
  readonly expected: boolean
  readonly because: string
}

/** Whether a model on the CPU is a fallback here: what is said, else what is seen. */
export async function expectsGpu(context: Context): Promise<Expectation> {
  const { gpuExpected } = context.config
  if (gpuExpected !== 'auto')
    return { expected: gpuExpected === 'true', because: `OLLASCOPE_GPU_EXPECTED=${gpuExpected}` }
  const gpu = (await localGpus(context)).find(({ isExpected }) => isExpected)
  if (gpu !== undefined) return { expected: true, because: `${gpu.name} is here` }
  if (isMetal(context)) return { expected: true, because: 'a Mac has Metal' }
  const status = await context.collection().catch(() => undefined)
  if (status?.gpuExpected === true) return { expected: true, because: `a GPU was ${status.because}` }
  return { expected: false, because: 'no GPU is seen, and none is expected' }
}

export function isMetal({ machine }: Context): boolean {
  return machine.platform === 'darwin' && machine.arch === 'arm64'
}
